"""Reading: subscribe, unsubscribe, history (promises 1, 6, 13)."""

from __future__ import annotations

from tests.oracle.landed import landed
from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.sphere import purges, shown
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step, fields
from tests.oracle.unknown import Anything, Unordered


def subscribe(world: World, me: Connection, asked: Frame) -> Frame:
    """Show the sphere as it is, and say what to forget; the former subscription is over."""
    for sphere in tuple(me.hears):
        if sphere is world.sphere(asked["sphere"]):
            me.hears.discard(sphere)
    sphere, stay = world.inside(me.member, asked["sphere"])
    me.hears.add(sphere)
    after = asked.get("after")
    subscribed = {
        "type": "subscribed",
        "purges": [] if after is None else purges(sphere, stay, after),
        "sphere": sphere.view(stay),
        "members": Unordered(sphere.member_view(one) for one in sphere.stays.values()),
        "former": Unordered(sphere.former(stay)),
        "connectors": Unordered(bot.view() for bot in sphere.connectors if not bot.dead),
    }
    later = {"journal": Anything(dict)} if landed("journal") else {}
    later |= {"present": Anything(list)} if landed("typing") else {}
    return subscribed | later


def unsubscribe(world: World, me: Connection, asked: Frame) -> Frame:
    """Hear the sphere no more on this connection."""
    sphere = world.sphere(asked["sphere"])
    if sphere is None or sphere not in me.hears:
        raise Refusal("not_found")
    me.hears.discard(sphere)
    return {"type": "done"}


def history(world: World, me: Connection, asked: Frame) -> Frame:
    """Show a page of what this member may see."""
    sphere, stay = world.inside(me.member, asked["sphere"])
    after, before = asked.get("after", 0), asked.get("before")
    seen = [
        frame
        for event in sphere.events
        if event.seq > after and (before is None or event.seq < before)
        if (frame := shown(sphere, stay, event)) is not None
    ]
    limit = asked.get("limit", 100)
    page = seen[:limit] if before is None else seen[-limit:]
    return {"type": "page", "events": page, "more": len(seen) > limit}


# -- what may be tried


def _subscribe(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    sphere_id = draw.sphere(me.member)
    sphere = draw.world.sphere(sphere_id)
    head = 0 if sphere is None else sphere.head
    after = draw.rng.randint(0, head + 1) if draw.chance(0.5) else None
    return Command(me.key, "subscribe", fields(sphere=sphere_id, after=after))


def _unsubscribe(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    return Command(me.key, "unsubscribe", {"sphere": draw.sphere(me.member)})


def _history(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    sphere_id = draw.sphere(me.member)
    sphere = draw.world.sphere(sphere_id)
    head = 0 if sphere is None else sphere.head
    asked = fields(
        sphere=sphere_id,
        after=draw.rng.randint(0, head + 1) if draw.chance(0.5) else None,
        before=draw.rng.randint(0, head + 2) if draw.chance(0.5) else None,
        limit=draw.rng.choice([1, 2, 5, 500]) if draw.chance(0.7) else None,
    )
    return Command(me.key, "history", asked)


COMMANDS: dict[str, Answer] = {
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "history": history,
}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(9, _subscribe), (1.5, _unsubscribe), (8, _history)]
