"""Logs: JSON lines on standard error, one an event.

Decides the form, and that libraries speak only to warn: uvicorn's informative lines carry network
addresses. Invariant: no line carries a body, an address, a name or a token. Exceptions are named by
their type and their place in the code, never by their message, which may quote what was being
handled; that holds for what nobody caught, too.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import structlog

_log = structlog.get_logger(__name__)


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
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _name_exceptions,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("server", "storage"):
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    _catch_the_rest()


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
