"""Logs: JSON lines on standard error, one an event.

Decides the form, and that libraries speak only to warn, and each of their sentences once a minute:
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

#: Whose lines are written each time; of others see ``Withheld``.
OURS: Final = ("server", "storage")
#: Seconds for which a library does not repeat itself.
QUIET_S: Final = 60.0
#: Sentences of libraries that are told apart; beyond, they share one place.
SENTENCES_MAX: Final = 100


class Withheld(logging.Filter):
    """Lets each sentence of a library through once in so many seconds, and counts the others.

    A sentence is its template, before arguments are put in; where a library puts them in by
    itself, there may be many, so the places are bounded. The next line that is written tells how
    many were not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._until: dict[str, float] = {}
        self._withheld: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is written."""
        if record.name.partition(".")[0] in OURS:
            return True
        place = f"{record.name} {_sentence(record)}"
        if place not in self._until and len(self._until) >= SENTENCES_MAX:
            place = ""
        now = self._clock()
        if now < self._until.get(place, now):
            self._withheld[place] = self._withheld.get(place, 0) + 1
            return False
        self._until[place] = now + QUIET_S
        record.withheld = self._withheld.pop(place, 0)
        return True


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
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _name_exceptions,
            structlog.processors.JSONRenderer(),
        ],
    )


def _keep_to_the_template(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Keep of a library's line what does not vary, and how many like it were withheld."""
    record: logging.LogRecord = event["_record"]
    event["event"] = _sentence(record)
    event.pop("stack_info", None)
    if withheld := getattr(record, "withheld", 0):
        event["withheld"] = withheld
    return event


def _sentence(record: logging.LogRecord) -> str:
    """Return what a library's line is about: its first line, without its arguments."""
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
