"""Typists: of whom the listeners of one timeline were told lately that they are typing.

Decides when to tell them again, and bounds how often one timeline is told at all: what a thousand
typists cost a thousand listeners must not be their product. Invariant: it remembers nobody who is
out of the timeline.
"""

from __future__ import annotations

from server.domain.pace import Pace
from server.domain.presence import may_type


class Typists:
    """When each member was last seen to type, on one timeline."""

    __slots__ = ("_every_ms", "_last", "_pace")

    def __init__(self, *, every_ms: int, per_second: float) -> None:
        self._every_ms = every_ms
        self._pace = Pace(rate=per_second, burst=per_second)
        self._last: dict[str, int] = {}

    def may(self, member: str, now: int) -> bool:
        """Say whether to tell the others now that ``member`` types; if so, count it."""
        if not may_type(self._last.get(member), now, self._every_ms) or self._pace.delay(now):
            return False
        self._last[member] = now
        return True

    def forget(self, member: str) -> None:
        """Drop a member who is out."""
        self._last.pop(member, None)
