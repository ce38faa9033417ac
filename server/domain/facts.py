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


class Seat(Fact, frozen=True):
    """What tells how much of a timeline somebody inside may hear."""

    horizon: int
    entered: bool = False


class Sphere(Fact, frozen=True):
    """The settings of a sphere, or of a private thread (which has a parent), and its head."""

    id: str
    organisation: str
    name: str
    audience: Audience
    history: History
    listed: bool
    revision: int
    head: int
    parent: str | None = None

    @property
    def home(self) -> str:
        """Return the sphere itself, or the one that a thread is in."""
        return self.parent or self.id

    @property
    def thread(self) -> str | None:
        """Return the id of a thread, None of a sphere proper."""
        return None if self.parent is None else self.id


class Message(Fact, frozen=True):
    """A message that is there."""

    seq: int
    stamp: int
    author: str  #: as people know them: of an anonymised message, its alias


class Stay(Fact, frozen=True):
    """One member's present stay in one sphere, from its arrival on."""

    member: str
    role: SphereRole
    entered: bool
    horizon: int
    bequest: Bequest = Bequest.NONE
    declines: bool | None = None  #: new private threads; None: as everywhere
    default_thread: str | None = None
    read: int = 0  #: how far they said that they read
    disabled: bool = False  #: shut out of the organisation at present
    show_read: bool = False

    @property
    def seat(self) -> Seat:
        """Return what of the timeline this stay may hear."""
        return Seat(horizon=self.horizon, entered=self.entered)


class Standing(Fact, frozen=True):
    """What one member is to one sphere of their organisation, at one instant."""

    member: Member
    sphere: Sphere
    stay: Stay | None
    invited: bool
    bequest: Bequest | None = None  #: what they said they leave behind, in this or an earlier stay
    home: Sphere | None = None  #: of a thread: the sphere that it is in
