"""Facts: what the store knows, as plain values. The arguments of every rule, and no rule.

Invariant: a fact was true inside the transaction that read it; a rule that authorises a write
takes facts read in that same transaction.
"""

from __future__ import annotations

import msgspec

from server.protocol.scalars import Audience, Bequest, History, MemberRole, SphereRole


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A plain value."""


class Member(Fact, frozen=True):
    """An account's membership of one organisation."""

    id: str
    organisation: str
    name: str
    role: MemberRole


class Sphere(Fact, frozen=True):
    """A sphere's settings and the end of its timeline."""

    id: str
    organisation: str
    name: str
    audience: Audience
    history: History
    listed: bool
    revision: int
    head: int


class Stay(Fact, frozen=True):
    """One member's present stay in one sphere, from its arrival on."""

    member: str
    role: SphereRole
    entered: bool
    horizon: int
    bequest: Bequest = Bequest.NONE


class Standing(Fact, frozen=True):
    """What one member is to one sphere of their organisation, at one instant."""

    member: Member
    sphere: Sphere
    stay: Stay | None
    invited: bool
    bequest: Bequest | None = None  #: what they said they leave behind, in this or an earlier stay
