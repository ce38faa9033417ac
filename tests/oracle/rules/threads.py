"""Threads: private conversations inside a sphere: begin one, and what one prefers (promise 7).

To post, read, listen and leave are in the modules of these: a thread is a timeline like another.
"""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.sphere import Sphere, Stay, Thread
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.spheres import check_destination
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step, fields
from tests.oracle.unknown import Unknown, Unordered, plain


def converse(world: World, me: Connection, asked: Frame) -> Frame:
    """Return the thread between exactly these, or begin it."""
    named = asked["members"]
    if len(set(named)) != len(named) or me.member.id in named:
        raise Refusal("invalid_field")
    sphere, _ = world.inside(me.member, asked["sphere"])
    check_destination(sphere, asked["revision"])
    inside = {one.id: one for one in sphere.stays}
    if not set(named) <= inside.keys():
        raise Refusal("not_found")
    everybody = (me.member, *(inside[one] for one in named))
    for thread in world.threads_of(sphere):
        if set(thread.stays) == set(thread.began) == set(everybody):
            return {"type": "conversing", "thread": thread.thread_view(thread.stays[me.member])}
    if any(_declines(sphere.stays[one]) for one in everybody[1:]):
        raise Refusal("declined")
    thread = _begin(world, sphere, everybody)
    return {"type": "conversing", "thread": thread.thread_view()}


def _declines(stay: Stay) -> bool:
    said = stay.member.private if stay.private == "usual" else stay.private
    return said == "decline"


def _begin(world: World, sphere: Sphere, everybody: tuple[Member, ...]) -> Thread:
    thread = Thread(Unknown("id"), sphere.organisation, "", home=sphere, began=everybody)
    world.threads.append(thread)
    started = {"by": everybody[0].id, "members": Unordered(one.id for one in everybody)}
    event = world.append(thread, "thread_started", started)
    for one in everybody:
        thread.stays[one] = Stay(one, "member", entered=False, horizon=event.seq)
    world.notify(everybody, thread, {"type": "thread_added", "thread": thread.thread_view()})
    return thread


def prefer(world: World, me: Connection, asked: Frame) -> Frame:
    """Say whether I am there for new threads, and where my messages go first."""
    whole, private = asked.get("whole", False), asked.get("private")
    where = asked.get("sphere")
    if whole and "thread" in asked:
        raise Refusal("invalid_field")
    if where is None:
        return _prefer_everywhere(world, me.member, asked)
    sphere, stay = world.inside(me.member, where)
    default = None if whole else stay.default
    if "thread" in asked:
        default = world.on(me.member, asked)[0]
    wished = default, private or stay.private, asked.get("show_read", stay.show_read)
    if wished == (stay.default, stay.private, stay.show_read):
        return {"type": "done"}
    stay.default, stay.private, stay.show_read = wished
    said = {"private": stay.private, "default_thread": default and default.id}
    said |= {"show_read": True} if stay.show_read else {}
    world.notify([me.member], sphere, {"type": "preferred", "sphere": sphere.id, **said})
    return {"type": "done"}


def _prefer_everywhere(world: World, me: Member, asked: Frame) -> Frame:
    private = asked.get("private", me.private)
    if {"thread", "show_read"} & asked.keys() or asked.get("whole") or private == "usual":
        raise Refusal("invalid_field")
    if private != me.private:
        me.private = private
        said = {"sphere": None, "private": private, "default_thread": None}
        for connection in world.of_member(me):
            world.tell(connection, "", {"type": "preferred", **said})
    return {"type": "done"}


# -- what may be tried


def _converse(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    sphere_id = draw.sphere(me.member)
    sphere = draw.world.sphere(sphere_id)
    named = [draw.somebody(sphere_id) for _ in range(draw.rng.choice([1, 1, 2, 3]))]
    stays = [] if sphere is None else sphere.stays.values()
    declining = [stay.member.id for stay in stays if _declines(stay)]
    if declining and draw.chance(0.4):
        named[0] = draw.rng.choice(declining)
    if draw.chance(0.95):
        named = [one for one in dict.fromkeys(named) if one != me.member.id]
    if not named:
        return None
    revision = 1 if sphere is None else sphere.revision
    revision = max(1, revision + (draw.rng.choice([-1, 1]) if draw.chance(0.06) else 0))
    asked = {"sphere": sphere_id, "revision": revision, "members": named}
    return Command(me.key, "converse", asked)


def _prefer(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    if draw.chance(0.5):
        shown = {"sphere": draw.sphere(me.member), "show_read": draw.chance(0.85)}
        return Command(me.key, "prefer", shown)
    place = draw.timeline(me.member, private=0.5)
    if draw.chance(0.3):
        del place["sphere"]
        if draw.chance(0.9):
            place.pop("thread", None)
    wish = draw.rng.choice(["accept", "decline", "decline", "usual"])
    asked = fields(
        private=wish if draw.chance(0.7) else None,
        whole=True if draw.chance(0.15) else None,
        show_read=draw.chance(0.85) if "sphere" in place and draw.chance(0.6) else None,
    )
    return Command(me.key, "prefer", {**plain(place), **asked})


COMMANDS: dict[str, Answer] = {"converse": converse, "prefer": prefer}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(7, _converse), (4, _prefer)]
