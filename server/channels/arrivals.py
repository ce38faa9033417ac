"""Arrivals: invite, uninvite, join, decline, enter, appoint; and step down.

Invariant: a stay opens in the transaction that appends its arrival, and begins at that very seq:
nobody is ever inside without the others having been told, or sees what came before.
"""

from __future__ import annotations

from server import errors
from server.channels.outcome import Outcome, Publication, Request
from server.channels.spheres import admit, check_room, present, view
from server.domain.facts import Member, Sphere, Stay
from server.domain.permission import (
    check_administrator,
    check_appoint,
    check_decline,
    check_enter,
    check_join,
    check_manager,
    check_step_down,
)
from server.protocol.commands import Appoint, Decline, Enter, Invite, Join, StepDown, Uninvite
from server.protocol.events import (
    AdministratorAppointed,
    AdministratorSteppedDown,
    Invited,
    ManagerEntered,
    Notice,
    SphereAdded,
    SphereForgotten,
)
from server.protocol.replies import Done, Inside
from server.protocol.scalars import SphereRole
from server.protocol.views import InvitationView, MemberView
from storage import admissions, invitations, members, requests, spheres, stays, timeline
from storage.database import Transaction


def invite(tx: Transaction, request: Request[Invite]) -> Outcome:
    """Call somebody in; the answer is one and the same whether or not there is such a person."""
    command = request.command
    _check_one(command)
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_administrator(standing)
    assert standing is not None
    done = Done(id=command.id)
    spheres.touch(tx, command.sphere)
    guest = _guest(tx, command, standing.member.organisation)
    if guest is None or stays.one(tx, command.sphere, guest.id) is not None:
        return Outcome(reply=done)
    news = invitations.offer(
        tx, sphere_id=command.sphere, member_id=guest.id, by=request.member.id, now=request.now
    )
    if not news:
        return Outcome(reply=done)
    # To refuse for want of room would tell which of the invited exist: the oldest lapses instead.
    invitations.trim(tx, command.sphere, keep=request.limits.invitations_per_sphere_max)
    shown = InvitationView(
        sphere=command.sphere, name=standing.sphere.name, by=standing.member.name
    )
    return Outcome(
        reply=done, publication=Publication(notices=((guest.id, Invited(invitation=shown)),))
    )


def _check_one(command: Invite | Uninvite) -> None:
    if (command.member is None) == (command.address is None):
        raise errors.InvalidField("Say whom by `member` or by `address`: exactly one of them.")


def uninvite(tx: Transaction, request: Request[Uninvite]) -> Outcome:
    """Withdraw what was offered; the same answer and the same writes whether or not it was."""
    command = request.command
    _check_one(command)
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_administrator(standing)
    assert standing is not None
    spheres.touch(tx, command.sphere)
    guest = _guest(tx, command, standing.member.organisation)
    if command.address is not None:
        admissions.withdraw_guest(tx, sphere=command.sphere, address=command.address)
    stood = invitations.withdraw(tx, command.sphere, "" if guest is None else guest.id)
    told: tuple[tuple[str, Notice], ...] = ()
    if guest is not None and stood:
        told = ((guest.id, SphereForgotten(sphere=command.sphere)),)
    # An address may be gone: its bytes go too, and it takes as long if there was none.
    return Outcome(
        reply=Done(id=command.id),
        publication=Publication(notices=told),
        erased=command.address is not None,
    )


def _guest(tx: Transaction, command: Invite | Uninvite, organisation: str) -> Member | None:
    """Return the member of this organisation whom a command names, if there is one."""
    if command.address is not None:
        return members.by_address(tx, organisation, command.address)
    assert command.member is not None
    guest = members.get(tx, command.member)
    return guest if guest is not None and guest.organisation == organisation else None


def decline(tx: Transaction, request: Request[Decline]) -> Outcome:
    """Drop an invitation of mine, or a request."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_decline(standing, asked=requests.stands(tx, command.sphere, request.member.id))
    invitations.withdraw(tx, command.sphere, request.member.id)
    requests.withdraw(tx, command.sphere, request.member.id)
    return Outcome(reply=Done(id=command.id))


def join(tx: Transaction, request: Request[Join]) -> Outcome:
    """Come in, and see from this arrival on."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_join(standing)
    assert standing is not None
    _check_seats(tx, command.sphere, request)
    invitations.withdraw(tx, command.sphere, request.member.id)
    requests.withdraw(tx, command.sphere, request.member.id)
    sphere, entry = admit(tx, standing.sphere, standing.member, SphereRole.MEMBER, request.now)
    stay = Stay(
        member=standing.member.id,
        role=SphereRole.MEMBER,
        entered=False,
        horizon=entry.event.seq,
    )
    shown = view(sphere, stay)
    return Outcome(
        reply=Inside(id=command.id, sphere=shown),
        publication=Publication(
            entries=(entry,), notices=((stay.member, SphereAdded(sphere=shown)),)
        ),
    )


def _check_seats(tx: Transaction, sphere_id: str, request: Request[Join]) -> None:
    check_room(tx, request.member.id, request.limits.spheres_per_member_max)
    if stays.count_of_sphere(tx, sphere_id) >= request.limits.members_per_sphere_max:
        raise errors.Full("This sphere has as many members as the server allows.")


def enter(tx: Transaction, request: Request[Enter]) -> Outcome:
    """Let a manager in: the event first, and their stay begins with it."""
    command = request.command
    member = present(tx, request)
    check_manager(member)
    standing = spheres.standing(tx, command.sphere, member.id)
    check_enter(member, standing)
    assert standing is not None
    check_room(tx, member.id, request.limits.spheres_per_member_max)
    stay, publication, sphere = _entry(tx, standing.sphere, member, request.now)
    invitations.withdraw(tx, command.sphere, member.id)
    requests.withdraw(tx, command.sphere, member.id)
    shown = view(sphere, stay)
    return Outcome(reply=Inside(id=command.id, sphere=shown), publication=publication)


def _entry(
    tx: Transaction, sphere: Sphere, manager: Member, now: int
) -> tuple[Stay, Publication, Sphere]:
    role = SphereRole.ADMINISTRATOR
    seen = MemberView(member=manager.id, name=manager.name, role=role, entered=True)
    entry = timeline.append(
        tx,
        sphere,
        lambda seq: ManagerEntered(sphere=sphere.id, seq=seq, at=now, member=seen),
    )
    stay = Stay(member=manager.id, role=role, entered=True, horizon=entry.event.seq)
    stays.begin(tx, sphere.id, stay)
    after = spheres.get(tx, sphere.id)
    assert after is not None
    notice = SphereAdded(sphere=view(after, stay))
    return stay, Publication(entries=(entry,), notices=((manager.id, notice),)), after


def appoint(tx: Transaction, request: Request[Appoint]) -> Outcome:
    """Make a member of the sphere its administrator."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    target = stays.one(tx, command.sphere, command.member)
    check_appoint(standing, target)
    assert standing is not None
    stays.appoint(tx, command.sphere, command.member)
    entry = timeline.append(
        tx,
        standing.sphere,
        lambda seq: AdministratorAppointed(
            sphere=command.sphere,
            seq=seq,
            at=request.now,
            member=command.member,
            by=request.member.id,
        ),
    )
    return Outcome(reply=Done(id=command.id), publication=Publication(entries=(entry,)))


def step_down(tx: Transaction, request: Request[StepDown]) -> Outcome:
    """Give up the office; a sphere is never left without an administrator."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    stay = check_step_down(standing, stays.of_sphere(tx, command.sphere))
    assert standing is not None
    stays.step_down(tx, command.sphere, stay.member)
    void = admissions.withdraw_guests(tx, by=stay.member, sphere=command.sphere)
    entry = timeline.append(
        tx,
        standing.sphere,
        lambda seq: AdministratorSteppedDown(
            sphere=command.sphere, seq=seq, at=request.now, member=stay.member
        ),
    )
    return Outcome(
        reply=Done(id=command.id), publication=Publication(entries=(entry,)), erased=void > 0
    )
