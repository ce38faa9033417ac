"""Pace: how fast one connection may ask (GCRA, the leaky bucket as one number).

Invariant: over any span, no more than ``burst + rate * span`` requests pass.
"""

from __future__ import annotations


class Pace:
    """A rate per second with a burst; times in milliseconds."""

    __slots__ = ("_interval", "_slack", "_then")

    def __init__(self, *, rate: float, burst: float) -> None:
        self._interval = 1_000.0 / rate
        self._slack = self._interval * burst
        self._then = 0.0

    def delay(self, now: int) -> int:
        """Count a request; return 0 when it may pass, else how many ms to wait (not counted)."""
        then = max(self._then, float(now))
        if then - now > 2 * self._slack:
            then = float(now)  # the clock stepped back: nobody pays for that
        wait = then + self._interval - now - self._slack
        if wait > 0:
            return int(wait) + 1
        self._then = then + self._interval
        return 0
