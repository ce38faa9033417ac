"""Marks: how far one read, for one's own devices alone."""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step
from tests.oracle.unknown import plain


def mark_read(world: World, me: Connection, asked: Frame) -> Frame:
    """Note how far I read: only forward, and not further than there is."""
    timeline, stay = world.on(me.member, asked)
    if asked["seq"] > timeline.head:
        raise Refusal("invalid_field")
    if asked["seq"] > stay.read:
        stay.read = asked["seq"]
        world.notify([me.member], timeline, {"type": "read", **timeline.place, "up_to": stay.read})
    return {"type": "done"}


# -- what may be tried


def _mark_read(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    place = draw.timeline(me.member)
    timeline = draw.world.timeline(place)
    head = 0 if timeline is None else timeline.head
    seq = head if draw.chance(0.4) else draw.rng.randint(0, head + 1)
    return Command(me.key, "mark_read", {**plain(place), "seq": seq})


COMMANDS: dict[str, Answer] = {"mark_read": mark_read}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(4, _mark_read)]
