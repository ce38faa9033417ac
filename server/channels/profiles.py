"""Profiles: what a member says of themselves, and what those who share a sphere with them see.

Invariant: a profile is shown through a sphere only while both are inside it, and a name changes on
the timelines of exactly the spheres that the member is inside.
"""

from __future__ import annotations

import msgspec

from server import errors
from server.channels.outcome import Outcome, Publication, Request
from server.channels.spheres import present
from server.domain.facts import Member, Sphere
from server.domain.naming import check_name
from server.domain.permission import check_inside
from server.domain.profile import Described, check_described, shown_in_sphere
from server.protocol.commands import Describe, GetMyProfile, GetProfile, Rename
from server.protocol.events import MemberRenamed
from server.protocol.replies import Done, MyProfile, Profile
from server.protocol.scalars import ProfileField
from server.protocol.views import FieldView, ProfileView
from storage import members, profiles, spheres, stays, timeline
from storage.database import Transaction
from storage.timeline import Entry

#: Between two changes of name: each is an event in every sphere that the member is inside.
RENAME_EVERY_MS = 60_000


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to who asks through a sphere, and whether they entered it as a manager."""

    reply: Profile
    entered: bool


def rename(tx: Transaction, request: Request[Rename]) -> Outcome:
    """Take another name: an event wherever it shows."""
    member = present(tx, request)
    name = check_name(request.command.name)
    done = Done(id=request.command.id)
    if name == member.name:
        return Outcome(reply=done)
    wait_ms = members.renamed_at(tx, member.id) + RENAME_EVERY_MS - request.now
    if wait_ms > 0:
        raise errors.TooFast("You took another name just now.", retry_after_ms=wait_ms)
    members.rename(tx, member_id=member.id, name=name, now=request.now)
    entries = tuple(
        _renamed(tx, sphere, member, name, request.now)
        for sphere, _ in spheres.of_member(tx, member.id)
    )
    return Outcome(reply=done, publication=Publication(entries=entries))


def _renamed(tx: Transaction, sphere: Sphere, member: Member, name: str, now: int) -> Entry:
    return timeline.append(
        tx,
        sphere,
        lambda seq: MemberRenamed(sphere=sphere.id, seq=seq, at=now, member=member.id, name=name),
        author=member.id,
    )


def describe(tx: Transaction, request: Request[Describe]) -> Outcome:
    """Say something of myself, or take it back."""
    command = request.command
    member = present(tx, request)
    value, visibility, field = command.value, command.visibility, command.field
    if command.sphere is not None:
        check_inside(spheres.standing(tx, command.sphere, member.id))
        check_described(value, visibility, in_sphere=True)
        if visibility is None:
            profiles.take_back_in(tx, command.sphere, member.id, field)
        else:
            profiles.say_in(tx, command.sphere, member.id, field, value)
        return Outcome(reply=Done(id=command.id))
    check_described(value, visibility, in_sphere=False)
    if value is None or visibility is None:
        profiles.take_back(tx, member.id, field)
    else:
        said = Described(field=field, value=value, visibility=visibility)
        profiles.say(tx, member.id, said)
    return Outcome(reply=Done(id=command.id))


def mine(tx: Transaction, request: Request[GetMyProfile]) -> MyProfile:
    """Return all that I say of myself."""
    member = present(tx, request)
    return MyProfile(id=request.command.id, name=member.name, fields=profiles.own(tx, member.id))


def shown(tx: Transaction, request: Request[GetProfile]) -> Shown:
    """Return what a member says of themselves in a sphere that we share."""
    command = request.command
    assert command.sphere is not None
    stay = check_inside(spheres.standing(tx, command.sphere, request.member.id))
    if stays.one(tx, command.sphere, command.member) is None:
        raise errors.NotFound
    member = members.get(tx, command.member)
    assert member is not None
    seen = shown_in_sphere(
        profiles.fields(tx, [member.id])[member.id],
        profiles.overrides(tx, command.sphere, member.id),
    )
    return Shown(
        reply=Profile(id=command.id, profile=view(member.id, member.name, seen)),
        entered=stay.entered,
    )


def view(member_id: str, name: str, seen: dict[ProfileField, str]) -> ProfileView:
    """Return a member with what whoever asks may see of them."""
    return ProfileView(
        member=member_id,
        name=name,
        fields=[FieldView(field=field, value=value) for field, value in seen.items()],
    )
