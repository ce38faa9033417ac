"""Requests: ask to be let in, list, refuse; take an invitation back; step down (promises 2, 5)."""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.sphere import Sphere
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.arrivals import guest_of, likely_guest
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step
from tests.oracle.unknown import Unordered, plain


def ask(world: World, me: Connection, asked: Frame) -> Frame:
    """Ask to be let into a closed sphere that shows itself: its administrators are told, once."""
    if me.member.role == "visitor":
        raise Refusal("not_allowed")
    sphere = world.seen_by(me.member, asked["sphere"])
    if me.member in sphere.stays:
        raise Refusal("already_inside")
    if me.member in sphere.invited or sphere.is_open:
        raise Refusal("may_join")
    if not sphere.shows_itself:
        raise Refusal("not_found")
    if me.member not in sphere.requests:
        sphere.requests[me.member] = world.moment()
        told = [stay.member for stay in sphere.stays.values() if stay.role == "administrator"]
        shown = {"sphere": sphere.id, "member": me.member.id, "name": me.member.name}
        world.notify(told, sphere, {"type": "asked", **shown})
    return {"type": "done"}


def requests(world: World, me: Connection, asked: Frame) -> Frame:
    """List who asks, the longest first; nobody who is shut out."""
    sphere, _ = world.administered(me.member, asked["sphere"])
    found = [
        {"member": member.id, "name": member.name, "at": at}
        for member, at in sphere.requests.items()
        if not member.disabled
    ]
    dates = {repr(plain(one["at"])) for one in found}
    return {
        "type": "requests",
        "requests": found if len(dates) == len(found) else Unordered(found),
    }


def refuse(world: World, me: Connection, asked: Frame) -> Frame:
    """Drop a request, if there is one; nobody is told."""
    sphere, _ = world.administered(me.member, asked["sphere"])
    for member in [one for one in sphere.requests if one.id == asked["member"]]:
        del sphere.requests[member]
    return {"type": "done"}


def uninvite(world: World, me: Connection, asked: Frame) -> Frame:
    """Take an invitation back, whoever made it; the answer says nothing."""
    if ("member" in asked) == ("address" in asked):
        raise Refusal("invalid_field")
    sphere, _ = world.administered(me.member, asked["sphere"])
    for admission in world.admissions:
        if admission.sphere is sphere and admission.address == asked.get("address"):
            admission.void = True
    guest = guest_of(world, me.member, asked)
    if guest is not None and sphere.invited.pop(guest, None) is not None:
        world.notify([guest], sphere, {"type": "sphere_forgotten", "sphere": sphere.id})
    return {"type": "done"}


def step_down(world: World, me: Connection, asked: Frame) -> Frame:
    """Give the office up, unless nobody else of the sphere holds it."""
    sphere, stay = world.administered(me.member, asked["sphere"])
    if stay.entered or not _is_spared(sphere, me):
        raise Refusal("not_allowed")
    stay.role = "member"
    for admission in world.admissions:
        admission.void |= admission.sphere is sphere and admission.by is me.member
    world.append(sphere, "administrator_stepped_down", {"member": me.member.id})
    return {"type": "done"}


def _is_spared(sphere: Sphere, me: Connection) -> bool:
    return any(
        stay.role == "administrator" and not stay.entered and not member.disabled
        for member, stay in sphere.stays.items()
        if member is not me.member
    )


# -- what may be tried


def _ask(draw: Draw) -> Step | None:
    near = [
        (me, sphere)
        for me in draw.world.living()
        for sphere in draw.world.spheres
        if sphere.listed and sphere.audience == "closed" and not sphere.dissolved
        and me.member not in sphere.stays and sphere.organisation is me.member.organisation
    ]  # fmt: skip
    if near and draw.chance(0.8):
        me, sphere = draw.rng.choice(near)
        return Command(me.key, "ask", {"sphere": plain(sphere.id)})
    somebody = draw.connection()
    if somebody is None or draw.chance(0.5):
        return None
    return Command(somebody.key, "ask", {"sphere": draw.any_sphere()})


def _of_administrator(kind: str) -> Propose:
    def propose(draw: Draw) -> Step | None:
        me = draw.connection(administers=True)
        if me is None:
            return None
        sphere_id = draw.sphere(me.member, administered=draw.chance(0.85))
        asked: Frame = {"sphere": sphere_id}
        sphere = draw.world.sphere(sphere_id)
        waiting = [] if sphere is None else [*sphere.requests, *sphere.invited]
        guest = likely_guest(draw, me.member, sphere_id)
        if waiting and draw.chance(0.7):
            guest = draw.rng.choice(waiting)
        if kind == "refuse" or (kind == "uninvite" and draw.chance(0.5)):
            asked["member"] = guest.id
        elif kind == "uninvite":
            asked["address"] = guest.address
            if draw.world.admissions and draw.chance(0.3):
                asked["address"] = draw.rng.choice(draw.world.admissions).address
        return Command(me.key, kind, asked)

    return propose


def _look_again(draw: Draw) -> Step | None:
    """Look at the requests of a sphere where somebody was invited who has not come yet."""
    near = [
        (me, sphere)
        for me in draw.world.living()
        for sphere in draw.world.spheres
        if sphere.invited
        and (stay := sphere.stays.get(me.member)) is not None
        and stay.role == "administrator"
    ]
    if not near:
        return None
    me, sphere = draw.rng.choice(near)
    return Command(me.key, "requests", {"sphere": plain(sphere.id)})


COMMANDS: dict[str, Answer] = {
    "ask": ask,
    "requests": requests,
    "refuse": refuse,
    "uninvite": uninvite,
    "step_down": step_down,
}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [
    (5, _ask),
    (2.5, _of_administrator("requests")),
    (2, _look_again),
    (0.6, _of_administrator("refuse")),
    (0.7, _of_administrator("uninvite")),
    (1, _of_administrator("step_down")),
]
