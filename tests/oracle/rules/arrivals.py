"""Arrivals: invite, decline, join, enter, appoint (promises 5, 6, 8, 11)."""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.sphere import Sphere
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.spheres import admit
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step
from tests.oracle.unknown import plain


def invite(world: World, me: Connection, asked: Frame) -> Frame:
    """Call somebody in: the answer is the same whoever there is."""
    if ("member" in asked) == ("address" in asked):
        raise Refusal("invalid_field")
    sphere, _ = world.administered(me.member, asked["sphere"])
    guest = guest_of(world, me.member, asked)
    if guest is not None:
        sphere.requests.pop(guest, None)
    if guest is not None and guest not in sphere.stays and guest not in sphere.invited:
        sphere.invited[guest] = me.member
        shown = {"sphere": sphere.id, "name": sphere.name, "by": me.member.name}
        world.notify([guest], sphere, {"type": "invited", "invitation": shown})
    return {"type": "done"}


def guest_of(world: World, by: Member, asked: Frame) -> Member | None:
    if "member" in asked:
        return world.member(by.organisation, asked["member"])
    for member in world.members:
        if member.organisation is by.organisation and member.address == asked["address"]:
            return member
    return None


def decline(world: World, me: Connection, asked: Frame) -> Frame:
    """Drop an invitation of mine, or a request."""
    sphere = world.seen_by(me.member, asked["sphere"])
    stood = sphere.invited.pop(me.member, None), sphere.requests.pop(me.member, None)
    if stood == (None, None):
        raise Refusal("not_found")
    return {"type": "done"}


def join(world: World, me: Connection, asked: Frame) -> Frame:
    """Come in by an invitation, or where the sphere shows itself."""
    sphere = world.seen_by(me.member, asked["sphere"])
    if me.member in sphere.stays:
        raise Refusal("already_inside")
    may_come = sphere.is_open and me.member.role != "visitor"
    if me.member not in sphere.invited and not may_come:
        raise Refusal("not_found")
    sphere.invited.pop(me.member, None)
    sphere.requests.pop(me.member, None)
    stay = admit(world, sphere, me.member, "member")
    return {"type": "inside", "sphere": sphere.view(stay)}


def enter(world: World, me: Connection, asked: Frame) -> Frame:
    """Let a manager in, visibly."""
    if me.member.role != "manager":
        raise Refusal("not_allowed")
    sphere = world.seen_by(me.member, asked["sphere"])
    if me.member in sphere.stays:
        raise Refusal("already_inside")
    sphere.invited.pop(me.member, None)
    sphere.requests.pop(me.member, None)
    stay = admit(world, sphere, me.member, "administrator", entered=True)
    return {"type": "inside", "sphere": sphere.view(stay)}


def appoint(world: World, me: Connection, asked: Frame) -> Frame:
    """Make a member an administrator."""
    sphere, _ = world.administered(me.member, asked["sphere"])
    target = next((one for who, one in sphere.stays.items() if who.id == asked["member"]), None)
    if target is None:
        raise Refusal("not_found")
    if target.role == "administrator":
        raise Refusal("already_inside")
    target.role = "administrator"
    named = {"member": target.member.id, "by": me.member.id}
    world.append(sphere, "administrator_appointed", named)
    return {"type": "done"}


# -- what may be tried


def _invite(draw: Draw) -> Step | None:
    me = draw.connection(administers=True)
    if me is None:
        return None
    sphere = draw.sphere(me.member, administered=draw.chance(0.9))
    guest = likely_guest(draw, me.member, sphere)
    found = draw.world.sphere(sphere)
    if found is not None and found.requests and draw.chance(0.4):
        guest = draw.rng.choice(list(found.requests))
    if draw.chance(0.5):
        return Command(me.key, "invite", {"sphere": sphere, "member": guest.id})
    if draw.chance(0.95):
        return Command(me.key, "invite", {"sphere": sphere, "address": guest.address})
    both = {} if draw.chance(0.5) else {"member": guest.id, "address": guest.address}
    return Command(me.key, "invite", {"sphere": sphere, **both})


def likely_guest(draw: Draw, by: Member, sphere_id: str) -> Member:
    """Return mostly a colleague who is not inside."""
    sphere = draw.world.sphere(sphere_id)
    near = [
        one for one in draw.world.members
        if one.organisation is by.organisation and sphere is not None and one not in sphere.stays
    ]  # fmt: skip
    return draw.rng.choice(near if near and draw.chance(0.8) else draw.world.members)


def _come_in(kind: str) -> Propose:
    """Mostly where one may: to `join` by an invitation or an open door, to `enter` anywhere."""

    def propose(draw: Draw) -> Step | None:
        near = [
            (me, sphere)
            for me in draw.world.living()
            for sphere in draw.world.spheres
            if not sphere.dissolved and _may_come_in(kind, me.member, sphere)
        ]
        if near and draw.chance(0.85):
            me, sphere = draw.rng.choice(near)
            return Command(me.key, kind, {"sphere": plain(sphere.id)})
        somebody = draw.connection()
        if somebody is None or draw.chance(0.5):
            return None
        return Command(somebody.key, kind, {"sphere": draw.any_sphere()})

    return propose


def _may_come_in(kind: str, member: Member, sphere: Sphere) -> bool:
    if member in sphere.stays or sphere.organisation is not member.organisation:
        return False
    if kind == "enter":
        return member.role == "manager"
    if kind == "decline" and member in sphere.requests:
        return True
    return member in sphere.invited or (kind == "join" and sphere.is_open)


def _appoint(draw: Draw) -> Step | None:
    me = draw.connection(administers=True)
    if me is None:
        return None
    sphere = draw.sphere(me.member, administered=draw.chance(0.9))
    return Command(me.key, "appoint", {"sphere": sphere, "member": draw.somebody(sphere)})


COMMANDS: dict[str, Answer] = {
    "invite": invite,
    "decline": decline,
    "join": join,
    "enter": enter,
    "appoint": appoint,
}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [
    (7, _invite),
    (16, _come_in("join")),
    (0.6, _come_in("decline")),
    (2, _come_in("enter")),
    (1.5, _appoint),
]
