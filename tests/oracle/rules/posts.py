"""Posts: a message says where it goes, and is stored once (promise 3, and the server's own)."""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.sphere import Event, Sphere, Stay, Thread, may_see
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.spheres import check_destination
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step, fields


def post(world: World, me: Connection, asked: Frame) -> Frame:
    """Store a message, or answer as the first time."""
    if ("thread" in asked) != ("sealed" in asked) or ("body" in asked) == ("sealed" in asked):
        raise Refusal("invalid_field")
    sphere, stay = world.on(me.member, asked)
    said, refers = words_of(asked), fields(**{one: asked.get(one) for one in REFERENCES})
    earlier = stay.sent.get(asked["client_id"])
    if earlier is not None:
        if not _is_same(earlier, said, refers):
            raise Refusal("client_id_reused")
        return {"type": "posted", "seq": earlier.seq, "at": earlier.at}
    check_destination(sphere.home if isinstance(sphere, Thread) else sphere, asked["revision"])
    answered = _answered(sphere, stay, refers)
    event = world.append(
        sphere,
        "private_posted" if isinstance(sphere, Thread) else "message_posted",
        {"author": me.member.id, **said, **refers},
        author=me.member,
        answers=answered,
        message=True,
    )
    stay.sent[asked["client_id"]] = event
    return {"type": "posted", "seq": event.seq, "at": event.at}


REFERENCES = ("reply_to", "mentions")


def _answered(sphere: Sphere, stay: Stay, refers: Frame) -> Event | None:
    """Return the message that a post answers. Raises Refusal for what is not there, for me."""
    named = refers.get("mentions", [])
    if len(set(named)) < len(named) or not set(named) <= {one.id for one in sphere.stays}:
        raise Refusal("invalid_field")
    if "reply_to" not in refers:
        return None
    answered = sphere.written(refers["reply_to"])
    if answered is None or not may_see(stay, answered):
        raise Refusal("not_found")
    return answered


def _is_same(earlier: Event, said: Frame, refers: Frame) -> bool:
    """Say whether a post says what was stored; its words may be others by now, or gone."""
    if earlier.erased:
        return True
    if any(earlier.fields.get(one) != refers.get(one) for one in REFERENCES):
        return False
    is_edited = "edited_at" in earlier.fields
    return is_edited or all(earlier.fields[name] == value for name, value in said.items())


def words_of(asked: Frame) -> Frame:
    """Return what a post or an edit says, as an event has it."""
    if "sealed" in asked:
        return {"scheme": asked.get("scheme", "plain"), "sealed": asked["sealed"]}
    return {"body": asked["body"]}


# -- what may be tried


def _post(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    place = draw.timeline(me.member)
    sphere = draw.world.sphere(place["sphere"])
    revision = 1 if sphere is None else sphere.revision
    if draw.chance(0.06):
        revision = max(1, revision + draw.rng.choice([-1, 1]))
    timeline = draw.world.timeline(place)
    client_id, said = f"client-{draw.rng.randrange(10**9)}", words(draw, private="thread" in place)
    said |= _references(draw, timeline, place["sphere"])
    stay = None if timeline is None else timeline.stays.get(me.member)
    if stay is not None and stay.sent and draw.chance(0.08):
        client_id = draw.rng.choice(list(stay.sent))
        said = _again(draw, stay.sent[client_id], said)
    elif draw.chance(0.05):
        client_id = _of_somebody_else(draw) or client_id
    asked = {**place, "revision": revision, "client_id": client_id, **said}
    return Command(me.key, "post", asked)


def _again(draw: Draw, sent: Event, said: Frame) -> Frame:
    """Return what was sent under a client_id, or nearly."""
    names = ("body", "scheme", "sealed", *REFERENCES)
    before = {name: sent.fields[name] for name in names if name in sent.fields}
    if draw.chance(0.2):
        return said
    if draw.chance(0.2):
        before.pop(draw.rng.choice(REFERENCES), None)
    return before


def _references(draw: Draw, timeline: Sphere | None, sphere_id: str) -> Frame:
    """Return what a message refers to: mostly nothing."""
    said: Frame = {}
    if timeline is not None and draw.chance(0.2):
        said["reply_to"] = draw.message(timeline)
    if draw.chance(0.12):
        inside = [] if timeline is None else [one.id for one in timeline.stays]
        count = min(len(inside), draw.rng.choice([1, 1, 2]))
        said["mentions"] = draw.rng.sample(inside, count)
        if draw.chance(0.15):
            said["mentions"].append(draw.somebody(sphere_id))
    return {name: value for name, value in said.items() if value}


def words(draw: Draw, *, private: bool) -> Frame:
    """Return something to say, in the form in which it goes there; seldom in the other."""
    if draw.chance(0.01):
        private = not private
    if not private:
        return {"body": draw.words()}
    scheme = {"scheme": draw.rng.choice(["plain", "mls-1"])} if draw.chance(0.3) else {}
    return {"sealed": draw.words().encode(), **scheme}


def _of_somebody_else(draw: Draw) -> str | None:
    """Return a client_id that another member, or an earlier stay, used."""
    used = [
        client_id
        for sphere in draw.world.timelines()
        for stay in sphere.stays.values()
        for client_id in stay.sent
    ]
    return draw.rng.choice(used) if used else None


COMMANDS: dict[str, Answer] = {"post": post}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(26, _post)]
