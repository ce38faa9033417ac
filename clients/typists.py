"""Typists: who is writing just now, and how often to tell that I am.

Shows words by the function it is given, and takes them away in time. Invariant: nobody is shown as
typing for longer than SHOWN_S after the last that was heard of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

#: Seconds that a word of somebody's typing lasts, as the protocol asks.
SHOWN_S: Final = 6.0
#: Seconds between two words of mine: the server tells no more often.
EVERY_S: Final = 3.0
#: Names shown at once: a line.
_NAMES_MAX: Final = 3


class Typists:
    """The people who type in one place."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._until: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = float("-inf")

    def may_tell(self) -> bool:
        """Say whether it is time to tell that I type; if it is, take it as told."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at < EVERY_S:
            return False
        self._told_at = now
        return True

    def note(self, name: str) -> None:
        """Show that somebody types."""
        self._until[name] = asyncio.get_running_loop().time() + SHOWN_S
        self._paint()

    def drop(self, name: str) -> None:
        """Show somebody no more: they said what they typed."""
        if self._until.pop(name, None) is not None:
            self._paint()

    def clear(self) -> None:
        """Show nobody: this is another place."""
        self._until.clear()
        self._paint()

    def _paint(self) -> None:
        loop = asyncio.get_running_loop()
        self._until = {name: end for name, end in self._until.items() if end > loop.time()}
        names = list(self._until)[:_NAMES_MAX]
        self._show(f"{', '.join(names)} writing" if names else "")
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._until:
            self._timer = loop.call_at(min(self._until.values()), self._paint)
