"""Logs: JSON lines on standard error, one an event.

Decides the form, that libraries speak only to warn, and that nobody repeats himself without end:
uvicorn's informative lines carry network addresses, and it warns of every request that it cannot
read, which anybody may send by thousands. Invariant: no line carries a body, an address, a name or
a token. Exceptions are named by their type and their place in the code, never by their message,
which may quote what was being handled; that holds for what nobody caught, too.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

import structlog

_log = structlog.get_logger(__name__)

#: Whose lines are ours; all others are a library's.
OURS: Final = ("server", "storage")
#: Seconds after which somebody who repeated himself is heard again.
QUIET_S: Final = 60.0
#: Lines alike that are written within that time: of ours, where each may tell something else, and
#: of libraries.
OURS_MAX: Final = 20
THEIRS_MAX: Final = 1
#: Sentences that are told apart; beyond, they share one place.
SENTENCES_MAX: Final = 200


class Withheld(logging.Filter):
    """Lets so many lines alike through in so many seconds, and counts the others.

    Ours are alike when they are of one event. Those of a library are when they have one template,
    before arguments are put in; where it puts them in by itself, there may be many, so the places
    are bounded. The next line that is written tells how many were not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._places: dict[str, _Place] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is written."""
        ours = record.name.partition(".")[0] in OURS
        name = f"{record.name} {_sentence(record)}"
        if name not in self._places and len(self._places) >= SENTENCES_MAX:
            name = ""
        place, now = self._places.setdefault(name, _Place()), self._clock()
        if now >= place.until:
            record.withheld = place.withheld
            place.until, place.written, place.withheld = now + QUIET_S, 0, 0
        if place.written >= (OURS_MAX if ours else THEIRS_MAX):
            place.withheld += 1
            return False
        place.written += 1
        return True


class _Place:
    """What became of lines alike since the minute began."""

    __slots__ = ("until", "withheld", "written")

    def __init__(self) -> None:
        self.until = float("-inf")
        self.written = 0
        self.withheld = 0


def configure(level: str) -> None:
    """Send every log line of ``level`` and above to standard error, as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shared))
    handler.addFilter(Withheld())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # what logging itself prints quotes the record
    _catch_the_rest()


def _formatter(shared: list[structlog.typing.Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _keep_to_the_template],
        use_get_message=False,  # arguments are anybody's
        processors=[
            _tell_what_was_withheld,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _name_exceptions,
            structlog.processors.JSONRenderer(),
        ],
    )


def _keep_to_the_template(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Keep of a library's line what does not vary."""
    event["event"] = _sentence(event["_record"])
    event.pop("stack_info", None)
    return event


def _tell_what_was_withheld(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Say how many lines like this one were not written before it."""
    if withheld := getattr(event["_record"], "withheld", 0):
        event["withheld"] = withheld
    return event


def _sentence(record: logging.LogRecord) -> str:
    """Return what a line is about: our event, or a library's first line without its arguments."""
    if isinstance(record.msg, dict):  # ours, not yet rendered
        return str(record.msg.get("event"))
    if record.name == "py.warnings":  # Python puts the words in front of the arguments
        return "a warning"
    if isinstance(record.msg, BaseException):
        return type(record.msg).__qualname__
    lines = str(record.msg).strip().splitlines() or [""]
    if lines[0].startswith("Traceback"):  # as text, which some hand on: its end says of what
        return lines[-1].partition(":")[0]
    return lines[0]


def on_loop_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a callback or a forgotten task raised: the loop's own words quote arguments."""
    _log_failure("loop_failed", context.get("exception"))


def _catch_the_rest() -> None:
    """Log what would end the process or a thread, instead of printing it."""

    def on_end(_kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        _log_failure("process_failed", error)

    sys.excepthook = on_end
    threading.excepthook = lambda hint: _log_failure("thread_failed", hint.exc_value)
    sys.unraisablehook = lambda hint: _log_failure("finaliser_failed", hint.exc_value)


def _log_failure(event: str, error: BaseException | None) -> None:
    _log.error(event, exc_info=error)


def _name_exceptions(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace an exception by its types and places, without messages or values."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    event.pop("exc_text", None)
    if isinstance(error, BaseException):
        event["exception"] = _named(error)
    return event


def _named(error: BaseException | None) -> list[str]:
    """Return, from the cause to its effect, each exception's type and where it was raised."""
    named: list[str] = []
    while error is not None and len(named) < 10:
        frames = traceback.extract_tb(error.__traceback__)[-10:]
        places = ", ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
        named.insert(0, f"{type(error).__qualname__} ({places})")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return named
