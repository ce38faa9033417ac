"""Outcome: what an action is asked, and what it returns.

Invariant: an Outcome exists only of a transaction that committed; whoever gets one may publish it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

from server.domain.facts import Member
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.commands import Command
from server.protocol.connector import Accepted
from server.protocol.events import Notice
from server.protocol.replies import Reply
from server.protocol.signals import ReadShown, Typing
from storage.timeline import Entry

C = TypeVar("C", bound=Command)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one sphere or member may hold; the defaults and reasons are the settings'."""

    members_per_sphere_max: int = 5_000
    spheres_per_member_max: int = 500
    invitations_per_sphere_max: int = 1_000
    connectors_per_sphere_max: int = 50
    requests_per_sphere_max: int = 1_000
    threads_per_member_max: int = 1_000
    invitations_per_organisation_max: int = 10_000
    reactions_per_message_max: int = 20
    attachment_bytes_max: int = 26_214_400
    attachment_bytes_per_member_max: int = 134_217_728
    attachments_pending_max: int = 20
    attachment_pending_s: float = 3_600.0


class Request(msgspec.Struct, Generic[C], frozen=True, kw_only=True, gc=False):
    """A command, who asks, and when. ``member`` is as the session saw them: never authority."""

    command: C
    member: Member
    now: int
    limits: Limits

    @property
    def size(self) -> int:
        """Return about how many bytes of words wait with it."""
        words = getattr(self.command, "body", None) or getattr(self.command, "sealed", None)
        return len(words or ())


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """A sphere that outsiders could see and can no longer: their clients must forget it."""

    organisation: str
    sphere: str
    inside: frozenset[str]  #: the members who are told nothing, because they are in it


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """What an organisation demands from now on, of sessions that are open too."""

    organisation: str
    password: PasswordPolicy
    session: SessionPolicy


class Spent(msgspec.Struct, frozen=True, array_like=True):
    """Attempts to sign in that another node counted; the key is a digest."""

    bucket: int
    key: bytes
    cost: float


class Departed(msgspec.Struct, frozen=True, kw_only=True):
    """A departure at ``seq`` that was only found in the store, long after it perhaps.

    Who subscribed from a snapshot that is no older is not meant. Without a ``member``, everybody.
    """

    sphere: str
    thread: str | None
    member: str | None
    seq: int

    @property
    def timeline(self) -> str:
        """Return the timeline that was left."""
        return self.thread or self.sphere


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """What is true for a moment on a timeline, for whoever listens on the other nodes."""

    timeline: str
    node: bytes = b""  #: who says it
    typing: Typing | None = None
    there: tuple[str, ...] | None = None  #: the members who are seen to listen on that node
    asked: bool = False  #: whether the others shall say who listens there


class RollCall(msgspec.Struct, frozen=True, kw_only=True):
    """Who came to a node or went, and is seen; or who is there, when it is the ``whole`` of it."""

    node: bytes = b""
    here: tuple[tuple[str, bool], ...] = ()
    whole: bool = False
    asked: bool = False  #: whether the node asks the others the same


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What every node must hear of a commit, in the order in which a node applies it."""

    departures: tuple[tuple[str, str], ...] = ()  #: (sphere, member) who are out
    revoked: tuple[str, ...] = ()  #: connectors that are dead
    entries: tuple[Entry, ...] = ()
    notices: tuple[tuple[str, Notice], ...] = ()  #: (member, what to tell them)
    hidden: tuple[Hidden, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    ended: tuple[str, ...] = ()  #: sessions that are over
    dissolved: tuple[str, ...] = ()  #: spheres that are no more
    appearances: tuple[tuple[str, bool], ...] = ()  #: (member, whether others may see them there)
    reads: tuple[tuple[ReadShown, int], ...] = ()  #: (how far somebody read, the seq it is about)
    departed: tuple[Departed, ...] = ()
    mentions: tuple[Mention, ...] = ()
    silent: tuple[bytes, ...] = ()  #: nodes that are not heard any more
    seen: tuple[tuple[str, int], ...] = ()  #: (session, when it was last seen)
    spent: tuple[Spent, ...] = ()
    calls: tuple[RollCall, ...] = ()
    destroyed_keys: tuple[bytes, ...] = ()  #: ids of keys that nobody may use any more


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The reply, what to publish before it, and whether words were erased."""

    reply: Reply | Accepted
    publication: Publication = Publication()
    erased: bool = False


def together(every: Iterable[Publication]) -> Publication:
    """Return everything that every node must hear, each kind in its place."""
    parts = list(every)
    return Publication(
        **{
            kind: tuple(item for one in parts for item in getattr(one, kind))
            for kind in Publication.__struct_fields__
        }
    )
