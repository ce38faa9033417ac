"""World: everything that the model knows, and what each connection must have been told.

It changes one command at a time, in one order. Nothing of it is hidden or clever: a question is
answered by looking at all there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.model.people import Connection, Frame, Member, Organisation, Session, Told
from tests.oracle.model.sphere import (
    RECORDED,
    Admission,
    Connector,
    Event,
    Sphere,
    Stay,
    Thread,
    recorded,
    shown,
)
from tests.oracle.unknown import Unknown


class Refusal(Exception):  # the word of the protocol
    """The command changes nothing, and is answered with this code."""

    def __init__(self, code: str, **more: Any) -> None:
        self.code = code
        self.more = more
        super().__init__(code)


class Undecided(Exception):  # nobody is wrong
    """What happens depends on something that nobody was ever told: the walk ends here."""


@dataclass(eq=False)
class World:
    """All that there is."""

    now: int | None  #: of a clock moved by hand; None when the server's clock is its own
    organisations: list[Organisation] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    former: list[Member] = field(default_factory=list)  #: whose membership ended
    sessions: list[Session] = field(default_factory=list)
    connections: dict[int, Connection] = field(default_factory=dict)
    spheres: list[Sphere] = field(default_factory=list)
    admissions: list[Admission] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    #: Who reads a public sphere: by number, its id and how often it had been shut when they came.
    readers: dict[int, tuple[str, int]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)  #: ids that somebody knows

    # -- who and what there is

    def sphere(self, sphere_id: str) -> Sphere | None:
        """Return the sphere with this id, unless it is dissolved."""
        for sphere in self.spheres:
            if same(sphere.id, sphere_id) and not sphere.dissolved:
                return sphere
        return None

    def seen_by(self, member: Member, sphere_id: str) -> Sphere:
        """Return a sphere of a member's organisation. Raises Refusal."""
        sphere = self.sphere(sphere_id)
        if sphere is None or sphere.organisation is not member.organisation:
            raise Refusal("not_found")
        return sphere

    def inside(self, member: Member, sphere_id: str) -> tuple[Sphere, Stay]:
        """Return a sphere that a member is inside, and their stay. Raises Refusal."""
        sphere = self.seen_by(member, sphere_id)
        stay = sphere.stays.get(member)
        if stay is None:
            raise Refusal("not_found")
        return sphere, stay

    def thread(self, sphere_id: str, thread_id: str) -> Thread | None:
        """Return a thread of a sphere, unless either is dissolved."""
        home = self.sphere(sphere_id)
        for thread in self.threads:
            if same(thread.id, thread_id) and thread.home is home and not thread.dissolved:
                return thread
        return None

    def threads_of(self, sphere: Sphere) -> list[Thread]:
        """Return the threads that a sphere has."""
        return [one for one in self.threads if one.home is sphere and not one.dissolved]

    def timeline(self, asked: Frame) -> Sphere | None:
        """Return the timeline that a command names: of a sphere, or of a thread of it."""
        if asked.get("thread") is not None:
            return self.thread(asked["sphere"], asked["thread"])
        return self.sphere(asked["sphere"])

    def timelines(self) -> list[Sphere]:
        """Return every timeline that there is."""
        return [one for one in (*self.spheres, *self.threads) if not one.dissolved]

    def on(self, member: Member, asked: Frame) -> tuple[Sphere, Stay]:
        """Return the timeline that a command names, and a member's stay on it. Raises Refusal."""
        timeline = self.timeline(asked)
        stay = None if timeline is None else timeline.stays.get(member)
        if timeline is None or stay is None:
            raise Refusal("not_found")
        return timeline, stay

    def administered(self, member: Member, sphere_id: str) -> tuple[Sphere, Stay]:
        """Return a sphere that a member administers, and their stay. Raises Refusal."""
        sphere, stay = self.inside(member, sphere_id)
        if stay.role != "administrator":
            raise Refusal("not_allowed")
        return sphere, stay

    def member(self, organisation: Organisation, member_id: str) -> Member | None:
        """Return a member of an organisation by id."""
        for member in self.members:
            if member.id == member_id and member.organisation is organisation:
                return member
        return None

    def living(self) -> list[Connection]:
        """Return every open connection."""
        return [one for one in self.connections.values() if one.closed is None]

    def of_member(self, member: Member) -> Iterator[Connection]:
        """Go through the open connections of a member."""
        return (one for one in self.living() if one.member is member)

    def bots(self) -> Iterator[tuple[Sphere, Connector]]:
        """Go through every connector there ever was."""
        return ((sphere, bot) for sphere in self.spheres for bot in sphere.connectors)

    # -- what happens

    def moment(self) -> Any:
        """Return the date of what happens now."""
        return Unknown("at") if self.now is None else self.now

    def append(self, sphere: Sphere, kind: str, fields: Frame, **more: Any) -> Event:
        """Put an event on a timeline, and tell whoever listens and is inside."""
        event = Event(
            seq=sphere.head + 1,
            at=more.pop("at", None) or self.moment(),
            type=kind,
            fields=fields,
            newcomers=more.pop("newcomers", sphere.history == "visible"),
            readers=more.pop("readers", sphere.audience == "public"),
            **more,
        )
        if not isinstance(sphere, Thread) and kind in RECORDED:
            event.record = {"sphere": sphere.id, "seq": event.seq, "at": event.at, "type": kind}
            event.record |= recorded(event)
            event.digest = Unknown("digest")
        sphere.events.append(event)
        for connection in self.living():
            stay = sphere.stays.get(connection.member)
            if sphere in connection.hears and stay is not None:
                frame = shown(sphere, stay, event)
                assert frame is not None
                self.tell(connection, sphere.id, frame)
        return event

    def tell(self, connection: Connection, lane: Any, frame: Frame) -> None:
        """Have a connection receive a frame, after what it was told before in this lane."""
        connection.told.append(Told(lane, deepcopy(frame)))

    def notify(self, members: Iterable[Member], sphere: Sphere, notice: Frame) -> None:
        """Have every connection of these members receive a notice."""
        for member in members:
            for connection in self.of_member(member):
                self.tell(connection, sphere.id, notice)

    def hush(self, sphere: Sphere, member: Member | None = None) -> None:
        """Let a member (or everybody) listen to a timeline no more."""
        for connection in self.connections.values():
            if member is None or connection.member is member:
                connection.hears.discard(sphere)

    def end(self, session: Session, code: int) -> None:
        """End a session: its connections close."""
        session.over = True
        for connection in self.living():
            if connection.session is session:
                connection.closed = code


def same(one: Any, other: Any) -> bool:
    """Say whether two values are one, looking into what is known by now."""
    first = one.value if isinstance(one, Unknown) else one
    second = other.value if isinstance(other, Unknown) else other
    if first is None and second is None:
        return one is other
    return bool(first == second)
