"""Listeners: connections without sockets, and a loop whose turns are taken by hand.

What the hub hands over is kept as bytes and read back with a library that is none of the server's,
so that a test sees what a client would.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec

from server.channels.hub import Hub
from server.channels.listening import HubLimits
from server.channels.outcome import Publication
from server.domain.facts import Member, Seat
from server.protocol import codec
from server.protocol.close import Close
from server.protocol.codec import JSON, MSGPACK, Encoding
from server.protocol.events import MemberJoined, MemberLeft, MessagePosted, Notice, TimelineEvent
from server.protocol.framing import Parcel
from server.protocol.scalars import Bequest, MemberRole, Parting, SphereRole
from server.protocol.views import MemberView
from storage.timeline import Entry

ORGANISATION = "o" * 26
SPHERE, OTHER_SPHERE = "s" * 26, "t" * 26


def member(name: str, role: MemberRole = MemberRole.MEMBER, *, of: str = ORGANISATION) -> Member:
    """Return a member whose id is their name, in the shape of an id."""
    return Member(id=name.ljust(26, "a"), organisation=of, name=name.title(), role=role)


ANA, BOB, CAROL = member("ana"), member("bob"), member("carol")


class Turns:
    """The loop's ``call_soon``; what it was given runs when the test takes a turn."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, act: Callable[[], None]) -> None:
        """Keep ``act`` for the next turn."""
        self.waiting.append(act)

    def take(self) -> None:
        """Let the loop turn once."""
        waiting, self.waiting = self.waiting, []
        for act in waiting:
            act()


class Later:
    """The loop's ``call_later``; what it was given runs when the test lets the time pass."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, delay: float, act: Callable[[], None]) -> None:
        """Keep ``act`` until its time has come."""
        self.waiting.append((delay, act))

    def come(self) -> None:
        """Let the time come for everything that waits."""
        waiting, self.waiting = self.waiting, []
        for _, act in waiting:
            act()


class CountingEncoding(Encoding):
    """JSON that counts how often it encodes each event."""

    def __init__(self) -> None:
        super().__init__("json", JSON.opcode, msgspec.json)
        self.times: Counter[int] = Counter()

    def encode(self, message: Any) -> bytes:
        """Encode, and count."""
        self.times[message.seq] += 1
        return super().encode(message)


class Ear:
    """A person's connection as the hub sees it. It remembers everything, and checks its rights."""

    def __init__(self, who: Member, encoding: Encoding = MSGPACK, *, hot: bool = True) -> None:
        self.member = who
        self.encoding = encoding
        self.congested = not hot
        self.closed = False
        self.blobs: list[bytes] = []  #: one a write
        self.told: list[Notice] = []
        self.forgotten: list[str] = []
        self.subscriptions: dict[str, None] = {}
        self.found: list[str] = []  #: who was there when it subscribed last
        self.on_notice: Callable[[], None] | None = None

    @property
    def raw_write(self) -> Callable[[bytes], object] | None:
        """Return the short cut, unless the reader is slow or gone."""
        return None if self.congested or self.closed else self._write

    def send(self, parcel: Parcel) -> None:
        """Take a parcel."""
        assert not self.closed, "nothing is handed to a connection that was dismissed"
        self.blobs.append(parcel.blob)

    def notify(self, notice: Notice) -> None:
        """Take a notice."""
        self.told.append(notice)
        if self.on_notice is not None:
            self.on_notice()

    def forget(self, sphere: str) -> None:
        """Note that a sphere is gone."""
        self.forgotten.append(sphere)
        self.subscriptions.pop(sphere, None)

    def _write(self, blob: bytes) -> None:
        assert not self.congested, "a congested reader is not written to directly"
        assert not self.closed, "nothing is handed to a connection that was dismissed"
        self.blobs.append(blob)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return every event that was handed over, in order."""
        return [
            json.loads(payload) if self.encoding.name == "json" else msgpack.unpackb(payload)
            for blob in self.blobs
            for payload in unframed(blob)
        ]

    def heard(self, sphere: str = SPHERE) -> list[int]:
        """Return the seqs of a sphere that were handed over, in order."""
        return [event["seq"] for event in self.timeline(sphere)]

    def timeline(self, sphere: str = SPHERE) -> list[dict[str, Any]]:
        """Return the events of a sphere that were handed over, in order."""
        return [event for event in self.events if event["sphere"] == sphere and "seq" in event]

    def signals(self, sphere: str = SPHERE) -> list[dict[str, Any]]:
        """Return the signals of a sphere that were handed over, in order."""
        return [event for event in self.events if event["sphere"] == sphere and "seq" not in event]


class Plug:
    """A bot's connection as the hub sees it."""

    def __init__(self) -> None:
        self.closes: list[Close] = []

    def end(self, close: Close) -> None:
        """Remember why."""
        self.closes.append(close)


def unframed(blob: bytes) -> list[bytes]:
    """Return the payloads of server frames, as RFC 6455 has them."""
    payloads = []
    while blob:
        length, start = blob[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(blob[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(blob[2:10], "big"), 10
        payloads.append(blob[start : start + length])
        blob = blob[start + length :]
    return payloads


def entry(event: TimelineEvent) -> Entry:
    """Return an event as it comes from the store."""
    return Entry(event=event, content=codec.store(event))


def posted(seq: int, *, sphere: str = SPHERE, author: Member = ANA, body: str = "hello") -> Entry:
    """Return a message at ``seq``."""
    return entry(MessagePosted(sphere=sphere, seq=seq, at=1, author=author.id, body=body))


def joined(seq: int, who: Member, *, sphere: str = SPHERE) -> Entry:
    """Return an arrival at ``seq``."""
    shown = MemberView(member=who.id, name=who.name, role=SphereRole.MEMBER, entered=False)
    return entry(MemberJoined(sphere=sphere, seq=seq, at=1, member=shown))


def left(seq: int, who: Member, *, sphere: str = SPHERE) -> Entry:
    """Return a departure at ``seq``."""
    return entry(
        MemberLeft(sphere=sphere, seq=seq, at=1, member=who.id, how=Parting.LEFT, kept=Bequest.NONE)
    )


def departure(seq: int, who: Member, *, sphere: str = SPHERE) -> Publication:
    """Return what a departure publishes: the control, and the event."""
    return Publication(departures=((sphere, who.id),), entries=(left(seq, who, sphere=sphere),))


def said(*entries: Entry) -> Publication:
    """Return what a commit of these events publishes."""
    return Publication(entries=entries)


class Node:
    """A hub with a loop of its own, and what was subscribed to it."""

    def __init__(self, **limits: Any) -> None:
        self.turns = Turns()
        self.later = Later()
        self.hub = Hub(self.turns, call_later=self.later, limits=HubLimits(**limits))
        self._greeted: set[Ear] = set()

    def publish(self, *publications: Publication) -> None:
        """Deliver, and let the turn end."""
        for publication in publications:
            self.hub.deliver(publication)
        self.turns.take()

    def listen(
        self,
        ear: Ear,
        *,
        roster: dict[str, Seat] | None = None,
        head: int = 0,
        sphere: str = SPHERE,
        hidden: bool = False,
        attended: bool = True,
    ) -> Ear:
        """Greet, and subscribe from ``head``; by default the three are inside from the start."""
        if ear not in self._greeted:
            self._greeted.add(ear)
            self.hub.greet(ear, hidden=hidden)
        with self.hub.subscribing(sphere, ear) as watch:
            self.hub.check_reading(watch)
            roster = roster or everybody()
            ear.found = self.hub.there(watch, head=head, roster=roster)
            ear.subscriptions[sphere] = None
            self.hub.subscribe(watch, head=head, roster=roster, attended=attended)
        return ear

    def hang_up(self, ear: Ear) -> None:
        """Close a connection."""
        self._greeted.discard(ear)
        self.hub.dismiss(ear, iter(tuple(ear.subscriptions)))
        ear.subscriptions.clear()

    def beat(self, times: int = 1) -> None:
        """Let what is told once in a while be told."""
        for _ in range(times):
            self.later.come()
            while self.turns.waiting:
                self.turns.take()

    @property
    def holds(self) -> int:
        """Return how much the hub remembers of anybody."""
        hub = self.hub
        held = len(hub._rooms) + len(hub._readings) + len(hub._listeners) + len(hub._bots)
        return held + len(hub._beats.restless) + len(hub._appearances)


def everybody() -> dict[str, Seat]:
    """Return a roster: all three inside from the start."""
    return {who.id: Seat(horizon=1) for who in (ANA, BOB, CAROL)}
