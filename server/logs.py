"""Logs: JSON lines on standard error, one an event.

Decides the form, and that libraries speak only to warn: uvicorn's informative lines carry network
addresses. Invariant: no line carries a body, an address, a name or a token; exceptions are named by
their type, and a traceback holds code, never values.
"""

from __future__ import annotations

import logging
import sys

import structlog


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
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("server", "storage"):
        logging.getLogger(name).setLevel(level.upper())
