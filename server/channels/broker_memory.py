"""The in-process broker: one node, no queue, nothing to lose."""

from __future__ import annotations

from collections.abc import Callable

from server.channels.hearing import Hearing
from server.channels.outcome import Mention, Publication, RollCall, Spent


class MemoryBroker:
    """Hands each publication to its listeners at once."""

    def __init__(self) -> None:
        self.hearing = Hearing()
        self._listeners: list[Callable[[Publication], None]] = []

    def listen(self, deliver: Callable[[Publication], None]) -> None:
        """Call ``deliver`` for each publication from now on."""
        self._listeners.append(deliver)

    def publish(self, publication: Publication) -> None:
        """Deliver to every listener before returning."""
        for deliver in self._listeners:
            deliver(publication)

    def after(self, act: Callable[[], None]) -> None:
        """Call ``act`` now: there is no other node."""
        act()

    @property
    def waiting(self) -> int:
        """Return none: there is no line."""
        return 0

    async def follow(self, timeline: str) -> None:
        """Return at once: what is said is said here."""

    def unfollow(self, timeline: str) -> None:
        """Do nothing."""

    def mention(self, mention: Mention) -> None:
        """Do nothing: nobody else is there."""

    def count(
        self, *, seen: tuple[tuple[str, int], ...] = (), spent: tuple[Spent, ...] = ()
    ) -> None:
        """Do nothing: nobody else counts."""

    def call(self, roll: RollCall) -> None:
        """Do nothing: nobody else asks."""

    async def settled(self) -> None:
        """Return when whatever is committed here is published."""
        await self.hearing.settled()

    async def start(self) -> None:
        """Do nothing: there is nobody to reach."""

    async def heard(self) -> None:
        """Return at once."""

    async def stop(self) -> None:
        """Do nothing."""
