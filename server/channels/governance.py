"""Governance: what managers do to their organisation and its members, over the wire.

Each action reads who asks as they are in its own transaction, so that of two managers at once the
second is refused what the first took from them. What an act comes to is in ``membership`` and
``policies``, for the command line too. Invariant: nothing here shows an address, reads
content, opens a session or touches a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_

from server import errors
from server.auth.admission import draw
from server.channels import membership, policies
from server.channels.guests import VALID_MS
from server.channels.outcome import C, Outcome, Request
from server.channels.spheres import present
from server.domain import governance
from server.domain.facts import Member
from server.domain.governance import PolicyChange
from server.domain.naming import check_address
from server.domain.permission import check_manager
from server.domain.policy import Classes
from server.protocol.commands import (
    ChangeRole,
    Disable,
    Dismiss,
    Enable,
    GetPolicies,
    InviteMember,
    ListConnectors,
    ListInvitations,
    ListMembers,
    SetPolicies,
    WithdrawInvitation,
)
from server.protocol.replies import (
    Connectors,
    Done,
    Invitations,
    InvitationToken,
    Members,
    Policies,
)
from server.protocol.scalars import Parting, PasswordClass
from server.protocol.views import AdmissionView, Membership
from storage import admissions, connectors, members, organisations
from storage.admissions import Admission, Pending
from storage.database import Transaction


def _manager(tx: Transaction, request: Request[C]) -> Member:
    """Return the manager who asks. Raises NotFound, NotAllowed."""
    member = present(tx, request)
    check_manager(member)
    return member


# -- who is in the organisation


def listing(tx: Transaction, request: Request[ListMembers]) -> Members:
    """Return a page of members, visitors and those who are shut out among them."""
    command = request.command
    organisation = _manager(tx, request).organisation
    found = members.page(tx, organisation, after=command.after, limit=command.limit + 1)
    shown = [
        Membership(
            member=one.member.id,
            name=one.member.name,
            role=one.member.role,
            disabled=one.disabled,
        )
        for one in found[: command.limit]
    ]
    return Members(id=command.id, members=shown, more=len(found) > command.limit)


def change_role(tx: Transaction, request: Request[ChangeRole]) -> Outcome:
    """Give a member another role."""
    command = request.command
    manager = _manager(tx, request)
    target = members.get(tx, command.member)
    present_managers = members.managers(tx, manager.organisation)
    governance.check_role(manager, target, command.role, managers=present_managers)
    return _done(request, membership.change_role(tx, command.member, command.role, request.now))


def disable(tx: Transaction, request: Request[Disable]) -> Outcome:
    """Shut a member out."""
    manager, target = _manager(tx, request), members.get(tx, request.command.member)
    governance.check_shut_out(manager, target)
    return _done(request, membership.set_disabled(tx, request.command.member, disabled=True))


def enable(tx: Transaction, request: Request[Enable]) -> Outcome:
    """Let a member in again."""
    manager, target = _manager(tx, request), members.get(tx, request.command.member)
    governance.check_of_organisation(manager, target)
    return _done(request, membership.set_disabled(tx, request.command.member, disabled=False))


def dismiss(tx: Transaction, request: Request[Dismiss]) -> Outcome:
    """End a membership: they leave every sphere, and take along what they wrote."""
    command = request.command
    manager, target = _manager(tx, request), members.get(tx, command.member)
    governance.check_dismiss(manager, target, erase=command.erase)
    return _done(request, membership.dismiss(tx, command.member, Parting.REMOVED, request.now))


def _done(request: Request[C], parted: membership.Parted) -> Outcome:
    """Answer without the certificates: how much somebody wrote where is not the manager's."""
    return Outcome(
        reply=Done(id=request.command.id), publication=parted.publication, erased=parted.erased
    )


# -- who may come


def invite(tx: Transaction, request: Request[InviteMember]) -> Outcome:
    """Draw an invitation for an address; whether anybody has it is not looked at."""
    command = request.command
    manager = _manager(tx, request)
    governance.check_invited_role(command.role)
    address = check_address(command.address)
    if admissions.count(tx, manager.organisation) >= (
        request.limits.invitations_per_organisation_max
    ):
        raise errors.Full("This organisation has as many invitations as the server allows.")
    expires_at = request.now + VALID_MS
    token = draw(
        tx,
        Admission(
            organisation=manager.organisation,
            address=address,
            role=command.role,
            invited_by=manager.id,
        ),
        expires_at=expires_at,
    )
    return Outcome(reply=InvitationToken(id=command.id, token=token, expires_at=expires_at))


def invitations(tx: Transaction, request: Request[ListInvitations]) -> Invitations:
    """Return a page of the invitations that stand, without the addresses."""
    command = request.command
    manager = _manager(tx, request)
    found = admissions.of_organisation(
        tx, manager.organisation, request.now, after=command.after, limit=command.limit + 1
    )
    return Invitations(
        id=command.id,
        invitations=[_pending(one) for one in found[: command.limit]],
        more=len(found) > command.limit,
    )


def _pending(found: Pending) -> AdmissionView:
    return AdmissionView(
        invitation=found.id, role=found.role, by=found.invited_by, expires_at=found.expires_at
    )


def withdraw(tx: Transaction, request: Request[WithdrawInvitation]) -> Outcome:
    """Withdraw an invitation, whoever drew it; its address is erased."""
    command = request.command
    organisation = _manager(tx, request).organisation
    if (command.invitation is None) == (command.address is None):
        raise errors.InvalidField("Name the `invitation` or the `address`: exactly one of them.")
    if command.address is not None:
        admissions.withdraw_of(tx, organisation=organisation, address=command.address)
    elif command.invitation is not None and not admissions.withdraw_one(
        tx, organisation=organisation, admission=command.invitation
    ):
        raise errors.NotFound
    return Outcome(reply=Done(id=command.id), erased=True)


# -- what the organisation demands


def demands(tx: Transaction, request: Request[GetPolicies]) -> Policies:
    """Return the policies."""
    return _policies(tx, request, _manager(tx, request))


def set_policies(
    tx: Transaction, request: Request[SetPolicies], seen: Mapping[str, int]
) -> Outcome:
    """Change policies, and return what holds now; ``seen`` is as in ``policies.replace``."""
    manager = _manager(tx, request)
    publication = policies.replace(
        tx, manager.organisation, _change(request.command), seen=seen, now=request.now
    )
    return Outcome(reply=_policies(tx, request, manager), publication=publication)


def _policies(tx: Transaction, request: Request[C], manager: Member) -> Policies:
    found = organisations.get(tx, manager.organisation)
    assert found is not None
    password, session = found.password_policy, found.session_policy
    return Policies(
        id=request.command.id,
        password_length_min=password.length_min,
        password_classes=[PasswordClass(one.lower()) for one in _names(password.classes)],
        password_age_max_ms=password.age_max_ms or 0,
        password_reuse_history=password.reuse_history,
        session_lifetime_ms=session.lifetime_ms,
        session_idle_ms=session.idle_ms,
        sessions_max=session.sessions_max,
        directory=found.directory,
        second_factor=found.second_factor,
    )


def _names(classes: Classes) -> list[str]:
    return [one.name for one in Classes if one & classes and one.name]


def _change(command: SetPolicies) -> PolicyChange:
    named = {
        field: getattr(command, field)
        for field in PolicyChange.__struct_fields__
        if field != "password_classes"
    }
    if command.password_classes is None:
        return PolicyChange(**named)
    chosen = (Classes[one.name] for one in command.password_classes)
    return PolicyChange(**named, password_classes=reduce(or_, chosen, Classes.NONE))


# -- bots


def bots(tx: Transaction, request: Request[ListConnectors]) -> Connectors:
    """Return a page of the connectors of every sphere."""
    command = request.command
    organisation = _manager(tx, request).organisation
    found = connectors.of_organisation(
        tx, organisation, after=command.after, limit=command.limit + 1
    )
    return Connectors(
        id=command.id, connectors=found[: command.limit], more=len(found) > command.limit
    )
