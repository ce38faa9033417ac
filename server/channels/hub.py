"""Hub: who on this node hears what.

Holds, for each sphere that somebody here listens to, the subscribers and, apart from them, the
roster: who is inside and since which seq. A frame is handed to a socket only where both agree. The
subscribers come and go by the gateway's calls and the departures, the roster by the events
themselves: the two walls share no fact. What one sphere says in one turn of the loop leaves
together, encoded once an encoding. Signals, which say what is true for a moment, pass the same
walls; who is there is who subscribes.

Touches no store and no clock. Invariant: when ``deliver`` has handled a departure, nothing of that
sphere is handed to that member again, whatever was queued.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from math import ceil
from typing import TypeVar

from server import errors
from server.channels.appearances import Appearances
from server.channels.beats import Beats, Later
from server.channels.hall import Halls
from server.channels.listening import Bot, HubLimits, Listener, Timelines
from server.channels.outcome import Departed, Hidden, Mention, Publication, RollCall
from server.channels.passages import Passages
from server.channels.readings import Readings
from server.channels.room import Reading, Room, Surroundings
from server.channels.typists import Typists
from server.domain.facts import Seat
from server.protocol.close import Close
from server.protocol.events import (
    BequestWithdrawn,
    ManagerLeft,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    Notice,
    PrivateEdited,
    ReactionRemoved,
    SphereForgotten,
    ThreadForgotten,
)
from server.protocol.scalars import MemberRole
from server.protocol.signals import Signal, Typing
from server.tallies import Tallies
from storage.timeline import Entry
from storage.veil import Veil

T = TypeVar("T")

#: Bytes of one sphere's events that are handed on before the turn of the loop ends: a reader's
#: high-water mark, so that one turn fills no outbox.
TURN_BYTES_MAX = 65_536
#: For a reading that spans all spheres of a member.
EVERY_SPHERE = ""
#: Events after which something that was read before is erased.
ERASURES = frozenset(
    {
        MemberLeft,
        ManagerLeft,
        BequestWithdrawn,
        MessageEdited,
        PrivateEdited,
        MessageDeleted,
        ReactionRemoved,
    }
)
#: Those after which files are erased too.
TAKING_FILES = frozenset({MemberLeft, ManagerLeft, BequestWithdrawn, MessageDeleted})


class Hub:
    """Takes what was published to the connections of this node."""

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
        *,
        call_later: Later | None = None,
        limits: HubLimits | None = None,
        veil: Veil | None = None,
        readers_per_sphere_max: int = 2_000,
        tallies: Tallies | None = None,
        timelines: Timelines | None = None,
    ) -> None:
        self._tallies = tallies or Tallies()
        self._timelines = timelines  #: None: whatever is said is said here
        self._call_soon = call_soon
        self._limits = limits = limits or HubLimits()
        self._appearances = Appearances()
        self._beats = Beats(
            self._tell, every_s=limits.presence_every_s, soon=self._soon, later=call_later
        )
        #: One more, since the next beat may come at once.
        self._grace = ceil(limits.presence_grace_s / limits.presence_every_s) + 1
        self.halls = Halls(
            self._after_members,
            veil or Veil(secrets.token_bytes(32)),
            readers_per_sphere_max=readers_per_sphere_max,
            emptied=self._let_go,
        )
        self.passages = Passages()
        self._elsewhere: dict[bytes, set[str]] = {}  #: who is seen on each other node
        self._rooms: dict[str, Room] = {}
        self._readings = Readings()
        self._listeners: dict[str, list[Listener]] = {}
        self._bots: dict[str, list[Bot]] = {}
        self._talking: list[Room] = []

    # -- who is here

    def greet(self, listener: Listener, *, hidden: bool) -> None:
        """Let a connection hear what concerns its member, who may wish not to be seen."""
        self._appearances.greet(listener.member.id, hidden=hidden)
        listeners = self._listeners.setdefault(listener.member.id, [])
        listeners.append(listener)
        if len(listeners) == 1 and not self.is_hidden(listener.member.id):
            self._call(listener.member.id, seen=True)

    def dismiss(self, listener: Listener, spheres: Iterator[str]) -> None:
        """Forget a connection that is gone, with its subscriptions."""
        for sphere in spheres:
            self.unsubscribe(sphere, listener)
        _discard(self._listeners, listener.member.id, listener)
        if listener.member.id not in self._listeners:
            self._appearances.forget(listener.member.id)
            self._call(listener.member.id, seen=False)

    def is_hidden(self, member: str) -> bool:
        """Say whether somebody who is connected wishes not to be seen."""
        return self._appearances.is_hidden(member)

    def is_seen(self, member: str) -> bool:
        """Say whether a member is connected, and does not mind being seen."""
        here = member in self._listeners
        return (here or self._is_elsewhere(member)) and not self.is_hidden(member)

    def _is_elsewhere(self, member: str) -> bool:
        return any(member in there for there in self._elsewhere.values())

    def plug(self, connector: str, bot: Bot) -> None:
        """Let a bot's connection hear that its connector died."""
        self._bots.setdefault(connector, []).append(bot)

    def unplug(self, connector: str, bot: Bot) -> None:
        """Forget a bot's connection."""
        _discard(self._bots, connector, bot)

    def fall_silent(self) -> None:
        """Hand nothing more to anybody who is here, and send them away: they come back."""
        self._readings.void_all()
        listened = {*self._rooms, *self.halls}
        self._rooms.clear()
        self._talking.clear()
        self.halls.fall_silent()
        for timeline in listened:
            self._let_go(timeline)
        self.passages.cut_all()
        for bots in tuple(self._bots.values()):
            for bot in tuple(bots):
                bot.end(Close.CUT_OFF)

    @property
    def connectors(self) -> list[str]:
        """Return the connectors whose bots are connected."""
        return list(self._bots)

    # -- the first wall: reading and subscribing

    async def follow(self, timeline: str) -> None:
        """Hear what other nodes say of a timeline, from before the store is read. Raises Busy."""
        if self._timelines is not None:
            await self._timelines.follow(timeline)

    def _let_go(self, timeline: str) -> None:
        """Follow a timeline no more, when nobody here listens to it."""
        if (
            self._timelines is not None
            and timeline not in self._rooms
            and timeline not in self.halls
        ):
            self._timelines.unfollow(timeline)

    def reading(self, sphere: str, listener: Listener) -> AbstractContextManager[Reading]:
        """Watch a read of a sphere's content; check ``reading`` before handing it over."""
        return self._readings.watching(sphere, listener)

    def check_known(self, sphere: str, member: str) -> None:
        """Raise NotFound for whom the roster of a sphere, or a thread, does not know."""
        room = self._rooms.get(sphere)
        if room is not None and not room.knows(member):
            raise errors.NotFound

    def check_reading(self, reading: Reading) -> None:
        """Raise NotFound when the reader has left since, or the roster does not know them.

        Raises Busy when more happened since the read began than could be kept.
        """
        if reading.void:
            raise errors.NotFound
        self.check_known(reading.sphere, reading.subscriber.member.id)
        if reading.overrun:
            raise errors.Busy(retry_after_ms=1_000)

    @contextmanager
    def subscribing(self, sphere: str, listener: Listener) -> Iterator[Reading]:
        """Watch a read that a subscription begins with: events that come meanwhile are kept."""
        room = self._rooms.get(sphere)
        if room is None:
            room = self._rooms[sphere] = Room(self._surroundings(sphere))
        with self.reading(sphere, listener) as reading:
            room.expect(reading)
            try:
                yield reading
            finally:
                room.expected.discard(reading)
                self._close_if_empty(sphere, room)

    def subscribe(
        self,
        reading: Reading,
        *,
        head: int,
        roster: Mapping[str, Seat],
        attended: bool = True,
    ) -> None:
        """Go on from ``head``: the reply has been handed to the socket just now.

        Where the timeline is not ``attended`` (a private thread), nobody is told who is there.
        """
        self.check_reading(reading)
        self._rooms[reading.sphere].admit(reading, head=head, roster=roster, attended=attended)

    def there(self, reading: Reading, *, head: int, roster: Mapping[str, Seat]) -> list[str]:
        """Return who is seen to be there, for a reader who goes on from ``head`` in this turn."""
        return self._rooms[reading.sphere].seen(head=head, roster=roster)

    def is_crowd(self, roster: Mapping[str, Seat]) -> bool:
        """Say whether these are too many for each to be told of what the others do."""
        return len(roster) > self._limits.presence_members_max

    def unsubscribe(self, sphere: str, listener: Listener) -> None:
        """Hand the sphere's frames to this connection no more."""
        room = self._rooms.get(sphere)
        if room is not None:
            room.flush()
            room.drop(listener, self._beats.count + self._grace)
            self._close_if_empty(sphere, room)

    def congestion_changed(self, spheres: Iterator[str]) -> None:
        """Let these spheres sort their readers anew before they next speak."""
        for sphere in spheres:
            if (room := self._rooms.get(sphere)) is not None:
                room.stale = True

    # -- what is true for a moment

    def signal(
        self,
        timeline: str,
        signal: Signal,
        *,
        about: int | None = None,
        sender: str | None = None,
    ) -> None:
        """Tell the subscribers of a timeline, but ``sender``, something that nobody stores.

        What is ``about`` a seq is not for those whose horizon is above it.
        """
        room = self._rooms.get(timeline)
        if room is not None:
            room.signal(signal, about=about, sender=sender)

    def type(self, timeline: str, typing: Typing, now: int) -> None:
        """Tell the others that a member types, unless they were told just now."""
        room = self._rooms.get(timeline)
        if room is not None and room.may_type(typing.member, now):
            room.signal(typing, sender=typing.member)
            if self._timelines is not None:
                self._timelines.mention(Mention(timeline=timeline, typing=typing))

    def _mentioned(self, mention: Mention) -> None:
        """Take what another node says is true for a moment."""
        room = self._rooms.get(mention.timeline)
        if room is None:
            return
        if mention.typing is not None and room.knows(mention.typing.member):
            room.signal(mention.typing, sender=mention.typing.member)
        if mention.there is not None:
            room.elsewhere(mention.node, mention.there, self._beats.count + self._grace)
        if mention.asked:
            room.asked()

    def _called(self, roll: RollCall) -> None:
        """Take who is seen on another node; say who is seen here, when that is asked."""
        if roll.whole:
            self._elsewhere[roll.node] = set()
        for member, seen in roll.here:
            there = self._elsewhere.setdefault(roll.node, set())
            if seen:
                there.add(member)
            else:
                there.discard(member)
        if roll.asked and self._timelines is not None:
            here = tuple((one, True) for one in self._listeners if not self.is_hidden(one))
            self._timelines.call(RollCall(here=here, whole=True))

    def _call(self, member: str, *, seen: bool) -> None:
        if self._timelines is not None:
            self._timelines.call(RollCall(here=((member, seen),)))

    def _silent(self, node: bytes) -> None:
        self._elsewhere.pop(node, None)
        for room in self._rooms.values():
            room.elsewhere(node, (), self._beats.count + self._grace)

    def _tell(self, sphere: str) -> int:
        """Tell the listeners of a sphere who came and went; return how many writes that took."""
        room = self._rooms.get(sphere)
        return 0 if room is None else room.tell(self._beats.count)

    def _appear(self, member: str, *, visible: bool) -> None:
        listeners = self._listeners.get(member, ())
        self._appearances.change(member, hidden=not visible, connected=bool(listeners))
        if listeners:
            self._call(member, seen=visible)
        # The restless too: there the member may be seen although their device is gone.
        heard = [one for listener in listeners for one in listener.subscriptions]
        # Their device may be on another node.
        others = () if self._timelines is None else tuple(self._rooms)
        for timeline in (*heard, *self._beats.restless, *others):
            if (room := self._rooms.get(timeline)) is not None:
                room.look_at(member)

    def _surroundings(self, sphere: str) -> Surroundings:
        limits = self._limits
        return Surroundings(
            sphere=sphere,
            crowd=limits.presence_members_max,
            is_hidden=self.is_hidden,
            stir=partial(self._beats.stir, sphere),
            typists=Typists(
                every_ms=int(limits.typing_every_s * 1_000), per_second=limits.typings_per_second
            ),
            announce=None if self._timelines is None else partial(self._announce, sphere),
            tallies=self._tallies,
        )

    def _announce(self, timeline: str, seen: frozenset[str]) -> None:
        assert self._timelines is not None
        self._timelines.mention(Mention(timeline=timeline, there=tuple(seen)))

    # -- what was published

    @property
    def deliveries(self) -> list[Callable[[Publication], None]]:
        """Return what must hear the broker, in order."""
        return [self.deliver] if self._timelines is None else [self._hear_nodes, self.deliver]

    def _hear_nodes(self, publication: Publication) -> None:
        """Apply what only several nodes have to say to each other."""
        for departed in publication.departed:
            self._expel(departed)
        for mention in publication.mentions:
            self._mentioned(mention)
        for node in publication.silent:
            self._silent(node)
        for roll in publication.calls:
            self._called(roll)

    def deliver(self, publication: Publication) -> None:
        """Apply a publication: control first, then content, then what concerns one member."""
        for sphere, member in publication.departures:
            self._depart(sphere, member)
        for sphere in publication.dissolved:
            self.halls.shut(sphere)
        for member, visible in publication.appearances:
            self._appear(member, visible=visible)
        for connector in publication.revoked:
            for bot in tuple(self._bots.get(connector, ())):
                bot.end(Close.CONNECTOR_REVOKED)
        for entry in publication.entries:
            self._speak(entry)
        if publication.notices:
            self.flush()  # a manager's own devices hear of the entry after everybody else
        for read, about in publication.reads:
            self.signal(read.thread or read.sphere, read, about=about)
        self._tell_members(publication)

    def _tell_members(self, publication: Publication) -> None:
        for member, notice in publication.notices:
            self._notify(member, notice)
        for hidden in publication.hidden:
            self._hide(hidden)

    def flush(self) -> None:
        """Hand on whatever the spheres said in this turn."""
        talking, self._talking = self._talking, []
        for room in talking:
            room.flush()

    def _depart(self, sphere: str, member: str) -> None:
        self._readings.void(sphere, member)
        self.passages.cut(sphere, member)
        self._readings.outdate(EVERY_SPHERE, member)
        room = self._rooms.get(sphere)
        if room is not None:
            room.flush()
        for listener in tuple(self._listeners.get(member, ())):
            if room is not None:
                room.drop(listener, self._beats.count + self._grace)
            listener.forget(sphere)
        if room is not None:
            self._close_if_empty(sphere, room)

    def _expel(self, departed: Departed) -> None:
        """Let out whoever is found to have left, but who came back and subscribed since."""
        timeline = departed.timeline
        self._readings.void(timeline, departed.member)
        if departed.member is not None:
            self.passages.cut(timeline, departed.member)
        room = self._rooms.get(timeline)
        if room is None:
            return
        room.flush()
        for listener in self._listeners_of(departed.member):
            if room.began_below(listener, departed.seq):
                room.drop(listener, self._beats.count + self._grace)
                listener.forget(timeline)
                listener.notify(_forgotten(departed))
        self._close_if_empty(timeline, room)

    def _listeners_of(self, member: str | None) -> list[Listener]:
        if member is not None:
            return list(self._listeners.get(member, ()))
        return [one for listeners in self._listeners.values() for one in listeners]

    def _speak(self, entry: Entry) -> None:
        if self.halls:
            self.halls.hear(entry)
        if type(entry.event) in ERASURES:
            self._readings.outdate(entry.event.timeline)  # it may hold what is erased by now
            if type(entry.event) in TAKING_FILES:
                self.passages.outdate(entry.event.timeline)
        room = self._rooms.get(entry.event.timeline)
        if room is None:
            return
        room.say(entry)
        if room.turn_bytes > TURN_BYTES_MAX:
            room.flush()
        elif len(room.saying) == 1:
            if not self._talking:
                self._soon(self.flush)
            self._talking.append(room)

    def _soon(self, act: Callable[[], None]) -> None:
        call_soon = self._call_soon or asyncio.get_running_loop().call_soon
        call_soon(act)

    def _after_members(self, act: Callable[[], None]) -> None:
        """Have ``act`` run when this turn ends, once the members were handed what was said."""

        def last() -> None:
            self.flush()
            act()

        self._soon(last)

    def _hide(self, hidden: Hidden) -> None:
        notice = SphereForgotten(sphere=hidden.sphere)
        for member, listeners in tuple(self._listeners.items()):
            for listener in tuple(listeners):
                who = listener.member
                if (
                    who.organisation == hidden.organisation
                    and who.role is not MemberRole.VISITOR
                    and member not in hidden.inside
                ):
                    self._notify(member, notice)
                    break

    def _notify(self, member: str, notice: Notice) -> None:
        """Tell a member; what they were about to be told of all their spheres is out of date."""
        self._readings.outdate(EVERY_SPHERE, member)
        for listener in tuple(self._listeners.get(member, ())):
            listener.notify(notice)

    def _close_if_empty(self, sphere: str, room: Room) -> None:
        if room.empty and self._rooms.get(sphere) is room:
            del self._rooms[sphere]
            room.close()
            self._beats.still(sphere)
            self._let_go(sphere)


def _forgotten(departed: Departed) -> Notice:
    if departed.thread is not None:
        return ThreadForgotten(sphere=departed.sphere, thread=departed.thread)
    return SphereForgotten(sphere=departed.sphere)


def _discard(index: dict[str, list[T]], key: str, one: T) -> None:
    kept = index.get(key, [])
    if one in kept:
        kept.remove(one)
        if not kept:
            del index[key]
