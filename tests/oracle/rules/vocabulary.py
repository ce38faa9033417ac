"""Vocabulary: how a module of rules is written.

A feature is one module here. It says what its commands do in the model (``COMMANDS``), what may be
tried and how often (``STEPS``), and what happens that is no command (``DEEDS``). To add a feature,
add its module to the list in ``rules/__init__.py``; nothing else needs to know it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.sphere import Sphere, Stay
from tests.oracle.model.world import World
from tests.oracle.unknown import plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk


class Command(NamedTuple):
    """A command that a connection sends."""

    connection: int
    kind: str
    fields: Frame


class Deed(NamedTuple):
    """Something that happens, and is no command: a line breaks, a bot speaks, time passes."""

    name: str
    fields: Frame


Step = Command | Deed
#: What a command does in the model: returns its reply (without ``id``), or raises Refusal.
Answer = Callable[[World, Connection, Frame], Frame]
#: Draws a step that may be tried now, or nothing.
Propose = Callable[["Draw"], Step | None]
#: Does a deed, in the world and to the server.
Act = Callable[["Walk", Frame], Awaitable[None]]


class Feature(Protocol):
    """What a module of rules holds."""

    COMMANDS: dict[str, Answer]
    DEEDS: dict[str, Act]
    STEPS: list[tuple[float, Propose]]


class Draw:
    """Draws from what there is: mostly sense, sometimes nonsense, often the ids of others."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world = world
        self.rng = rng

    def chance(self, probability: float) -> bool:
        """Say yes with a probability."""
        return self.rng.random() < probability

    def connection(self, *, inside: bool = False, administers: bool = False) -> Connection | None:
        """Return somebody's open connection: mostly of one who is inside a sphere, if asked."""
        living = self.world.living()
        if (inside or administers) and self.chance(0.97):
            living = [
                one for one in living if self.spheres_of(one.member, administered=administers)
            ]
        return self.rng.choice(living) if living else None

    def spheres_of(self, member: Member, *, administered: bool = False) -> list[Sphere]:
        """Return the spheres that a member is inside."""
        return [
            sphere
            for sphere in self.world.spheres
            if (stay := sphere.stays.get(member)) is not None
            and (not administered or stay.role == "administrator")
        ]

    def sphere(self, member: Member, *, administered: bool = False) -> str:
        """Return a sphere's id: mostly of one that is theirs, else anybody's, else nobody's."""
        mine = self.spheres_of(member, administered=administered)
        if mine and self.chance(0.95):
            return str(plain(self.rng.choice(mine).id))
        return self.any_sphere()

    def timeline(self, member: Member, *, private: float = 0.4) -> Frame:
        """Return where to: a sphere, or mostly one's own thread; else somebody's, or nobody's."""
        mine = [one for one in self.world.threads if member in one.stays and not one.dissolved]
        if not self.chance(private if mine else private / 6):
            return {"sphere": self.sphere(member)}
        some = mine if mine and self.chance(0.85) else self.world.threads
        known = [one for one in some if isinstance(plain(one.id), str)]
        if not known or self.chance(0.02):
            return {"sphere": self.sphere(member), "thread": self.any_sphere()}
        thread = self.rng.choice(known)
        if self.chance(0.03):
            return {"sphere": plain(thread.id)}
        home = self._elsewhere(member, thread.home) if self.chance(0.07) else plain(thread.home.id)
        return {"sphere": home, "thread": plain(thread.id)}

    def _elsewhere(self, member: Member, home: Sphere) -> str:
        """Return another sphere, mostly one of theirs, in the place of a thread's own."""
        mine = [one for one in self.spheres_of(member) if one is not home]
        return str(plain(self.rng.choice(mine).id)) if mine else self.any_sphere()

    def any_sphere(self) -> str:
        """Return the id of any sphere, of whatever organisation, dissolved ones too; or of none."""
        known = [one for one in map(plain, (sphere.id for sphere in self.world.spheres))
                 if isinstance(one, str)]  # fmt: skip
        return self.rng.choice(known) if known and self.chance(0.9) else self.stranger()

    def stranger(self) -> str:
        """Return an id that is nobody's."""
        return "".join(self.rng.choices("abcdefghijklmnopqrstuvwxyz234567", k=26))

    def somebody(self, sphere_id: str) -> str:
        """Return a member's id: of the sphere, of anywhere, of nowhere."""
        sphere = self.world.sphere(sphere_id)
        if sphere is not None and sphere.stays and self.chance(0.8):
            return self.rng.choice(list(sphere.stays)).id
        if self.chance(0.9):
            return self.rng.choice(self.world.members).id
        return self.stranger()

    def message(self, timeline: Sphere, *, by: Member | None = None) -> int:
        """Return the place of a message, of somebody's if asked; seldom of something else."""
        near = [
            event
            for event in timeline.events
            if event.message and (by is None or event.author is by) and not event.erased
        ]
        if not near or self.chance(0.15):
            return self.rng.randint(1, timeline.head + 1)
        return self.rng.choice(near[-6:] if self.chance(0.6) else near).seq

    def words(self) -> str:
        """Return something to say."""
        return f"words {self.rng.randrange(10**9)}"

    def name(self) -> str:
        """Return a name of a sphere: few, so that several bear the same."""
        return self.rng.choice(["Design team", "Builds", "Café", "Works council", "Choir"])


def stay_in(world: World, member: Member, sphere_id: str) -> Stay | None:
    """Return somebody's stay, if there is one."""
    sphere = world.sphere(sphere_id)
    return None if sphere is None else sphere.stays.get(member)


def fields(**given: Any) -> Frame:
    """Return the fields of a command, without those that are absent."""
    return {name: value for name, value in given.items() if value is not None}
