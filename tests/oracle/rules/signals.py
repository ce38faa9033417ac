"""Signals: who is there and who types, to those alone who share the timeline (promise 8)."""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step
from tests.oracle.unknown import plain


def typing(world: World, me: Connection, asked: Frame) -> Frame:
    """Take note, of a timeline that this connection listens to."""
    if (timeline := world.timeline(asked)) is None or timeline not in me.hears:
        raise Refusal("not_found")
    return {"type": "done"}


def appear(world: World, me: Connection, asked: Frame) -> Frame:
    """Let others see that I am there, or not; my devices are told."""
    if me.member.visible != asked["visible"]:
        me.member.visible = asked["visible"]
        for connection in world.of_member(me.member):
            world.tell(connection, "", {"type": "appeared", "visible": asked["visible"]})
    return {"type": "done"}


def misplaced(world: World, listener: Connection, signal: Frame) -> str | None:
    """Return why a listener may not be told of this, or None.

    It may lag: about what this connection listened to since the last comparison, of whoever was
    inside since then; who went may have been out for longer, within the listener's stay.
    """
    timeline = world.timeline(signal)
    if timeline is None:
        return None if _is_over(world, signal) else "nothing that there is"
    if timeline not in listener.hears | listener.heard:
        return "nobody here listens to it"
    stay = timeline.stays.get(listener.member)
    if stay is None:
        return None  # out since the last comparison: `heard` says so
    met = {one.id for one in timeline.stays}
    for event in timeline.events[stay.horizon - 1 :]:
        if event.type in {"member_left", "manager_left"}:
            met.add(event.fields["member"])
    named = {*signal.get("came", ()), *signal.get("went", ())}
    named |= {signal["member"]} if "member" in signal else set()
    return f"of strangers: {named - met}" if named - met else None


def _is_over(world: World, signal: Frame) -> bool:
    named = {signal["sphere"], signal.get("thread")}
    return any(one.dissolved and plain(one.id) in named for one in (*world.spheres, *world.threads))


# -- what may be tried


def _typing(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    return None if me is None else Command(me.key, "typing", draw.timeline(me.member))


def _appear(draw: Draw) -> Step | None:
    """Mostly who lets others see how far they read: that hides and shows with them."""
    near = [
        me
        for me in draw.world.living()
        for sphere in draw.world.spheres
        if (stay := sphere.stays.get(me.member)) is not None and stay.show_read and stay.read
    ]
    me = draw.rng.choice(near) if near and draw.chance(0.7) else draw.connection()
    if me is None:
        return None
    visible = draw.chance(0.4) if me.member.visible else draw.chance(0.7)
    return Command(me.key, "appear", {"visible": visible})


COMMANDS: dict[str, Answer] = {"typing": typing, "appear": appear}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(3, _typing), (0.8, _appear)]
