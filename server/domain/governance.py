"""Governance: what managers may do to their organisation and to its members.

Decides from facts read in the transaction at hand, and touches nothing. A manager gains nothing of
what is said in spheres: no rule here lets anybody read, sign in as somebody, or set a password.
Invariant: no command leaves an organisation that has a manager without one; and whoever would end
their own membership must prove their password, which no open device does.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from server import errors
from server.domain.facts import Fact, Member
from server.domain.permission import check_manager
from server.domain.policy import (
    Classes,
    PasswordPolicy,
    SessionPolicy,
    check_password_policy,
    check_session_policy,
)
from server.protocol.scalars import MemberRole

S = TypeVar("S", bound=msgspec.Struct)


class Policies(Fact, frozen=True):
    """What an organisation demands of its members, and what it lets them see of each other."""

    password: PasswordPolicy = PasswordPolicy()
    session: SessionPolicy = SessionPolicy()
    directory: bool = False
    second_factor: bool = False


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be otherwise; None stays as it is. An age of 0 is none: passwords do not age."""

    password_length_min: int | None = None
    password_classes: Classes | None = None
    password_age_max_ms: int | None = None
    password_reuse_history: int | None = None
    session_lifetime_ms: int | None = None
    session_idle_ms: int | None = None
    sessions_max: int | None = None
    directory: bool | None = None
    second_factor: bool | None = None


def changed(policies: Policies, change: PolicyChange) -> Policies:
    """Return the policies as they are to be. Raises InvalidField for one below the floor."""
    age = change.password_age_max_ms
    password = _with(
        policies.password,
        length_min=change.password_length_min,
        classes=change.password_classes,
        reuse_history=change.password_reuse_history,
    )
    if age is not None:
        password = msgspec.structs.replace(password, age_max_ms=age or None)
    session = _with(
        policies.session,
        lifetime_ms=change.session_lifetime_ms,
        idle_ms=change.session_idle_ms,
        sessions_max=change.sessions_max,
    )
    check_password_policy(password)
    check_session_policy(session)
    after = msgspec.structs.replace(policies, password=password, session=session)
    return _with(after, directory=change.directory, second_factor=change.second_factor)


def check_of_organisation(manager: Member, target: Member | None) -> Member:
    """Return a member whom this manager may act on. Raises NotAllowed, NotFound."""
    check_manager(manager)
    if target is None or target.organisation != manager.organisation:
        raise errors.NotFound
    return target


def check_role(manager: Member, target: Member | None, role: MemberRole, *, managers: int) -> None:
    """Raise unless a manager may give ``target`` this role; ``managers`` are those not shut out.

    One may lay down the office oneself, unless nobody else holds it.
    """
    target = check_of_organisation(manager, target)
    if target.id == manager.id and role is not MemberRole.MANAGER and managers <= 1:
        raise errors.NotAllowed("You are the last manager: make somebody else one first.")


def check_shut_out(manager: Member, target: Member | None) -> None:
    """Raise unless a manager may shut ``target`` out: nobody does that to themselves."""
    if check_of_organisation(manager, target).id == manager.id:
        raise errors.NotAllowed("Nobody shuts themselves out: sign out, or close your account.")


def check_dismiss(manager: Member, target: Member | None, *, erase: bool) -> None:
    """Raise unless a manager may end the membership of ``target``, knowing that it erases."""
    check_manager(manager)
    if not erase:
        raise errors.InvalidField(
            "This erases everything that they wrote and did not bequeath, and cannot be undone: say"
            " `erase`. To shut somebody out and erase nothing, use `disable`."
        )
    if check_of_organisation(manager, target).id == manager.id:
        raise errors.NotAllowed("To go yourself, close your account: it asks for your password.")


def check_invited_role(role: MemberRole) -> None:
    """Raise InvalidField for a visitor: those are a sphere's to invite.

    A manager could otherwise invite a visitor of their own into a sphere that they may not read.
    """
    if role is MemberRole.VISITOR:
        raise errors.InvalidField("Visitors are invited by the administrators of a sphere.")


def _with(before: S, **named: object) -> S:
    return msgspec.structs.replace(
        before, **{field: value for field, value in named.items() if value is not None}
    )
