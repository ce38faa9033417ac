"""Readers: anybody reads what was sent while a sphere was public, and nothing else (promise 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.model.people import Frame
from tests.oracle.model.sphere import Event, Sphere
from tests.oracle.rules.vocabulary import Act, Answer, Deed, Draw, Propose, Step
from tests.oracle.unknown import Unknown, plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

#: Readers at a time.
READERS_MAX = 4


async def read(walk: Walk, asked: Frame) -> None:
    """Read a sphere, or whatever has this id, without an account; perhaps stay."""
    await walk.settle()
    await walk.gallery.come(asked["sphere"], asked["encoding"], stays=asked["stays"])


async def read_anew(walk: Walk, asked: Frame) -> None:
    """Have a reader replace what they hold by what the pages hold."""
    await walk.settle()
    await walk.gallery.read_anew(asked["reader"])


async def look_away(walk: Walk, asked: Frame) -> None:
    """Have a reader go."""
    await walk.settle()
    await walk.gallery.go(asked["reader"])


def is_public(event: Event) -> bool:
    """Say whether readers may see an event."""
    said = event.type in {"message_posted", "connector_posted"}
    return event.readers and said and not event.erased


def public(sphere: Sphere, event: Event) -> Frame:
    """Return a message as readers see it: no place, and ids for readers of this sphere alone."""
    by_bot = event.type == "connector_posted"
    wrote = event.fields["connector"] if by_bot else event.alias or event.author
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
    stays = len(draw.world.readers) < READERS_MAX and draw.chance(0.6)
    return Deed("read", {"sphere": chosen, "encoding": encoding, "stays": stays})


def _of_reader(name: str) -> Propose:
    def propose(draw: Draw) -> Step | None:
        readers = draw.world.readers
        return Deed(name, {"reader": draw.rng.choice(sorted(readers))}) if readers else None

    return propose


COMMANDS: dict[str, Answer] = {}
DEEDS: dict[str, Act] = {"read": read, "read_anew": read_anew, "look_away": look_away}
STEPS: list[tuple[float, Propose]] = [
    (1.6, _read),
    (0.4, _of_reader("read_anew")),
    (0.2, _of_reader("look_away")),
]
