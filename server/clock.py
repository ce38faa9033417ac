"""Clock: the only place that asks what time it is.

Everything above takes ``now`` as an argument or a Clock; tests hand in one that they move by hand.
Wall time, because deadlines are dates that outlive the process; a step of the system's clock moves
them as it moves every date.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in milliseconds, UTC since 1970."""

    def now(self) -> int:
        """Return the present."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return the present."""
        return time.time_ns() // 1_000_000
