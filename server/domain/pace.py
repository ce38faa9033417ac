"""Pace: how fast one connection may ask (GCRA, the leaky bucket as one number).

Invariant: over any span, no more than ``burst + rate * span`` requests pass.
"""

from __future__ import annotations

from collections import OrderedDict

#: Keys whose pace is remembered; the longest silent are forgotten first, and start afresh.
PACES_MAX = 10_000


class Pace:
    """A rate per second with a burst; times in milliseconds."""

    __slots__ = ("_interval", "_seen", "_slack", "_then")

    def __init__(self, *, rate: float, burst: float) -> None:
        self._interval = 1_000.0 / rate
        self._slack = self._interval * burst
        self._then = 0.0
        self._seen = 0

    def delay(self, now: int) -> int:
        """Count a request; return 0 when it may pass, else how many ms to wait (not counted)."""
        # A clock that stepped back makes nobody wait for it to catch up.
        then = float(now) if now < self._seen else max(self._then, float(now))
        self._seen = now
        wait = then + self._interval - now - self._slack
        if wait > 0:
            return int(wait) + 1
        self._then = then + self._interval
        return 0


class Paces:
    """One pace for each key, whatever door it comes in by."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    def delay(self, key: str, now: int) -> int:
        """Count a request of ``key``; return 0 or how many ms to wait, as a Pace does."""
        pace = self._paces.pop(key, None) or Pace(rate=self._rate, burst=self._burst)
        self._paces[key] = pace
        if len(self._paces) > PACES_MAX:
            self._paces.popitem(last=False)
        return pace.delay(now)
