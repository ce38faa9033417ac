"""Hall: the readers of one public sphere on one node, apart from the members' room.

The hub's half of the two walls for readers. A hall learns from the events themselves whether the
sphere is public, hands on the few kinds of event that stand in its table, each only with a stamp
that has readers, and tells of an author only what readers were shown of them. The store learns the
same from its tables: the two walls share no fact. Each event is turned into what readers see once,
and encoded once an encoding, however many they are.

Touches no store, and keeps nothing about a reader but the connection. Invariant: when a hall hears
that the sphere is not public any more, nothing that was said is handed to a reader again, not even
what was said before in the same turn of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Protocol

from server import errors
from server.channels.publicity import Opening, author_of, shown
from server.domain.visibility import may_reader_see
from server.protocol.close import Close
from server.protocol.codec import Encoding
from server.protocol.events import (
    BequestWithdrawn,
    ConnectorPosted,
    ManagerEntered,
    ManagerLeft,
    MemberJoined,
    MemberLeft,
    MemberRenamed,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    SphereChanged,
    TimelineEvent,
)
from server.protocol.framing import Parcel
from server.protocol.reader import (
    AuthorRenamed,
    Forgotten,
    PublicEdit,
    PublicSphereRenamed,
    ReaderFrame,
)
from server.protocol.scalars import Audience, Bequest
from storage.timeline import Entry
from storage.veil import SphereVeil, Veil

#: Bytes that are handed on before the turn of the loop ends: a reader's high-water mark.
TURN_BYTES_MAX = 65_536
#: After these, what was read before does not say what is.
_OUTDATING: Final = (
    MemberJoined,
    ManagerEntered,
    MemberLeft,
    ManagerLeft,
    MemberRenamed,
    MessageDeleted,
    MessageEdited,
    BequestWithdrawn,
    SphereChanged,
)


class Reader(Protocol):
    """A reader's connection."""

    encoding: Encoding

    def send(self, parcel: Parcel) -> None:
        """Take a parcel to the socket within its bounds: never blocks, never raises."""
        ...

    def end(self, close: Close) -> None:
        """Close the socket."""
        ...


class Visit:
    """A look at the store for a reader, and whether what it finds may still be shown."""

    __slots__ = ("hall", "outdated", "void")

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.outdated = False  #: something was erased or changed since: look again
        self.void = False  #: the sphere is not public any more


class Hall:
    """The readers of one sphere, and what it must know to tell them of authors."""

    def __init__(self, veil: SphereVeil) -> None:
        self.public = False
        self.readers: dict[Reader, None] = {}
        self.visits: set[Visit] = set()
        self.bytes = 0  #: of what was heard in this turn
        self._veil = veil
        self._name = ""
        self._names: dict[str, str] = {}
        self._seen: set[str] = set()
        self._saying: list[ReaderFrame] = []

    @property
    def empty(self) -> bool:
        """Say whether nobody reads here."""
        return not (self.readers or self.visits)

    @property
    def name(self) -> str:
        """Return the sphere's name."""
        return self._name

    def open(self, opening: Opening) -> None:
        """Begin with what the store knows."""
        if not self.public:
            self.public, self._name, self._names = True, opening.name, dict(opening.names)

    def saw(self, authors: Iterable[str]) -> None:
        """Note whose messages readers are shown: of these alone they are told more."""
        self._seen.update(authors)

    def hear(self, entry: Entry) -> None:
        """Hear an event: what it changes, and what it says to readers."""
        if isinstance(entry.event, _OUTDATING):
            for visit in self.visits:
                visit.outdated = True
        said = self._said(entry)
        self._turn(entry.event)
        if said is not None:
            self._saying.append(said)
            self.bytes += len(entry.content)

    def flush(self) -> None:
        """Hand on what was heard in this turn, encoded once an encoding."""
        frames, self._saying, self.bytes = self._saying, [], 0
        parcels: dict[Encoding, Parcel] = {}
        for reader in tuple(self.readers) if frames else ():
            parcel = parcels.get(reader.encoding)
            if parcel is None:
                encode = reader.encoding.encode
                parcel = Parcel([encode(frame) for frame in frames], reader.encoding.opcode)
                parcels[reader.encoding] = parcel
            reader.send(parcel)

    def shut(self, close: Close = Close.NOT_PUBLIC) -> None:
        """Send everybody away; what was not handed on yet is dropped."""
        self.public = False
        self._saying, self.bytes = [], 0
        for visit in self.visits:
            visit.void = True
        readers, self.readers = self.readers, {}
        for reader in readers:
            reader.end(close)

    def _turn(self, event: TimelineEvent) -> None:
        """Learn who is called what, and whether and as what the sphere is public."""
        if isinstance(event, MemberJoined | ManagerEntered):
            self._names[event.member.member] = event.member.name
        elif isinstance(event, MemberLeft | ManagerLeft):
            self._names.pop(event.member, None)
        elif isinstance(event, MemberRenamed):
            self._names[event.member] = event.name
        elif isinstance(event, SphereChanged):
            self._name = event.name
            self.public = self.public and event.audience is Audience.PUBLIC

    def _said(self, entry: Entry) -> ReaderFrame | None:
        """Return what readers are told of an event: nothing, of most."""
        if not (self.public and may_reader_see(entry.stamp)):
            return None
        tell = self._TOLD.get(type(entry.event))
        return None if tell is None else tell(self, entry.event)

    def _message(self, event: MessagePosted | ConnectorPosted) -> ReaderFrame:
        author = author_of(event)
        self._seen.add(author)
        return shown(self._veil, event, self._names.get(author))

    def _edit(self, event: MessageEdited) -> ReaderFrame:
        message = self._veil.message(event.message)
        return PublicEdit(message=message, body=event.body, edited_at=event.at)

    def _deletion(self, event: MessageDeleted) -> ReaderFrame:
        return Forgotten(message=self._veil.message(event.message))

    def _departure(self, event: MemberLeft | ManagerLeft) -> ReaderFrame | None:
        return None if event.kept is Bequest.NAMED else self._forgotten(event.member)

    def _withdrawal(self, event: BequestWithdrawn) -> ReaderFrame | None:
        return self._forgotten(event.author)

    def _forgotten(self, author: str) -> ReaderFrame | None:
        """Return the news that an author's words are gone, to whoever was shown some."""
        if author not in self._seen:
            return None
        self._seen.discard(author)
        return Forgotten(author=self._veil.author(author))

    def _renamed(self, event: MemberRenamed) -> ReaderFrame | None:
        if event.member not in self._seen:
            return None
        return AuthorRenamed(author=self._veil.author(event.member), name=event.name)

    def _changed(self, event: SphereChanged) -> ReaderFrame | None:
        return None if event.name == self._name else PublicSphereRenamed(name=event.name)

    #: Whatever is not here is not for readers.
    _TOLD: ClassVar[Mapping[type[TimelineEvent], Callable[[Hall, Any], ReaderFrame | None]]] = {
        MessagePosted: _message,
        ConnectorPosted: _message,
        MessageEdited: _edit,
        MessageDeleted: _deletion,
        MemberLeft: _departure,
        ManagerLeft: _departure,
        BequestWithdrawn: _withdrawal,
        MemberRenamed: _renamed,
        SphereChanged: _changed,
    }


class Halls:
    """Every hall of a node: there is one where somebody reads."""

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], object],
        veil: Veil,
        *,
        readers_per_sphere_max: int,
        emptied: Callable[[str], None],
    ) -> None:
        self.veil = veil
        self._call_soon = call_soon
        self._readers_max = readers_per_sphere_max
        self._emptied = emptied
        self._halls: dict[str, Hall] = {}
        self._talking: list[Hall] = []

    def __bool__(self) -> bool:
        """Say whether anybody reads on this node."""
        return bool(self._halls)

    def __iter__(self) -> Iterator[str]:
        """Return the spheres that somebody reads."""
        return iter(tuple(self._halls))

    def __contains__(self, sphere: str) -> bool:
        """Say whether anybody reads a sphere on this node."""
        return sphere in self._halls

    @contextmanager
    def visiting(self, sphere: str) -> Iterator[Visit]:
        """Watch a look at the store; check ``visit`` before showing what it found."""
        hall = self._halls.get(sphere)
        if hall is None:
            hall = self._halls[sphere] = Hall(self.veil.over(sphere))
        visit = Visit(hall)
        hall.visits.add(visit)
        try:
            yield visit
        finally:
            hall.visits.discard(visit)
            self._close_if_empty(sphere, hall)

    def admit(self, visit: Visit, reader: Reader, opening: Opening) -> str:
        """Let a reader hear what is said from now on; return the sphere's name.

        Raises NotFound when the sphere is not public any more, Busy when the hall is full.
        """
        hall = visit.hall
        if visit.void:
            raise errors.NotFound
        if len(hall.readers) >= self._readers_max:
            raise errors.Busy("Too many read here: come back later.", retry_after_ms=5_000)
        hall.flush()
        hall.open(opening)
        hall.readers[reader] = None
        return hall.name

    def check_visit(self, visit: Visit, reader: Reader) -> None:
        """Raise NotFound unless the sphere is public and this reader is in its hall."""
        if visit.void or not visit.hall.public or reader not in visit.hall.readers:
            raise errors.NotFound

    def leave(self, sphere: str, reader: Reader) -> None:
        """Forget a reader who is gone."""
        hall = self._halls.get(sphere)
        if hall is not None:
            hall.readers.pop(reader, None)
            self._close_if_empty(sphere, hall)

    def hear(self, entry: Entry) -> None:
        """Hear an event, in the order in which the members' rooms do."""
        hall = self._halls.get(entry.event.timeline)
        if hall is None:
            return
        was_public, was_silent = hall.public, not hall.bytes
        hall.hear(entry)
        if was_public and not hall.public:
            self.shut(entry.event.timeline)
        elif hall.bytes > TURN_BYTES_MAX:
            hall.flush()
        elif hall.bytes and was_silent:
            if not self._talking:
                self._call_soon(self.flush)
            self._talking.append(hall)

    def shut(self, sphere: str) -> None:
        """Close the hall of a sphere that is not public any more, or is no more."""
        hall = self._halls.pop(sphere, None)
        if hall is not None:
            hall.shut()
            self._emptied(sphere)

    def fall_silent(self) -> None:
        """Show nothing more to whoever reads here: they come back."""
        halls, self._halls = self._halls, {}
        self._talking.clear()
        for hall in halls.values():
            hall.shut(Close.CUT_OFF)

    def flush(self) -> None:
        """Hand on whatever was said in this turn."""
        talking, self._talking = self._talking, []
        for hall in talking:
            hall.flush()

    def _close_if_empty(self, sphere: str, hall: Hall) -> None:
        if hall.empty and self._halls.get(sphere) is hall:
            del self._halls[sphere]
            self._emptied(sphere)
