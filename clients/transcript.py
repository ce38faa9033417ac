"""Transcript: what is on the screen, so that it can be taken off again.

A sentence already printed cannot be unsaid, but a screen can be painted anew without it: promise
13 tells every connected client to forget. Pure; bounded. Invariant: after ``purge`` or ``forget``
nothing that they cover is among the lines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from clients.rendering import render
from clients.roster import Roster
from clients.timeline import Purge
from clients.wire import Frame

#: What is painted anew, in entries: more than the tallest terminal, less than a burden.
ENTRIES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Said:
    """A line that tells of ``sphere`` (its name, its members), or of none."""

    line: str
    sphere: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An event, and the roster that names its people."""

    event: Frame
    roster: Roster

    @property
    def sphere(self) -> str:
        """Return the sphere that the event is of."""
        return str(self.event["sphere"])


Entry = Said | Shown


class Transcript:
    """The last entries shown."""

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries: deque[Entry] = deque(maxlen=entries_max)

    def add(self, entry: Entry) -> None:
        """Note what was just printed."""
        self._entries.append(entry)

    def purge(self, purge: Purge) -> bool:
        """Apply ``purge``; return whether anything on the screen must go."""
        return self._become([entry for entry in self._entries if not _covered(entry, purge)])

    def forget(self, sphere: str) -> bool:
        """Drop everything of ``sphere``; return whether anything must go."""
        return self._become([entry for entry in self._entries if entry.sphere != sphere])

    def lines(self) -> Iterator[str]:
        """Return what to paint, with people under the names that they have now."""
        for entry in self._entries:
            if isinstance(entry, Said):
                yield entry.line
            else:
                yield from render(entry.event, entry.roster)

    def _become(self, entries: list[Entry]) -> bool:
        changed = entries != list(self._entries)
        self._entries = deque(entries, self._entries.maxlen)
        return changed


def _covered(entry: Entry, purge: Purge) -> bool:
    same = entry.sphere == purge.sphere
    return same and isinstance(entry, Shown) and purge.covers(entry.event)
