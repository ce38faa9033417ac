"""Readings: looks at the store that are under way on this node, by what they look at.

What happens meanwhile marks them: void for who left, outdated where something of it was erased.
Touches no store. Invariant: a reading is marked from the moment it is watched until it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from server.channels.room import Reading, Subscriber


class Readings:
    """What is being read."""

    def __init__(self) -> None:
        self._under_way: dict[str, set[Reading]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    @contextmanager
    def watching(self, sphere: str, subscriber: Subscriber) -> Iterator[Reading]:
        """Watch a read, until the block ends."""
        reading = Reading(sphere, subscriber)
        self._under_way.setdefault(sphere, set()).add(reading)
        try:
            yield reading
        finally:
            self._under_way[sphere].discard(reading)
            if not self._under_way[sphere]:
                del self._under_way[sphere]

    def void(self, sphere: str, member: str | None) -> None:
        """Let what a member (None: anybody) is reading of a sphere be handed to them no more."""
        for reading in self._of(sphere, member):
            reading.void = True

    def void_all(self) -> None:
        """Let nothing that is being read be handed over."""
        for sphere in self._under_way:
            self.void(sphere, None)

    def outdate(self, sphere: str, member: str | None = None) -> None:
        """Have what is being read of a sphere (by one member) read again."""
        for reading in self._of(sphere, member):
            reading.outdated = True

    def _of(self, sphere: str, member: str | None) -> Iterator[Reading]:
        for reading in self._under_way.get(sphere, ()):
            if member is None or reading.subscriber.member.id == member:
                yield reading
