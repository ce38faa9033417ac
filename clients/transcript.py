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


#: The fields of a message that an edit replaces.
_WORDS: Final[tuple[str, ...]] = ("body", "sealed", "scheme")


@dataclass(frozen=True, slots=True)
class Said:
    """A line that tells of a timeline and its sphere (its name, its members), or of none."""

    line: str
    sphere: str | None = None
    thread: str | None = None

    @property
    def timeline(self) -> str | None:
        """Return the timeline that the line is of."""
        return self.thread or self.sphere


@dataclass(frozen=True, slots=True)
class Shown:
    """An event, and the roster that names its people."""

    event: Frame
    roster: Roster

    @property
    def sphere(self) -> str:
        """Return the sphere that the event is of."""
        return str(self.event["sphere"])

    @property
    def timeline(self) -> str:
        """Return the timeline that the event is of."""
        return str(self.event.get("thread") or self.event["sphere"])


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

    def forget(self, place: str) -> bool:
        """Drop everything of a sphere, or of a thread; return whether anything must go."""
        kept = [entry for entry in self._entries if place not in {entry.sphere, entry.timeline}]
        return self._become(kept)

    def edit(self, edited: Frame) -> bool:
        """Put the words of a ``message_edited`` in their place; return whether any was there."""
        place = edited.get("thread") or edited["sphere"], edited["message"]
        return self._become([_edited(entry, place, edited) for entry in self._entries])

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
    same = entry.timeline == purge.timeline
    return same and isinstance(entry, Shown) and purge.covers(entry.event)


def _edited(entry: Entry, place: tuple[str, int], edited: Frame) -> Entry:
    if isinstance(entry, Said) or (entry.timeline, entry.event["seq"]) != place:
        return entry
    words: Frame = {name: edited[name] for name in _WORDS if name in edited}
    return Shown({**entry.event, **words, "edited_at": edited["at"]}, entry.roster)
