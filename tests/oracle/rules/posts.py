"""Posts: a message says where it goes, and is stored once (promise 3, and the server's own)."""

from __future__ import annotations

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.spheres import check_destination
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step, stay_in
from tests.oracle.unknown import plain


def post(world: World, me: Connection, asked: Frame) -> Frame:
    """Store a message, or answer as the first time."""
    sphere, stay = world.inside(me.member, asked["sphere"])
    earlier = stay.sent.get(asked["client_id"])
    if earlier is not None:
        if earlier.fields["body"] != asked["body"]:
            raise Refusal("client_id_reused")
        return {"type": "posted", "seq": earlier.seq, "at": earlier.at}
    check_destination(sphere, asked["revision"])
    event = world.append(
        sphere,
        "message_posted",
        {"author": me.member.id, "body": asked["body"]},
        author=me.member,
        message=True,
    )
    stay.sent[asked["client_id"]] = event
    return {"type": "posted", "seq": event.seq, "at": event.at}


# -- what may be tried


def _post(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    sphere_id = draw.sphere(me.member)
    sphere = draw.world.sphere(sphere_id)
    revision = 1 if sphere is None else sphere.revision
    if draw.chance(0.06):
        revision = max(1, revision + draw.rng.choice([-1, 1]))
    client_id, body = f"client-{draw.rng.randrange(10**9)}", draw.words()
    stay = stay_in(draw.world, me.member, sphere_id)
    if stay is not None and stay.sent and draw.chance(0.08):
        client_id = draw.rng.choice(list(stay.sent))
        body = stay.sent[client_id].fields["body"] if draw.chance(0.7) else body
    elif draw.chance(0.05):
        client_id = _of_somebody_else(draw) or client_id
    asked = {"sphere": sphere_id, "revision": revision, "client_id": client_id, "body": plain(body)}
    return Command(me.key, "post", asked)


def _of_somebody_else(draw: Draw) -> str | None:
    """Return a client_id that another member, or an earlier stay, used."""
    used = [
        client_id
        for sphere in draw.world.spheres
        for stay in sphere.stays.values()
        for client_id in stay.sent
    ]
    return draw.rng.choice(used) if used else None


COMMANDS: dict[str, Answer] = {"post": post}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(26, _post)]
