"""Outcome: what an action is asked, and what it returns.

Invariant: an Outcome exists only of a transaction that committed; whoever gets one may publish it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from server.domain.facts import Member
from server.protocol.commands import Command
from server.protocol.connector import Accepted
from server.protocol.events import Notice
from server.protocol.replies import Reply
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


class Request(msgspec.Struct, Generic[C], frozen=True, kw_only=True, gc=False):
    """A command, who asks, and when. ``member`` is as the session saw them: never authority."""

    command: C
    member: Member
    now: int
    limits: Limits


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """A sphere that outsiders could see and can no longer: their clients must forget it."""

    organisation: str
    sphere: str
    inside: frozenset[str]  #: the members who are told nothing, because they are in it


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What every node must hear of a commit, in the order in which a node applies it."""

    departures: tuple[tuple[str, str], ...] = ()  #: (sphere, member) who are out
    revoked: tuple[str, ...] = ()  #: connectors that are dead
    entries: tuple[Entry, ...] = ()
    notices: tuple[tuple[str, Notice], ...] = ()  #: (member, what to tell them)
    hidden: tuple[Hidden, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The reply, what to publish before it, and whether words were erased."""

    reply: Reply | Accepted
    publication: Publication = Publication()
    erased: bool = False
