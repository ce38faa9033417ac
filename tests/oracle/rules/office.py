"""Office: what managers do to their organisation, and what it does to stays, sessions and bots."""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.departures import depart
from tests.oracle.rules.devices import SESSION_ENDED
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step
from tests.oracle.unknown import Unordered


def members(world: World, me: Connection, _: Frame) -> Frame:
    """List everybody: never an address."""
    check_manager(me)
    found = [
        {"member": one.id, "name": one.name, "role": one.role, "disabled": one.disabled}
        for one in world.members
        if one.organisation is me.member.organisation
    ]
    return {"type": "members", "members": Unordered(found), "more": False}


def connectors(world: World, me: Connection, _: Frame) -> Frame:
    """List the connectors of every sphere."""
    check_manager(me)
    found = [
        bot.view() | {"sphere": sphere.id}
        for sphere, bot in world.bots()
        if sphere.organisation is me.member.organisation and not bot.dead
    ]
    return {"type": "connectors", "connectors": Unordered(found), "more": False}


def change_role(world: World, me: Connection, asked: Frame) -> Frame:
    """Give a member another role: their sessions end, and stays that only the office gave."""
    target, role = _target(world, me, asked), asked["role"]
    others = [
        one for one in world.members
        if one.organisation is target.organisation and one.role == "manager"
        and one is not target and not one.disabled
    ]  # fmt: skip
    if target is me.member and role != "manager" and not others:
        raise Refusal("not_allowed")
    if target.role == role:
        return {"type": "done"}
    if target.role == "manager":
        for sphere in world.spheres:
            if (stay := sphere.stays.get(target)) is not None and stay.entered:
                depart(world, sphere, stay, "removed")
        for admission in world.admissions:
            admission.void |= admission.by is target and admission.sphere is None
    target.role = role
    if role == "visitor":
        _drop_requests(world, target)
    end_sessions(world, target)
    return {"type": "done"}


def disable(world: World, me: Connection, asked: Frame) -> Frame:
    """Shut a member out: nothing of theirs is erased."""
    target = _target(world, me, asked)
    if target is me.member:
        raise Refusal("not_allowed")
    target.disabled = True
    void_admissions(world, target)
    end_sessions(world, target)
    return {"type": "done"}


def enable(world: World, me: Connection, asked: Frame) -> Frame:
    """Let a member in again."""
    _target(world, me, asked).disabled = False
    return {"type": "done"}


def dismiss(world: World, me: Connection, asked: Frame) -> Frame:
    """End a membership, exactly as if they had left every sphere."""
    check_manager(me)
    if not asked["erase"]:
        raise Refusal("invalid_field")
    target = _target(world, me, asked)
    if target is me.member:
        raise Refusal("not_allowed")
    part(world, target, "removed")
    return {"type": "done"}


def part(world: World, member: Member, how: str) -> list[Frame]:
    """End a membership; return the certificates."""
    certificates = [
        depart(world, sphere, sphere.stays[member], how)
        for sphere in world.spheres
        if member in sphere.stays
    ]
    for sphere in world.spheres:
        sphere.invited.pop(member, None)
    _drop_requests(world, member)
    void_admissions(world, member)
    end_sessions(world, member)
    world.members.remove(member)
    world.former.append(member)
    return certificates


def void_admissions(world: World, member: Member) -> None:
    """Void what somebody had drawn."""
    for admission in world.admissions:
        admission.void |= admission.by is member


def end_sessions(world: World, member: Member) -> None:
    """End every session of somebody."""
    member.cut_off = True
    for session in world.sessions:
        if session.member is member and not session.over:
            world.end(session, SESSION_ENDED)


def _drop_requests(world: World, member: Member) -> None:
    for sphere in world.spheres:
        sphere.requests.pop(member, None)


def check_manager(me: Connection) -> None:
    """Refuse whoever is no manager."""
    if me.member.role != "manager":
        raise Refusal("not_allowed")


def _target(world: World, me: Connection, asked: Frame) -> Member:
    check_manager(me)
    target = world.member(me.member.organisation, asked["member"])
    if target is None:
        raise Refusal("not_found")
    return target


# -- what may be tried


def _bare(kind: str) -> Propose:
    def propose(draw: Draw) -> Step | None:
        me = a_manager(draw)
        return None if me is None else Command(me.key, kind, {"limit": 100})

    return propose


def _act(kind: str) -> Propose:
    def propose(draw: Draw) -> Step | None:
        me = a_manager(draw)
        if me is None or (kind == "dismiss" and len(draw.world.members) < MEMBERS_MIN):
            return None
        chosen = [one for one in draw.world.members if one.disabled] if kind == "enable" else []
        everybody = [*draw.world.members, *draw.world.former[-1:]]
        asked: Frame = {"member": draw.rng.choice(chosen or everybody).id}
        entered = [
            who.id for one in draw.world.spheres for who, stay in one.stays.items() if stay.entered
        ]
        if kind == "change_role" and entered and draw.chance(0.5):
            return Command(me.key, kind, {"member": draw.rng.choice(entered), "role": "member"})
        if kind == "change_role":
            asked["role"] = draw.rng.choice(["visitor", "member", "manager", "manager"])
        if kind == "dismiss":
            asked["erase"] = draw.chance(0.9)
        return Command(me.key, kind, asked)

    return propose


#: Below so many nobody is dismissed any more.
MEMBERS_MIN = 7


def a_manager(draw: Draw) -> Connection | None:
    """Return the connection of a manager; seldom of anybody."""
    near = [one for one in draw.world.living() if one.member.role == "manager"]
    return draw.rng.choice(near) if near and draw.chance(0.8) else draw.connection()


COMMANDS: dict[str, Answer] = {
    "members": members,
    "connectors": connectors,
    "change_role": change_role,
    "disable": disable,
    "enable": enable,
    "dismiss": dismiss,
}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [
    (0.5, _bare("members")),
    (0.4, _bare("connectors")),
    (0.7, _act("change_role")),
    (0.4, _act("disable")),
    (0.4, _act("enable")),
    (0.3, _act("dismiss")),
]
