"""Broker: how what was committed reaches the hub of every node.

The contract; its implementations stand beside it. A broker is never the record: what it drops is
found again in the store by ``seq``. Invariant: publications of one timeline are delivered in the
order in which they were published, and control (departures, revocations) no later than content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from server.channels.hearing import Hearing
from server.channels.outcome import Mention, Publication, RollCall, Spent


class Publisher(Protocol):
    """Takes publications."""

    hearing: Hearing  #: whether this node hears the others

    def publish(self, publication: Publication) -> None:
        """Deliver ``publication``: on this node, before this returns."""
        ...

    def after(self, act: Callable[[], None]) -> None:
        """Call ``act`` once every node applied what was taken from anybody by what is published.

        A node that does not say so in time is deaf by then, and delivers nothing.
        """
        ...


class Broker(Publisher, Protocol):
    """Delivers each publication to whoever listens, on this node and the others."""

    def listen(self, deliver: Callable[[Publication], None]) -> None:
        """Call ``deliver``, which must not raise or block, for each publication from now on."""
        ...

    @property
    def waiting(self) -> int:
        """Return how many departures and revocations the line to the others did not take yet."""
        ...

    async def follow(self, timeline: str) -> None:
        """Return when nothing that is said of a timeline from now on can be missed here.

        Raises Busy while this node does not hear the others.
        """
        ...

    def unfollow(self, timeline: str) -> None:
        """Take it that nobody here listens to a timeline any more."""
        ...

    def mention(self, mention: Mention) -> None:
        """Tell the other nodes what is true for a moment; it may be lost."""
        ...

    def count(
        self, *, seen: tuple[tuple[str, int], ...] = (), spent: tuple[Spent, ...] = ()
    ) -> None:
        """Tell the other nodes what was counted here; it may be lost."""
        ...

    def call(self, roll: RollCall) -> None:
        """Tell the other nodes who came to this one, or went."""
        ...

    async def settled(self) -> None:
        """Return when whatever any node has committed by now is on its way to everybody."""
        ...

    async def start(self) -> None:
        """Reach for the others, on the running loop."""
        ...

    async def heard(self) -> None:
        """Wait until this node hears the others."""
        ...

    async def stop(self) -> None:
        """Take leave of the others."""
        ...
