"""Posts: a message says where it goes, and is stored once (promise 3, and the server's own)."""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.sphere import Thread
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.spheres import check_destination
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step


def post(world: World, me: Connection, asked: Frame) -> Frame:
    """Store a message, or answer as the first time."""
    if ("thread" in asked) != ("sealed" in asked) or ("body" in asked) == ("sealed" in asked):
        raise Refusal("invalid_field")
    sphere, stay = world.on(me.member, asked)
    said = _said(asked)
    earlier = stay.sent.get(asked["client_id"])
    if earlier is not None:
        if any(earlier.fields[name] != value for name, value in said.items()):
            raise Refusal("client_id_reused")
        return {"type": "posted", "seq": earlier.seq, "at": earlier.at}
    check_destination(sphere.home if isinstance(sphere, Thread) else sphere, asked["revision"])
    event = world.append(
        sphere,
        "private_posted" if isinstance(sphere, Thread) else "message_posted",
        {"author": me.member.id, **said},
        author=me.member,
        message=True,
    )
    stay.sent[asked["client_id"]] = event
    return {"type": "posted", "seq": event.seq, "at": event.at}


def _said(asked: Frame) -> Frame:
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
    client_id, said = f"client-{draw.rng.randrange(10**9)}", _words(draw, "thread" in place)
    timeline = draw.world.timeline(place)
    stay = None if timeline is None else timeline.stays.get(me.member)
    if stay is not None and stay.sent and draw.chance(0.08):
        client_id = draw.rng.choice(list(stay.sent))
        fields = stay.sent[client_id].fields
        said = {name: fields[name] for name in said if name in fields and draw.chance(0.9)} or said
    elif draw.chance(0.05):
        client_id = _of_somebody_else(draw) or client_id
    asked = {**place, "revision": revision, "client_id": client_id, **said}
    return Command(me.key, "post", asked)


def _words(draw: Draw, private: bool) -> Frame:  # noqa: FBT001  # the one thing that it asks
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
