"""Room: one sphere as one node hears it. The hub's half of the two walls, for one timeline.

A *reading* is a look at the store under way; the events that come meanwhile are kept for it. A
subscriber is *waiting* until the node has heard as much as its snapshot held, then *present*.
Invariant: a present subscriber is handed an event only where the roster, fed by the events
themselves, knows its member and the event is not below that stay's horizon. A signal reaches whom
the roster knows, and names nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from server.channels.attendance import Attendance
from server.channels.typists import Typists
from server.domain.audience import may_be_signalled, may_hear
from server.domain.facts import Member, Seat
from server.domain.presence import is_shown
from server.protocol.codec import MSGPACK, Encoding
from server.protocol.events import (
    ManagerEntered,
    ManagerLeft,
    MemberJoined,
    MemberLeft,
    ThreadStarted,
)
from server.protocol.framing import Parcel
from server.protocol.signals import Presence, Signal
from server.tallies import Tallies
from storage.timeline import Entry

#: Events kept for one reading; beyond, the subscription is refused as busy.
KEPT_ENTRIES_MAX = 10_000


class Subscriber(Protocol):
    """A connection that hears a sphere."""

    member: Member
    encoding: Encoding

    @property
    def congested(self) -> bool:
        """Say whether the reader is behind."""
        ...

    @property
    def raw_write(self) -> Callable[[bytes], object] | None:
        """Return the socket's own write while it may be used as it is; None when it may not."""
        ...

    def send(self, parcel: Parcel) -> None:
        """Take a parcel to the socket within its bounds: never blocks, never raises."""
        ...


class Reading:
    """A look at the store under way, and what happened since it began."""

    __slots__ = ("kept", "lasting", "outdated", "overrun", "sphere", "subscriber", "void")

    def __init__(self, sphere: str, subscriber: Subscriber) -> None:
        self.sphere = sphere
        self.subscriber = subscriber
        self.kept: list[Entry] = []
        self.lasting: list[tuple[Signal, int | None]] = []
        self.overrun = False
        self.outdated = False  #: something of it was erased or changed since: read it again
        self.void = False  #: the reader is out: what was read may not be handed over

    def keep(self, entry: Entry) -> None:
        """Keep an event that may be missing from what is being read."""
        if len(self.kept) < KEPT_ENTRIES_MAX:
            self.kept.append(entry)
        else:
            self.overrun = True

    def keep_signal(self, signal: Signal, about: int | None) -> None:
        """Keep a signal that changes what is being read."""
        if len(self.lasting) < KEPT_ENTRIES_MAX:
            self.lasting.append((signal, about))
        else:
            self.overrun = True


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a room asks of the node that it is on."""

    sphere: str
    crowd: int  #: members beyond which nobody is seen to be there
    is_hidden: Callable[[str], bool]
    stir: Callable[[], None]  #: has ``tell`` called at the next beat
    typists: Typists
    #: Tells the other nodes who is seen here; None where there are none.
    announce: Callable[[frozenset[str]], None] | None = None
    tallies: Tallies


class Room:
    """The subscribers of one sphere on this node, and who is inside."""

    __slots__ = (
        "_announced",
        "_around",
        "_attendance",
        "_attended",
        "_cold",
        "_crowded",
        "_elsewhere",
        "_hot",
        "_latest",
        "_present",
        "_roster",
        "_waiting",
        "expected",
        "head",
        "saying",
        "stale",
        "turn_bytes",
    )

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._attendance = Attendance()
        self._attended = False
        self._crowded = False
        self._announced: frozenset[str] | None = None  #: as the other nodes know it
        self._elsewhere: dict[bytes, frozenset[str]] = {}  #: who is seen on each other node
        self.head = 0  #: the last seq heard
        self.saying: list[Entry] = []  #: heard in this turn, not yet handed on
        self.turn_bytes = 0
        self.stale = False  #: the readers must be sorted anew
        self.expected: set[Reading] = set()
        self._roster: dict[str, Seat] | None = None
        self._latest = 0  #: no horizon is above it
        self._waiting: dict[Subscriber, int] = {}
        self._present: dict[Subscriber, None] = {}
        self._hot: dict[Encoding, list[Callable[[bytes], object]]] = {}
        self._cold: dict[Encoding, list[Subscriber]] = {}

    @property
    def empty(self) -> bool:
        """Say whether nobody listens."""
        return not (self._present or self._waiting or self.expected)

    def knows(self, member: str) -> bool:
        """Say whether a member is inside, as far as this node has heard."""
        return self._roster is None or member in self._roster

    def expect(self, reading: Reading) -> None:
        """Keep events for a reading from now on."""
        self.expected.add(reading)

    def admit(
        self, reading: Reading, *, head: int, roster: Mapping[str, Seat], attended: bool
    ) -> None:
        """Let a reader hear everything above ``head``, the end of what they read."""
        missed = [entry for entry in reading.kept if entry.event.seq > head]
        if self._roster is None:
            self._roster = dict(roster)
            self._latest = max((seat.horizon for seat in roster.values()), default=0)
            self._crowded = len(self._roster) > self._around.crowd
            for entry in missed:
                self._turn(entry)
            for member in frozenset().union(*self._elsewhere.values()):
                self.look_at(member)
        self._hand(reading.subscriber, [self._veil(reading.subscriber, one) for one in missed])
        for signal, about in () if self._crowded else reading.lasting:
            self._spread(signal, (reading.subscriber,), about)
        self._waiting[reading.subscriber] = head
        if attended:
            self._attended = True
            self._attendance.arrive(reading.subscriber.member.id)
            self.look_at(reading.subscriber.member.id)
            self._stir_others()
        self._promote()

    def drop(self, subscriber: Subscriber, gone_at: int) -> None:
        """Hand nothing more to a subscriber, who is taken to be gone at the beat ``gone_at``."""
        if subscriber in self._present:
            del self._present[subscriber]
            self.stale = True
        elif self._waiting.pop(subscriber, None) is None:
            return
        self._attendance.depart(subscriber.member.id, gone_at)
        self._stir()
        self._stir_others()

    def began_below(self, subscriber: Subscriber, seq: int) -> bool:
        """Say whether a subscriber's snapshot is not known to hold ``seq``."""
        return subscriber in self._present or self._waiting.get(subscriber, seq) < seq

    def say(self, entry: Entry) -> None:
        """Hear an event: turn the roster, and keep it to be handed on."""
        for reading in self.expected:
            reading.keep(entry)
        if self._waiting:
            self._promote(entry.event.seq)
        self._turn(entry)
        self.head = entry.event.seq
        if entry.about is not None and entry.about.seq < self._latest:
            self._whisper(entry)
            return
        self.saying.append(entry)
        self.turn_bytes += len(entry.content)

    def flush(self) -> None:
        """Hand on what was heard in this turn, encoded once an encoding."""
        if not self.saying:
            return
        entries, self.saying, self.turn_bytes = self.saying, [], 0
        if self.stale:
            self._sort()
        for encoding, writes in self._hot.items():
            blob = _parcel(encoding, entries).blob
            for write in writes:
                write(blob)
            self._around.tallies.deliveries += len(writes) * len(entries)
        for encoding, subscribers in self._cold.items():
            parcel = _parcel(encoding, entries)
            for subscriber in subscribers:
                subscriber.send(parcel)
            self._around.tallies.deliveries += len(subscribers) * len(entries)

    # -- what is true for a moment

    def seen(self, *, head: int, roster: Mapping[str, Seat]) -> list[str]:
        """Return who is seen to be there, for a reader whose snapshot says who is inside.

        Who left, or came back, before that snapshot and is not heard of here yet is left out.
        """
        mine = self._roster or {}
        return [
            member
            for member in self._attendance.seen()
            if (seat := mine[member]).horizon > head or roster.get(member) == seat
        ]

    def look_at(self, member: str) -> None:
        """See anew whether it shows that a member is there."""
        shown = not self._crowded and member in self._attendance and self._is_shown(member)
        self._attendance.show(member, shown=shown)
        self._stir()

    def tell(self, beat: int) -> int:
        """Tell who came and who went; return how many were told."""
        self._announce()
        self._attendance.lapse(beat)
        came, went = self._attendance.news()
        self._stir()
        if not came and not went:
            return 0
        self.signal(Presence(sphere=self._around.sphere, came=came, went=went))
        return len(self._present) + len(self._waiting)

    # -- who listens on other nodes

    def elsewhere(self, node: bytes, there: Iterable[str], gone_at: int) -> None:
        """Take it that these, and no others, are seen to listen on another node."""
        before, after = self._elsewhere.get(node, frozenset()), frozenset(there)
        if after:
            self._elsewhere[node] = after
        else:
            self._elsewhere.pop(node, None)
        for member in after - before:
            self._attendance.arrive(member)
            self.look_at(member)
        for member in before - after:
            self._attendance.depart(member, gone_at)
        self._stir()

    def asked(self) -> None:
        """Tell the other nodes at the next beat who is seen here."""
        self._announced = None
        self._stir_others()

    def close(self) -> None:
        """Tell the other nodes that nobody is here any more."""
        if self._announced and self._around.announce is not None:
            self._around.announce(frozenset())

    def _announce(self) -> None:
        if self._around.announce is None:
            return
        seen = frozenset(
            subscriber.member.id
            for subscriber in (*self._present, *self._waiting)
            if self._attended and not self._crowded and self._is_shown(subscriber.member.id)
        )
        if seen != self._announced and (seen or self._announced):
            self._around.announce(seen)
        self._announced = seen

    def _stir_others(self) -> None:
        if self._around.announce is not None:
            self._around.stir()

    def _is_shown(self, member: str) -> bool:
        seat = (self._roster or {}).get(member)
        return seat is not None and is_shown(
            hidden=self._around.is_hidden(member), entered=seat.entered
        )

    def may_type(self, member: str, now: int) -> bool:
        """Say whether to tell the others now that a member types."""
        return self.knows(member) and self._around.typists.may(member, now)

    def signal(
        self, signal: Signal, *, about: int | None = None, sender: str | None = None
    ) -> None:
        """Hand on what is true for a moment, after what was said before it."""
        self.flush()
        if signal.lasting:
            if self._crowded:
                return
            for reading in self.expected:
                reading.keep_signal(signal, about)
        self._spread(signal, (*self._present, *self._waiting), about, sender)

    def _spread(
        self,
        signal: Signal,
        subscribers: Iterable[Subscriber],
        about: int | None = None,
        sender: str | None = None,
    ) -> None:
        roster = self._roster or {}
        parcels: dict[Encoding, Parcel] = {}
        for one in subscribers:
            member, encoding = one.member.id, one.encoding
            if member == sender or not may_be_signalled(roster, member, about):
                continue
            if signal.fleeting and one.congested:
                continue
            parcel = parcels.get(encoding)
            if parcel is None:
                parcel = parcels[encoding] = Parcel([encoding.encode(signal)], encoding.opcode)
            one.send(parcel)

    def _stir(self) -> None:
        if self._attendance.restless:
            self._around.stir()

    def _forget(self, member: str) -> None:
        """Know nothing more of a member who is out: with ``member_left``, everybody does so."""
        self._around.typists.forget(member)
        for node, there in tuple(self._elsewhere.items()):
            self._elsewhere[node] = there - {member}
        if self._attendance.forget(member):
            # Whose snapshot is later than the departure does not hear of it.
            gone = Presence(sphere=self._around.sphere, went=[member])
            self._spread(gone, tuple(self._waiting))

    def _count(self) -> None:
        """Let nobody be seen where there are too many to be told."""
        crowded = len(self._roster or {}) > self._around.crowd
        if crowded is not self._crowded:
            self._crowded = crowded
            for member in self._attendance.everybody():
                self.look_at(member)

    def _promote(self, coming: int = 0) -> None:
        """Make present whoever waited for what this node has now heard."""
        heard = max(self.head, coming - 1)
        ready = [subscriber for subscriber, floor in self._waiting.items() if floor <= heard]
        if ready:
            self.flush()
        for subscriber in ready:
            del self._waiting[subscriber]
            self._present[subscriber] = None
            self.stale = True

    def _turn(self, entry: Entry) -> None:
        """Turn the roster by what happened."""
        event = entry.event
        if self._roster is None:
            return
        if isinstance(event, MemberJoined | ManagerEntered):
            entered = isinstance(event, ManagerEntered)
            self._roster[event.member.member] = Seat(horizon=event.seq, entered=entered)
            self._latest = event.seq
            self.stale = True
            self._count()
            if self._elsewhere:
                self.look_at(event.member.member)
        elif isinstance(event, ThreadStarted):
            self._roster = {one: Seat(horizon=event.seq) for one in event.members}
            self._latest = event.seq
            self.stale = True
        elif isinstance(event, MemberLeft | ManagerLeft):
            self.flush()
            self._roster.pop(event.member, None)
            self.stale = True
            self._forget(event.member)
            self._count()

    def _whisper(self, entry: Entry) -> None:
        """Hand on an event about earlier ones that not everybody may see: to each their own.

        There are two of it, encoded once an encoding each.
        """
        self.flush()
        parcels: dict[tuple[Encoding, bool], Parcel] = {}
        veiled = entry.veiled()
        for subscriber in tuple(self._present):
            if not self._may_hear(subscriber, entry.event.seq):
                continue
            form = subscriber.encoding, self._is_for(subscriber, entry)
            if form not in parcels:
                parcels[form] = _parcel(subscriber.encoding, [entry if form[1] else veiled])
            subscriber.send(parcels[form])

    def _veil(self, subscriber: Subscriber, entry: Entry) -> Entry:
        """Return an event, or what stands in its place for who may see none of what it is about."""
        return entry if self._is_for(subscriber, entry) else entry.veiled()

    def _is_for(self, subscriber: Subscriber, entry: Entry) -> bool:
        seat = (self._roster or {}).get(subscriber.member.id)
        return seat is not None and entry.is_for(seat)

    def _hand(self, subscriber: Subscriber, entries: list[Entry]) -> None:
        heard = [entry for entry in entries if self._may_hear(subscriber, entry.event.seq)]
        if heard:
            subscriber.send(_parcel(subscriber.encoding, heard))
            self._around.tallies.deliveries += len(heard)

    def _may_hear(self, subscriber: Subscriber, seq: int) -> bool:
        return self._roster is not None and may_hear(self._roster, subscriber.member.id, seq)

    def _sort(self) -> None:
        """Sort the readers by the way to their sockets; whom the roster does not know has none."""
        self.stale = False
        self._hot = {}
        self._cold = {}
        for subscriber in self._present:
            if not self._may_hear(subscriber, self.head):
                continue
            write = subscriber.raw_write
            if write is not None:
                self._hot.setdefault(subscriber.encoding, []).append(write)
            else:
                self._cold.setdefault(subscriber.encoding, []).append(subscriber)


def _parcel(encoding: Encoding, entries: list[Entry]) -> Parcel:
    if encoding is MSGPACK:
        return Parcel([entry.content for entry in entries], encoding.opcode)
    return Parcel([encoding.encode(entry.event) for entry in entries], encoding.opcode)
