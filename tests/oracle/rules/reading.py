"""Reading: subscribe, unsubscribe, history (promises 1, 6, 13)."""

from __future__ import annotations

from typing import Any

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.sphere import Sphere, Stay, Thread, purges, shown
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step, fields
from tests.oracle.unknown import Check, Comparison, Unordered, plain


def subscribe(world: World, me: Connection, asked: Frame) -> Frame:
    """Show the sphere as it is, and say what to forget; the former subscription is over."""
    me.hears.discard(world.timeline(asked))
    sphere, stay = world.on(me.member, asked)
    me.hears.add(sphere)
    me.heard.add(sphere)
    after = asked.get("after")
    forget = [] if after is None else purges(sphere, stay, after)
    if isinstance(sphere, Thread):
        return {
            "type": "listening",
            "purges": forget,
            "thread": sphere.thread_view(stay),
            "former": Unordered(sphere.former(stay)),
            "reads": Unordered(sphere.reads(stay)),
        }
    subscribed = {
        "type": "subscribed",
        "purges": forget,
        "sphere": sphere.view(stay),
        "members": Unordered(sphere.member_view(one) for one in sphere.stays.values()),
        "former": Unordered(sphere.former(stay)),
        "connectors": Unordered(bot.view() for bot in sphere.connectors if not bot.dead),
    }
    return subscribed | {
        "journal": head(sphere),
        "present": Seen(sphere, stay),
        "reads": Unordered(sphere.reads(stay)),
    }


class Seen(Check):
    """Who is seen to be there: whoever else may be seen there, as far as they were told of.

    That it is everybody who is, the devices are held to later.
    """

    def __init__(self, sphere: Sphere, stay: Stay) -> None:
        gone = {
            event.fields["member"]
            for event in sphere.events[stay.horizon - 1 :]
            if event.type in {"member_left", "manager_left"}
        }
        self._may = gone | {one.id for one, other in sphere.stays.items() if is_seen(other)}

    def __repr__(self) -> str:
        """Show who it may be."""
        return f"<some of {self._may}>"

    def differs(self, comparison: Comparison, got: Any, path: str) -> str | None:
        """Return who should not be seen, or None."""
        wrong = set(got) - self._may
        return f"{path}: {wrong} are not to be seen" if wrong else None


def is_seen(stay: Stay) -> bool:
    """Say whether it may show that a member is there."""
    return stay.member.visible or stay.entered


def head(sphere: Sphere) -> Frame:
    """Return where the journal ends."""
    recorded = [event for event in sphere.events if event.record is not None]
    last = recorded[-1] if recorded else None
    return {
        "seq": 0 if last is None else last.seq,
        "digest": NO_DIGEST if last is None else last.digest,
    }


#: Stands before the first record of a journal.
NO_DIGEST = "0" * 64


def unsubscribe(world: World, me: Connection, asked: Frame) -> Frame:
    """Hear the sphere no more on this connection."""
    sphere = world.timeline(asked)
    if sphere is None or sphere not in me.hears:
        raise Refusal("not_found")
    me.hears.discard(sphere)
    return {"type": "done"}


def history(world: World, me: Connection, asked: Frame) -> Frame:
    """Show a page of what this member may see."""
    sphere, stay = world.on(me.member, asked)
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
    place = draw.timeline(me.member)
    timeline = draw.world.timeline(place)
    head = 0 if timeline is None else timeline.head
    after = draw.rng.randint(0, head + 1) if draw.chance(0.5) else None
    return Command(me.key, "subscribe", place | fields(after=after))


def _unsubscribe(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    return Command(me.key, "unsubscribe", draw.timeline(me.member))


def _history(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    place = draw.timeline(me.member)
    timeline = draw.world.timeline(place)
    head = 0 if timeline is None else timeline.head
    asked = place | fields(
        after=draw.rng.randint(0, head + 1) if draw.chance(0.5) else None,
        before=draw.rng.randint(0, head + 2) if draw.chance(0.5) else None,
        limit=draw.rng.choice([1, 2, 5, 500]) if draw.chance(0.7) else None,
    )
    return Command(me.key, "history", asked)


def _peek(draw: Draw) -> Step | None:
    """Look in from outside: mostly where nobody listens, so that only the store can say no."""
    near = [
        (me, timeline)
        for me in draw.world.living()
        for timeline in draw.world.timelines()
        if timeline.organisation is me.member.organisation and me.member not in timeline.stays
    ]
    heard = {one for me in draw.world.living() for one in me.hears}
    unheard = [pair for pair in near if pair[1] not in heard]
    if not near:
        return None
    me, timeline = draw.rng.choice(unheard if unheard and draw.chance(0.7) else near)
    kind = draw.rng.choice(["history", "history", "subscribe"])
    return Command(me.key, kind, plain(timeline.place))


COMMANDS: dict[str, Answer] = {
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "history": history,
}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [
    (9, _subscribe),
    (1.5, _unsubscribe),
    (8, _history),
    (2, _peek),
]
