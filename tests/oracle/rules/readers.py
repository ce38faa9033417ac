"""Readers: anybody reads what was sent while a sphere was public, and nothing else (promise 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.line import Line
from tests.oracle.model.people import Frame
from tests.oracle.model.sphere import Event, Sphere
from tests.oracle.rules.vocabulary import Act, Answer, Deed, Draw, Propose, Step
from tests.oracle.unknown import Anything, Unknown, plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk


async def read(walk: Walk, asked: Frame) -> None:
    """Read a sphere, or whatever has this id, without an account."""
    await walk.settle()
    line = Line(walk.ground.url, "", encoding=asked["encoding"])
    line.token = None
    await line.connect("/v1/read")
    try:
        greeting = await line.answer(await line.send("hello", sphere=asked["sphere"]))
        sphere = walk.world.sphere(asked["sphere"])
        if sphere is None or sphere.audience != "public":
            refused = greeting.pop("error", None), greeting["type"]
            walk.expect("what is not public is not there", refused[1] == "error")
            walk.expect("in the same words", walk.constant("no public sphere", refused[0]))
            return
        told = {"type": "reading", "id": 1, "sphere": sphere.id, "name": sphere.name}
        found = walk.compared(told | {"ends_at": Anything(int), "now": Anything(int)}, greeting)
        walk.expect(f"a public sphere is read: {found}", found is None)
        page = await line.answer(await line.send("history", limit=500))
        shown = [public(sphere, event) for event in sphere.events if is_public(event)]
        foretold = {"type": "page", "id": 2, "messages": shown, "more": False}
        found = walk.compared(foretold, page)
        walk.expect(f"with what was sent while it was public, and no more: {found}", found is None)
        walk.counts["read: in public"] += 1
        walk.counts["read: messages"] += len(shown)
    finally:
        await line.close()


def is_public(event: Event) -> bool:
    """Say whether readers may see an event."""
    said = event.type in {"message_posted", "connector_posted"}
    return event.readers and said and not event.erased


def public(sphere: Sphere, event: Event) -> Frame:
    """Return a message as readers see it: no place, and ids for readers of this sphere alone."""
    by_bot = event.type == "connector_posted"
    wrote = plain(event.fields["connector" if by_bot else "author"])
    name = event.fields["name"] if by_bot else _name(sphere, event)
    return {
        "type": "message",
        "message": sphere.public_ids.setdefault(event.seq, Unknown("id")),
        "at": event.at,
        "author": sphere.public_ids.setdefault(wrote, Unknown("id")),
        "body": event.fields["body"],
        **({} if name is None else {"name": name}),
        **({"bot": True} if by_bot else {}),
        **({"edited_at": event.fields["edited_at"]} if "edited_at" in event.fields else {}),
    }


def _name(sphere: Sphere, event: Event) -> Any:
    if event.alias is not None:
        return None
    if event.author in sphere.stays:
        return event.author.name
    return sphere.left_as.get(event.author, event.author.name)


# -- what may be tried


def _read(draw: Draw) -> Step | None:
    open_to_all = [
        str(plain(sphere.id))
        for sphere in draw.world.spheres
        if sphere.audience == "public" and not sphere.dissolved
    ]
    chosen = draw.any_sphere()
    if open_to_all and draw.chance(0.8):
        chosen = draw.rng.choice(open_to_all)
    elif draw.world.threads and draw.chance(0.3):
        chosen = str(plain(draw.rng.choice(draw.world.threads).id))
    encoding = draw.rng.choice(["json", "msgpack"])
    return Deed("read", {"sphere": chosen, "encoding": encoding})


COMMANDS: dict[str, Answer] = {}
DEEDS: dict[str, Act] = {"read": read}
STEPS: list[tuple[float, Propose]] = [(1.2, _read)]
