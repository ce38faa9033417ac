"""Deadlines: the one timer that closes what is due, for all sessions.

Sleeps until the earliest deadline, and never longer than a second: deadlines are dates, so a step
of the system's clock moves them, and nothing else tells. Invariant: while it runs, a timer is
armed, whatever closing a socket came to.
"""

from __future__ import annotations

import asyncio

from server.auth.live import LiveSessions
from server.clock import Clock

#: The longest sleep: how late a step of the clock may be noticed.
SLEEP_MAX_S = 1.0


class DeadlineTimer:
    """Calls ``live.due`` when something is due."""

    def __init__(
        self, live: LiveSessions, clock: Clock, *, sleep_max_s: float = SLEEP_MAX_S
    ) -> None:
        self._live = live
        self._clock = clock
        self._sleep_max_s = sleep_max_s
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0

    def start(self) -> None:
        """Begin, on the running loop."""
        self._live.sooner = self._sooner
        self._arm()

    def stop(self) -> None:
        """Close nothing any more. A stopped timer may be started again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sooner(self, deadline: int) -> None:
        if self._timer is not None and deadline < self._wakes_at:
            self._arm()

    def _arm(self) -> None:
        self.stop()
        now = self._clock.now()
        next_deadline = self._live.next_deadline()
        sleep_s = self._sleep_max_s
        if next_deadline is not None:
            sleep_s = min(sleep_s, max(0, next_deadline - now) / 1000)
        self._wakes_at = now + int(sleep_s * 1000)
        self._timer = asyncio.get_running_loop().call_later(sleep_s, self._wake)

    def _wake(self) -> None:
        try:
            self._live.due(self._clock.now())
        finally:
            if self._timer is not None:
                self._arm()
