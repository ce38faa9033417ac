"""Listening: what the hub asks of whoever is at its other end, and of the nodes around it.

Shapes alone. Invariant: nothing here blocks or raises, but to follow a timeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from server.channels.outcome import Mention, RollCall
from server.channels.room import Subscriber
from server.domain.facts import Member
from server.protocol.close import Close
from server.protocol.events import Notice


class Listener(Subscriber, Protocol):
    """A person's connection, as the hub sees it."""

    member: Member

    @property
    def subscriptions(self) -> Iterable[str]:
        """Return the timelines that it listens to."""
        ...

    def notify(self, notice: Notice) -> None:
        """Take a notice to the socket."""
        ...

    def forget(self, sphere: str) -> None:
        """Drop a subscription; cut the socket where frames of the sphere may still be unsent."""
        ...


class Timelines(Protocol):
    """How the hub says which timelines are listened to here."""

    async def follow(self, timeline: str) -> None:
        """Return when nothing that is said from now on is missed. Raises Busy."""
        ...

    def unfollow(self, timeline: str) -> None:
        """Take it that nobody here listens any more."""
        ...

    def mention(self, mention: Mention) -> None:
        """Tell the other nodes what is true for a moment."""
        ...

    def call(self, roll: RollCall) -> None:
        """Tell the other nodes who came here, or went."""
        ...


class Bot(Protocol):
    """A connector's connection, as the hub sees it."""

    def end(self, close: Close) -> None:
        """Close the socket."""
        ...


class HubLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often signals are told, and of whom; defaults and reasons are the settings'."""

    presence_every_s: float = 1.0
    presence_grace_s: float = 5.0
    presence_members_max: int = 200
    typing_every_s: float = 3.0
    typings_per_second: float = 10
