"""Messages: edit and delete one's own, react to anybody's (promises 6, 13).

Whoever may see the message hears of what becomes of it, and nobody else.
"""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.sphere import Event, Sphere, Stay, Thread, erase, may_see
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.posts import words, words_of
from tests.oracle.rules.spheres import check_destination
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step
from tests.oracle.unknown import plain

REACTIONS = ("👍", "🎉", "thanks")


def edit(world: World, me: Connection, asked: Frame) -> Frame:
    """Put other words in the place of a message of this stay; the former edits are erased."""
    if ("thread" in asked) != ("sealed" in asked) or ("body" in asked) == ("sealed" in asked):
        raise Refusal("invalid_field")
    timeline, stay = world.on(me.member, asked)
    message = _mine(timeline, stay, asked["message"])
    if message.seq < stay.horizon:
        raise Refusal("not_found")
    said = words_of(asked)
    if all(message.fields[name] == value for name, value in said.items()):
        return {"type": "done"}
    check_destination(
        timeline.home if isinstance(timeline, Thread) else timeline, asked["revision"]
    )
    erase(timeline, [one for one in timeline.hanging(message) if one.type in EDITS])
    at = world.moment()
    message.fields |= {**said, "edited_at": at}
    kind = "private_edited" if isinstance(timeline, Thread) else "message_edited"
    told = {"author": me.member.id, "message": message.seq, **said}
    _tell(world, timeline, message, kind, told, author=me.member, hangs=message, at=at)
    return {"type": "done"}


def delete(world: World, me: Connection, asked: Frame) -> Frame:
    """Erase a message of mine, whichever stay it is of, with what hangs on it."""
    timeline, stay = world.on(me.member, asked)
    message = _mine(timeline, stay, asked["message"])
    erase(timeline, [message])
    message.deleted = True
    _tell(world, timeline, message, "message_deleted", {"message": message.seq})
    return {"type": "done"}


def react(world: World, me: Connection, asked: Frame) -> Frame:
    """React to a message that I may see, or take it back; what is so already is told to nobody."""
    timeline, stay = world.on(me.member, asked)
    message, reaction = _seen(timeline, stay, asked["message"]), asked["reaction"]
    mine = [
        one
        for one in timeline.hanging(message)
        if one.type == "reaction_added"
        and one.author is me.member
        and one.fields["reaction"] == reaction
    ]
    is_on = asked.get("on", True)
    if is_on is bool(mine):
        return {"type": "done"}
    erase(timeline, mine)
    told = {"by": me.member.id, "message": message.seq, "reaction": reaction}
    kind = "reaction_added" if is_on else "reaction_removed"
    newcomers = message.newcomers and timeline.history == "visible"
    _tell(world, timeline, message, kind, told,
          author=me.member, hangs=message, newcomers=newcomers)  # fmt: skip
    return {"type": "done"}


EDITS = ("message_edited", "private_edited")


def _tell(
    world: World, timeline: Sphere, message: Event, kind: str, told: Frame, **more: object
) -> None:
    """Tell those for whom a message was of what becomes of it."""
    stamps = {"newcomers": message.newcomers, "readers": message.readers}
    world.append(timeline, kind, told, about=(message,), **{**stamps, **more})


def _seen(timeline: Sphere, stay: Stay, seq: int) -> Event:
    message = timeline.written(seq)
    if message is None or not may_see(stay, message):
        raise Refusal("not_found")
    return message


def _mine(timeline: Sphere, stay: Stay, seq: int) -> Event:
    message = _seen(timeline, stay, seq)
    if message.author is not stay.member or message.alias is not None:
        raise Refusal("not_found")
    return message


# -- what may be tried


def _place(draw: Draw, *, mine: bool) -> tuple[Connection, Frame, Sphere, int] | None:
    """Return who, where, and a message there: mostly one's own, if asked."""
    me = draw.connection(inside=True)
    if me is None:
        return None
    place = draw.timeline(me.member)
    timeline = draw.world.timeline(place)
    if timeline is None:
        return None
    by: Member | None = me.member if mine and draw.chance(0.85) else None
    return me, place, timeline, draw.message(timeline, by=by)


def _edit(draw: Draw) -> Step | None:
    if (found := _place(draw, mine=True)) is None:
        return None
    me, place, timeline, seq = found
    home = draw.world.sphere(place["sphere"])
    revision = 1 if home is None else home.revision
    if draw.chance(0.06):
        revision = max(1, revision + draw.rng.choice([-1, 1]))
    said = words(draw, private="thread" in place)
    message = timeline.written(seq)
    if message is not None and draw.chance(0.1):
        kept = ("body", "scheme", "sealed")
        said = {name: message.fields[name] for name in kept if name in message.fields}
    asked = {**place, "revision": revision, "message": seq, **said}
    return Command(me.key, "edit", plain(asked))


def _delete(draw: Draw) -> Step | None:
    if (found := _place(draw, mine=True)) is None:
        return None
    me, place, _, seq = found
    return Command(me.key, "delete", plain({**place, "message": seq}))


def _react(draw: Draw) -> Step | None:
    if (found := _place(draw, mine=False)) is None:
        return None
    me, place, timeline, seq = found
    reaction, on = draw.rng.choice(REACTIONS), {}
    mine = [
        one
        for one in timeline.by(me.member)
        if one.type == "reaction_added" and one.hangs is not None
    ]
    if mine and draw.chance(0.4):
        back = draw.rng.choice(mine)
        seq, reaction = back.fields["message"], back.fields["reaction"]
    if draw.chance(0.4 if mine else 0.1):
        on = {"on": False}
    asked = {**place, "message": seq, "reaction": reaction, **on}
    return Command(me.key, "react", plain(asked))


COMMANDS: dict[str, Answer] = {"edit": edit, "delete": delete, "react": react}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(6, _edit), (3, _delete), (8, _react)]
