"""Spheres: found, configure, list, oversee (promises 2, 3, 5)."""

from __future__ import annotations

from collections.abc import Container

from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.sphere import Sphere, Stay
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step, fields
from tests.oracle.unknown import Unknown, Unordered

#: Spheres in a world: few, so that people meet.
SPHERES_MAX = 4


def admit(
    world: World, sphere: Sphere, member: Member, role: str, *, entered: bool = False
) -> Stay:
    """Open a stay with its event: the others are told, and it begins at that very seq."""
    seen = {"member": member.id, "name": member.name, "role": role, "entered": entered}
    kind = "manager_entered" if entered else "member_joined"
    event = world.append(sphere, kind, {"member": seen}, author=None if entered else member)
    stay = sphere.stays[member] = Stay(member, role, entered, event.seq)
    world.notify([member], sphere, {"type": "sphere_added", "sphere": sphere.view(stay)})
    return stay


def create(world: World, me: Connection, asked: Frame) -> Frame:
    """Found a sphere: closed, hidden, unlisted."""
    if me.member.role == "visitor":
        raise Refusal("not_allowed")
    sphere = Sphere(Unknown("id"), me.member.organisation, asked["name"])
    world.spheres.append(sphere)
    stay = admit(world, sphere, me.member, "administrator")
    return {"type": "inside", "sphere": sphere.view(stay)}


def configure(world: World, me: Connection, asked: Frame) -> Frame:
    """Change settings: an event, and a new revision; who can no longer discover it forgets it."""
    sphere, _ = world.administered(me.member, asked["sphere"])
    check_destination(sphere, asked["revision"])
    chosen = {name: asked.get(name, getattr(sphere, name)) for name in SETTINGS}
    if all(getattr(sphere, name) == value for name, value in chosen.items()):
        return {"type": "done"}
    showed = sphere.shows_itself
    sphere.shut += sphere.audience == "public" != chosen["audience"]
    for name, value in chosen.items():
        setattr(sphere, name, value)
    sphere.revision += 1
    world.append(
        sphere, "sphere_changed", {"by": me.member.id, **chosen, "revision": sphere.revision}
    )
    if not sphere.listed or sphere.audience != "closed":
        sphere.requests.clear()
    if showed and not sphere.shows_itself:
        forget = {"type": "sphere_forgotten", "sphere": sphere.id}
        world.notify(outsiders(world, sphere), sphere, forget)
    return {"type": "done"}


SETTINGS = ("name", "audience", "history", "listed")


def outsiders(world: World, sphere: Sphere, told: Container[Member] = ()) -> list[Member]:
    """Return who could discover a sphere, and has no other way to know it."""
    return [
        member
        for member in world.members
        if member.organisation is sphere.organisation
        and member.role != "visitor"
        and member not in sphere.stays
        and member not in sphere.invited
        and member not in told
    ]


def check_destination(sphere: Sphere, revision: int) -> None:
    """Refuse a revision that is not the present one, and show the present destination."""
    if revision != sphere.revision:
        raise Refusal("stale_destination", destination=sphere.destination())


def listing(world: World, me: Connection, _: Frame) -> Frame:
    """List my spheres, my invitations, and those that I may join."""
    of_mine = [one for one in world.spheres if one.organisation is me.member.organisation]
    there = [one for one in of_mine if not one.dissolved]
    may_look = me.member.role != "visitor"
    listed = {
        "type": "spheres",
        "spheres": Unordered(
            one.view(one.stays[me.member]) for one in there if me.member in one.stays
        ),
        "invitations": Unordered(
            {"sphere": one.id, "name": one.name, "by": one.invited[me.member].name}
            for one in there
            if me.member in one.invited
        ),
        "open": Unordered(
            _door(one, me.member)
            for one in there
            if one.shows_itself and may_look and me.member not in one.stays
        ),
    }
    threads = Unordered(one.thread_view(one.stays[me.member]) for one in world.threads
                        if me.member in one.stays and not one.dissolved)  # fmt: skip
    return listed | {"threads": threads, "private": me.member.private}


def _door(sphere: Sphere, member: Member) -> Frame:
    """Return a sphere as those see it who may join it, or ask to be let in."""
    shown = {name: getattr(sphere, name) for name in ("name", "audience", "revision")}
    return {"sphere": sphere.id, **shown, "asked": member in sphere.requests}


def oversee(world: World, me: Connection, _: Frame) -> Frame:
    """List every sphere of the organisation to a manager, by id and name."""
    if me.member.role != "manager":
        raise Refusal("not_allowed")
    return {
        "type": "overview",
        "spheres": Unordered(
            {"sphere": one.id, "name": one.name}
            for one in world.spheres
            if one.organisation is me.member.organisation and not one.dissolved
        ),
    }


# -- what may be tried


def _create(draw: Draw) -> Step | None:
    me = draw.connection()
    there = [one for one in draw.world.spheres if not one.dissolved]
    if me is None or len(there) >= SPHERES_MAX:
        return None
    return Command(me.key, "create", {"name": draw.name()})


def _configure(draw: Draw) -> Step | None:
    me = draw.connection(administers=True)
    if me is None:
        return None
    sphere_id = draw.sphere(me.member, administered=draw.chance(0.9))
    sphere = draw.world.sphere(sphere_id)
    revision = 1 if sphere is None else sphere.revision
    chosen = fields(
        name=draw.name() if draw.chance(0.2) else None,
        audience=draw.rng.choice(["closed", "closed", "open", "public", "public"])
        if draw.chance(0.4)
        else None,
        history=draw.rng.choice(["hidden", "visible", "visible"]) if draw.chance(0.4) else None,
        listed=draw.chance(0.6) if draw.chance(0.4) else None,
    )
    stale = draw.rng.choice([-1, 1]) if draw.chance(0.1) else 0
    revision = max(1, revision + stale)
    return Command(me.key, "configure", {"sphere": sphere_id, "revision": revision, **chosen})


def _bare(kind: str, role: str = "") -> Propose:
    """Mostly by somebody of a role."""

    def propose(draw: Draw) -> Step | None:
        near = [one for one in draw.world.living() if one.member.role == role]
        me = draw.rng.choice(near) if near and draw.chance(0.7) else draw.connection()
        return None if me is None else Command(me.key, kind, {})

    return propose


COMMANDS: dict[str, Answer] = {
    "create": create,
    "configure": configure,
    "list": listing,
    "oversee": oversee,
}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [
    (3, _create),
    (6, _configure),
    (4, _bare("list")),
    (1, _bare("oversee", "manager")),
]
