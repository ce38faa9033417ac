"""Passages: files that are on their way to members just now, by the timeline that they are from.

The hub's half of the two walls for bytes that are too many for one frame: a departure cuts what is
on its way to whoever left, and an erasure has the store asked again before anything more is handed
on. Touches no store and no socket. Invariant: when ``cut`` has returned, nothing of that timeline
is handed to that member's passages again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Passage(Protocol):
    """A file on its way to a member."""

    outdated: bool

    @property
    def reader(self) -> str:
        """Return the id of the member."""
        ...

    def cut(self) -> None:
        """Let no further byte leave: never blocks, never raises."""
        ...


class Passages:
    """What is on its way on this node."""

    def __init__(self) -> None:
        self._open: dict[str, set[Passage]] = {}

    @contextmanager
    def passing(self, timeline: str, passage: Passage) -> Iterator[None]:
        """Watch a passage from a timeline."""
        self._open.setdefault(timeline, set()).add(passage)
        try:
            yield
        finally:
            self._open[timeline].discard(passage)
            if not self._open[timeline]:
                del self._open[timeline]

    def cut(self, timeline: str, member: str) -> None:
        """Cut what is on its way from a timeline to a member who is out."""
        for passage in tuple(self._open.get(timeline, ())):
            if passage.reader == member:
                passage.cut()

    def cut_all(self) -> None:
        """Cut everything: who departs is not heard of any more."""
        for passages in tuple(self._open.values()):
            for passage in tuple(passages):
                passage.cut()

    def outdate(self, timeline: str) -> None:
        """Have the store asked again about what is on its way: something was erased."""
        for passage in self._open.get(timeline, ()):
            passage.outdated = True
