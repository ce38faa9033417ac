"""Spheres: found one, change its settings, list what one may see."""

from __future__ import annotations

import msgspec

from server import errors
from server.channels.outcome import C, Hidden, Outcome, Publication, Request
from server.domain.facts import Member, Sphere, Stay
from server.domain.naming import check_name
from server.domain.permission import (
    check_configure,
    check_create,
    check_manager,
    is_discoverable,
    may_discover,
    takes_requests,
)
from server.protocol.commands import Configure, Create, ListSpheres, Oversee
from server.protocol.events import MemberJoined, SphereAdded, SphereChanged
from server.protocol.replies import Done, Inside, Overview, Spheres
from server.protocol.scalars import Private, SphereRole
from server.protocol.views import MemberView, OpenSphere, SphereView
from storage import invitations, members, requests, spheres, stays, threads, timeline
from storage.database import Transaction
from storage.timeline import Entry

#: Spheres that a list shows of those one may join: a screenful of screens.
OPEN_MAX = 500


def view(sphere: Sphere, stay: Stay) -> SphereView:
    """Return a sphere as somebody inside it sees it."""
    return SphereView(
        sphere=sphere.id,
        name=sphere.name,
        audience=sphere.audience,
        history=sphere.history,
        revision=sphere.revision,
        listed=sphere.listed,
        role=stay.role,
        entered=stay.entered,
        horizon=stay.horizon,
        head=sphere.head,
        private=private(declines=stay.declines),
        default_thread=stay.default_thread,
        read=stay.read,
        show_read=stay.show_read,
    )


def private(*, declines: bool | None) -> Private:
    """Return whether somebody is there for new private threads, as the wire says it."""
    if declines is None:
        return Private.USUAL
    return Private.DECLINE if declines else Private.ACCEPT


def present(tx: Transaction, request: Request[C]) -> Member:
    """Return the member as they are now. Raises NotFound when they are no more, or shut out."""
    member = members.active(tx, request.member.id)
    if member is None:
        raise errors.NotFound
    return member


def create(tx: Transaction, request: Request[Create]) -> Outcome:
    """Found a sphere; its founder is its first member and its administrator."""
    member = present(tx, request)
    check_create(member)
    check_room(tx, member.id, request.limits.spheres_per_member_max)
    sphere = spheres.create(
        tx,
        organisation=member.organisation,
        name=check_name(request.command.name),
        now=request.now,
    )
    sphere, entry = admit(tx, sphere, member, SphereRole.ADMINISTRATOR, request.now)
    shown = view(sphere, _stay_of(entry, member))
    return Outcome(
        reply=Inside(id=request.command.id, sphere=shown),
        publication=Publication(
            entries=(entry,), notices=((member.id, SphereAdded(sphere=shown)),)
        ),
    )


def admit(
    tx: Transaction, sphere: Sphere, member: Member, role: SphereRole, now: int
) -> tuple[Sphere, Entry]:
    """Record an arrival and open the stay that begins with it."""
    shown = MemberView(member=member.id, name=member.name, role=role, entered=False)
    entry = timeline.append(
        tx,
        sphere,
        lambda seq: MemberJoined(sphere=sphere.id, seq=seq, at=now, member=shown),
        author=member.id,
    )
    stays.begin(
        tx, sphere.id, Stay(member=member.id, role=role, entered=False, horizon=entry.event.seq)
    )
    return msgspec.structs.replace(sphere, head=entry.event.seq), entry


def _stay_of(entry: Entry, member: Member) -> Stay:
    assert isinstance(entry.event, MemberJoined)
    return Stay(
        member=member.id, role=entry.event.member.role, entered=False, horizon=entry.event.seq
    )


def check_room(tx: Transaction, member_id: str, spheres_max: int) -> None:
    """Raise Full for somebody who is inside as many spheres as the server allows."""
    if stays.count_of_member(tx, member_id) >= spheres_max:
        raise errors.Full(f"A member may be inside {spheres_max} spheres: leave one first.")


def configure(tx: Transaction, request: Request[Configure]) -> Outcome:
    """Change settings: an event, and a new revision that posts must name."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_configure(standing, command.revision)
    assert standing is not None
    before = standing.sphere
    after = _changed(before, command)
    if after == before:
        return Outcome(reply=Done(id=command.id))
    after = msgspec.structs.replace(after, revision=before.revision + 1)
    spheres.change(tx, after)
    if not takes_requests(after):
        requests.clear(tx, after.id)
    event = timeline.append(
        tx,
        after,
        lambda seq: SphereChanged(
            sphere=after.id,
            seq=seq,
            at=request.now,
            by=request.member.id,
            name=after.name,
            audience=after.audience,
            history=after.history,
            listed=after.listed,
            revision=after.revision,
        ),
    )
    return Outcome(
        reply=Done(id=command.id),
        publication=Publication(entries=(event,), hidden=_hidden(tx, before, after)),
    )


def _hidden(tx: Transaction, before: Sphere, after: Sphere) -> tuple[Hidden, ...]:
    """Return what outsiders must forget: a sphere that they could discover, and no longer can.

    Whoever asks to be let in is among them.
    """
    if not is_discoverable(before) or is_discoverable(after):
        return ()
    called = invitations.of_sphere(tx, after.id)  # their invitations stand
    inside = frozenset([stay.member for stay in stays.of_sphere(tx, after.id)] + called)
    return (Hidden(organisation=after.organisation, sphere=after.id, inside=inside),)


def _changed(sphere: Sphere, command: Configure) -> Sphere:
    return msgspec.structs.replace(
        sphere,
        name=sphere.name if command.name is None else check_name(command.name),
        audience=command.audience or sphere.audience,
        history=command.history or sphere.history,
        listed=sphere.listed if command.listed is None else command.listed,
    )


def listing(tx: Transaction, request: Request[ListSpheres]) -> Spheres:
    """Return my spheres, my invitations, those that show themselves, and my private threads."""
    member = present(tx, request)
    asked = requests.of_member(tx, member.id)
    return Spheres(
        id=request.command.id,
        spheres=[view(sphere, stay) for sphere, stay in spheres.of_member(tx, member.id)],
        invitations=invitations.of_member(tx, member.id),
        open=[
            OpenSphere(
                sphere=sphere.id,
                name=sphere.name,
                audience=sphere.audience,
                revision=sphere.revision,
                asked=sphere.id in asked,
            )
            for sphere in spheres.open_to(tx, member, limit=OPEN_MAX)
            if may_discover(member, sphere)
        ],
        threads=threads.views_of_member(tx, member.id),
        private=private(declines=threads.declines_everywhere(tx, member.id)),
    )


def oversee(tx: Transaction, request: Request[Oversee]) -> Overview:
    """Return every sphere of the organisation by id and name, to its managers."""
    member = present(tx, request)
    check_manager(member)
    return Overview(id=request.command.id, spheres=spheres.of_organisation(tx, member.organisation))
