"""The broker of several nodes: what is committed here reaches the others through Redis.

Redis keeps nothing and is asked nothing: it carries. Departures and revocations travel numbered on
a channel of their own, before content, and are sent again after a line broke; content may be lost,
and is found in the store. Decides when this node is deaf (``pulse``), and then delivers nothing
until it has heard itself again and compared what it holds with the store. Invariant: what is
published here is applied here before ``publish`` returns, but for events that must wait for an
earlier one of another node; and no node's departure waits behind anybody's content.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import msgspec
import structlog

from server import errors
from server.channels.following import Following
from server.channels.hearing import Hearing
from server.channels.node_messages import (
    NODE_BYTES,
    Asked,
    Beat,
    Carried,
    Confirmed,
    Control,
    Counted,
    Farewell,
    Message,
    Said,
    carried,
    control_of,
    decode,
    encode,
    entry_of,
    is_control,
    published,
    sender,
)
from server.channels.outcome import Mention, Publication, RollCall, Spent
from server.channels.pulse import Heard, Pulse
from server.channels.redis_line import RedisLine
from server.channels.redis_places import Lines, Plan, Unreachable, open_lines
from server.protocol.events import ManagerEntered
from server.protocol.signals import ReadShown
from storage.database import Database
from storage.timeline import Entry

#: Seconds between two attempts to reach Redis: a tenth of what makes a person wonder.
RETRY_S = 0.1
#: Beats of others that are waited for before this node hears again.
BEATS_BEFORE = 2
#: Seconds for which a silent node is remembered: its last commits are long found by then.
FORGOTTEN_AFTER_S = 60.0

#: Stands for whoever may be there when this node hears nobody.
_SOMEBODY = b"?" * NODE_BYTES

_log = structlog.get_logger(__name__)


class NodeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes watch each other; defaults and reasons are the settings'."""

    beat_every_s: float = 0.2
    deaf_after_s: float = 0.8
    repair_after_s: float = 0.05
    heads_every_s: float = 2.0
    broker_queue_max: int = 10_000
    broker_bytes_max: int = 16_777_216


class RedisBroker:
    """Publishes to this node and, through Redis, to the others."""

    def __init__(
        self,
        plan: Plan,
        database: Database,
        *,
        prefix: str = "cloison",
        limits: NodeLimits | None = None,
    ) -> None:
        self.limits = limits = limits or NodeLimits()
        self.node = secrets.token_hex(NODE_BYTES // 2).encode()
        self.hearing = Hearing(deaf=True)
        self._plan = plan
        self._listeners: list[Callable[[Publication], None]] = []
        self.following = Following(database, self._deliver, repair_after_s=limits.repair_after_s)
        self._pulse = Pulse(deaf_after_s=limits.deaf_after_s, forgotten_after_s=FORGOTTEN_AFTER_S)
        self._prefix = prefix.encode()
        self._control = self._prefix + b":control"
        self._lines: Lines | None = None
        self._broken = asyncio.Event()
        self._number = 0
        self._kept: deque[tuple[int, bytes]] = deque()  #: control that Redis did not take yet
        self._unconfirmed: list[int] = []
        self._afterwards: list[tuple[int, Callable[[], None]]] = []
        self._saying: dict[str, Said] = {}
        self._entries: dict[str, list[Carried]] = {}
        self._counted = Counted()
        self._lost = 0
        self._losses: dict[bytes, int] = {}
        self._questions = 0
        self._beats = 0  #: of my own that came back since I turned deaf
        self._checked_at = 0.0
        self._ticked_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._chores: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    # -- the contract

    def listen(self, deliver: Callable[[Publication], None]) -> None:
        """Call ``deliver`` for each publication from now on."""
        self._listeners.append(deliver)

    def publish(self, publication: Publication) -> None:
        """Apply a publication here, and send it to the others."""
        self._listen_to_myself()
        takes = is_control(publication)
        if takes:
            self._say_control(control_of(publication, self._number + 1))
        self._apply(publication)
        for entry in publication.entries:
            self._say_entry(entry)
        for read, about in publication.reads:
            self._say_read(read, about)
        confirm = takes or _lets_in(publication)
        if confirm or publication.notices:
            self._send_content()
            notices: Any = publication.notices
            self._say_control(Control(self._number + 1, confirm, notices=notices))

    def after(self, act: Callable[[], None]) -> None:
        """Call ``act`` once the other nodes confirmed what was said so far."""
        if self._unconfirmed:
            self._afterwards.append((self._unconfirmed[-1], act))
        else:
            act()

    async def follow(self, timeline: str) -> None:
        """Follow a timeline from a moment that Redis confirms. Raises Busy."""
        self.hearing.check()
        ready = self.following.ready(timeline)
        if ready is None:
            ready = self.following.begin(timeline)
            self._subscribe(self._channel(timeline))
            await asyncio.shield(ready)
            self.mention(Mention(timeline=timeline, asked=True))
        elif not ready.done():
            await asyncio.shield(ready)

    def unfollow(self, timeline: str) -> None:
        """Follow a timeline no more."""
        if timeline in self.following:
            self.following.end(timeline)
            channel = self._channel(timeline)
            if self._lines is not None and (line := self._lines.of(channel)).open:
                line.unsubscribe(channel)

    @property
    def peers(self) -> list[bytes]:
        """Return the other nodes that are heard."""
        return self._pulse.peers

    @property
    def waiting(self) -> int:
        """Return how much control Redis did not take yet."""
        return len(self._kept)

    def mention(self, mention: Mention) -> None:
        """Send at once what is true for a moment."""
        channel = self._channel(mention.timeline)
        line = self._line(channel)
        if line is not None and not line.crowded:
            said = Said(typing=mention.typing, there=mention.there, asked=mention.asked)
            line.publish(channel, encode(self.node, said))

    def count(
        self, *, seen: tuple[tuple[str, int], ...] = (), spent: tuple[Spent, ...] = ()
    ) -> None:
        """Send what was counted with what is counted in the same turn of the loop."""
        if not self._counted.seen and not self._counted.spent:
            asyncio.get_running_loop().call_soon(self._send_counted)
        self._counted = Counted(self._counted.seen + seen, self._counted.spent + spent)

    def _send_counted(self) -> None:
        counted, self._counted = self._counted, Counted()
        line = self._line(self._control)
        if line is not None and not line.crowded:
            line.publish(self._control, encode(self.node, counted))

    def call(self, roll: RollCall) -> None:
        """Send who came to this node, or went."""
        line = self._line(self._control)
        if line is not None and not line.crowded:
            counted = Counted(here=roll.here, whole=roll.whole, asked=roll.asked)
            line.publish(self._control, encode(self.node, counted))

    async def settled(self) -> None:
        """Ask the others, and wait for those that are heard."""
        await self.hearing.settled()
        loop = asyncio.get_running_loop()
        if nodes := self._pulse.delivering(loop.time()):
            self._questions -= 1
            answered: asyncio.Future[None] = loop.create_future()
            done = partial(_resolve, answered)
            self._pulse.expect(self._questions, loop.time(), done, nodes)
            line = self._line(self._control)
            if line is not None:
                line.publish(self._control, encode(self.node, Asked(self._questions)))
            await answered

    # -- applying what is committed here

    def _deliver(self, publication: Publication) -> None:
        for deliver in self._listeners:
            deliver(publication)

    def _apply(self, publication: Publication) -> None:
        """Deliver as a whole what is in turn; else what is taken first, and the rest in turn."""
        if self.following.in_turn(publication.entries):
            self._deliver(publication)
            return
        rest = Publication(
            notices=publication.notices, hidden=publication.hidden, reads=publication.reads
        )
        first = msgspec.structs.replace(publication, entries=(), notices=(), hidden=(), reads=())
        if first != Publication():
            self._deliver(first)
        *some, last = publication.entries
        for entry in some:
            self.following.take(entry, Publication(entries=(entry,)))
        self.following.take(last, msgspec.structs.replace(rest, entries=(last,)))

    # -- saying it to the others

    def _say_control(self, control: Control) -> None:
        self._number = control.number
        payload = encode(self.node, control)
        if control.confirm:
            self._unconfirmed.append(control.number)
            now = asyncio.get_running_loop().time()
            done = partial(self._settled, control.number)
            # Who is deaf knows nobody: the others have noticed its silence when the wait lapses.
            nodes = [_SOMEBODY] if self.hearing.deaf else self._pulse.delivering(now)
            self._pulse.expect(control.number, now, done, nodes)
        if len(self._kept) >= self.limits.broker_queue_max:
            self._kept.popleft()  # the others will miss its number, and start over
        self._kept.append((control.number, payload))
        self._send_control(control.number, payload)

    def _send_control(self, number: int, payload: bytes) -> None:
        line = self._line(self._control)
        if line is not None:
            line.publish(self._control, payload, partial(self._taken, number))

    def _taken(self, number: int) -> None:
        """Keep no longer what Redis handed on."""
        while self._kept and self._kept[0][0] <= number:
            self._kept.popleft()

    def _settled(self, number: int) -> None:
        """Do what waited until every node had confirmed."""
        self._unconfirmed.remove(number)
        first = self._unconfirmed[0] if self._unconfirmed else None
        ready = [act for until, act in self._afterwards if first is None or until < first]
        self._afterwards = [
            one for one in self._afterwards if not (first is None or one[0] < first)
        ]
        for act in ready:
            act()

    def _say_entry(self, entry: Entry) -> None:
        self._soon()
        self._entries.setdefault(entry.event.timeline, []).append(carried(entry))

    def _say_read(self, read: ReadShown, about: int) -> None:
        self._soon()
        timeline = read.thread or read.sphere
        said = self._saying.get(timeline, Said())
        reads = (*said.reads, (read, about))
        self._saying[timeline] = msgspec.structs.replace(said, reads=reads)

    def _soon(self) -> None:
        if not self._entries and not self._saying:
            asyncio.get_running_loop().call_soon(self._send_content)

    def _send_content(self) -> None:
        """Send what this turn of the loop said, a message a timeline."""
        entries, self._entries = self._entries, {}
        saying, self._saying = self._saying, {}
        for timeline in {**entries, **saying}:
            channel = self._channel(timeline)
            line = self._line(channel)
            if line is None or line.crowded:
                self._lost += 1
                continue
            said = Said(
                tuple(entries.get(timeline, ())),
                saying[timeline].reads if timeline in saying else (),
            )
            line.publish(channel, encode(self.node, said))

    def _line(self, channel: bytes) -> RedisLine | None:
        if self._lines is None:
            return None
        line = self._lines.of(channel)
        return line if line.open else None

    def _channel(self, timeline: str) -> bytes:
        return self._prefix + b":t:" + timeline.encode()

    def _own_channel(self, node: bytes) -> bytes:
        return self._prefix + b":node:" + node

    def _subscribe(self, channel: bytes) -> None:
        line = self._line(channel)
        if line is not None:
            line.subscribe(channel)

    # -- hearing the others (redis_line.Listener)

    def subscribed(self, channel: bytes) -> None:
        """Take it that a channel is heard from now on."""
        prefix = self._prefix + b":t:"
        if channel.startswith(prefix):
            self.following.joined(channel[len(prefix) :].decode())

    def line_lost(self) -> None:
        """Have the lines opened anew."""
        self._broken.set()

    def message(self, channel: bytes, payload: bytes) -> None:
        """Take what a node said. What cannot be read counts as missed."""
        node = sender(payload)
        if node == self.node and channel != self._control:
            return
        try:
            message = decode(payload)
            if isinstance(message, Said):
                self._hear(node, channel, message)
            else:
                self._hear_node(node, message)
        except msgspec.DecodeError:
            _log.warning("node_message_unreadable")
            self._missed()
        except Exception as bug:  # noqa: BLE001  # the line must outlive it; what it did not do is missed
            _log.error("node_message_failed", error=type(bug).__name__)
            self._missed()

    def _listen_to_myself(self) -> None:
        """Turn deaf before anything is delivered, when this process stood still too long."""
        now = asyncio.get_running_loop().time()
        if not self.hearing.deaf and not self._pulse.hears(now, grace=self.limits.deaf_after_s):
            _log.warning("node_stood_still")
            self._turn_deaf()

    def _hear(self, node: bytes, channel: bytes, said: Said) -> None:
        self._listen_to_myself()
        timeline = channel[len(self._prefix) + 3 :].decode()
        if timeline not in self.following:
            return
        entries = tuple(entry_of(one) for one in said.entries)
        if entries and self.following.in_turn(entries):
            self._deliver(Publication(entries=entries))
        else:
            for entry in entries:
                self.following.take(entry, Publication(entries=(entry,)))
        if said.reads:
            self._deliver(Publication(reads=said.reads))
        if said.typing is not None or said.there is not None or said.asked:
            mention = Mention(
                timeline=timeline,
                node=node,
                typing=said.typing,
                there=said.there,
                asked=said.asked,
            )
            self._deliver(Publication(mentions=(mention,)))

    def _hear_node(self, node: bytes, message: Message) -> None:
        if node == self.node:
            if isinstance(message, Beat):
                self._echo(message)
        elif isinstance(message, Control):
            self._hear_control(node, message)
        elif isinstance(message, Beat):
            self._hear_beat(node, message)
        elif isinstance(message, Counted):
            self._deliver(_counted(node, message))
        elif isinstance(message, Asked):
            self._spawn(self._answer(node, message.number))
        elif isinstance(message, Confirmed):
            self._pulse.confirmed(node, message.number)
        elif isinstance(message, Farewell):
            self._pulse.farewell(node)
            self._deliver(Publication(silent=(node,)))
            self._losses.pop(node, None)

    def _hear_control(self, node: bytes, control: Control) -> None:
        heard = self._pulse.heard(node, control.number, asyncio.get_running_loop().time())
        if heard is not Heard.KNOWN:
            self._deliver(published(control))
        if control.confirm:
            self._confirm(node, control.number)
        self._judge(heard)

    def _confirm(self, node: bytes, number: int) -> None:
        channel = self._own_channel(node)
        line = self._line(channel)
        if line is not None:
            line.publish(channel, encode(self.node, Confirmed(number)))

    async def _answer(self, node: bytes, number: int) -> None:
        """Confirm once what is committed here by now is on its way."""
        await self.hearing.settled()
        self._send_content()
        self._confirm(node, number)

    def _hear_beat(self, node: bytes, beat: Beat) -> None:
        self._judge(self._pulse.beat(node, beat.number, asyncio.get_running_loop().time()))
        if self._losses.get(node, 0) != beat.lost:
            self._losses[node] = beat.lost
            self._spawn(self._compare())

    def _judge(self, heard: Heard) -> None:
        if heard is Heard.STRANGER:
            self._spawn(self._check())
        elif heard is Heard.MISSED:
            self._missed()

    def _missed(self) -> None:
        """Start over, like a client that lost its connection."""
        if not self.hearing.deaf:
            _log.warning("node_missed_something")
            self._turn_deaf()

    # -- beating, deafness

    async def start(self) -> None:
        """Reach for Redis, and beat, on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="broker")
        self._tick()

    async def stop(self) -> None:
        """Take leave of the others, once what was said is sent."""
        if self._timer is not None:
            self._timer.cancel()
        self._send_content()
        line = self._line(self._control)
        if line is not None:
            line.publish(self._control, encode(self.node, Farewell()))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await self.following.stop()
        self.following.end_all()
        self._pulse.release()

    async def heard(self) -> None:
        """Wait until this node hears the others."""
        while self.hearing.deaf:  # noqa: ASYNC110  # at a start, and in tests
            await asyncio.sleep(self.limits.beat_every_s / 10)

    async def _run(self) -> None:
        while True:
            self._broken = asyncio.Event()
            try:
                lines = await open_lines(self._plan, self._make_line)
            except Unreachable as error:
                _log.warning("broker_unreachable", why=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            try:
                self._take_lines(lines)
                await self._broken.wait()
                _log.warning("broker_line_lost")
            finally:
                self._lines = None
                await lines.close()

    def _make_line(self, sharded: bool) -> RedisLine:  # noqa: FBT001  # as open_lines calls it
        return RedisLine(self, sharded=sharded, bytes_max=self.limits.broker_bytes_max)

    def _take_lines(self, lines: Lines) -> None:
        """Listen on new lines to what was listened to, and say again what may be lost."""
        self._lines = lines
        self._subscribe(self._control)
        self._subscribe(self._own_channel(self.node))
        for timeline in self.following:
            self._subscribe(self._channel(timeline))
            asked = Mention(timeline=timeline, asked=True)
            self.mention(asked)  # who came and went while the line was broken?
            self._deliver(Publication(mentions=(asked,)))
        roll = RollCall(asked=True)
        self.call(roll)
        self._deliver(Publication(calls=(roll,)))
        for number, payload in self._kept:
            self._send_control(number, payload)
        self._beat()

    def _tick(self) -> None:
        """Beat, and look whether the others and this node itself are heard."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        late = self._ticked_at and now - self._ticked_at - self.limits.beat_every_s
        self._ticked_at = now
        self._timer = loop.call_later(self.limits.beat_every_s, self._tick)
        self._beat()
        self._pulse.lapse(now)
        if silent := self._pulse.silenced(now):
            self._deliver(Publication(silent=tuple(silent)))
            self._spawn(self._check())
        # A loop that stood still may have its own beat in the socket: one beat to find it there.
        grace = self.limits.deaf_after_s if late > self.limits.beat_every_s else 0.0
        if not self.hearing.deaf and not self._pulse.hears(now, grace=grace):
            _log.warning("node_deaf")
            self._turn_deaf()
        if now - self._checked_at >= self.limits.heads_every_s:
            self._checked_at = now
            self._spawn(self._check() if self._pulse.anxious else self._compare())

    def _beat(self) -> None:
        line = self._line(self._control)
        if line is not None:
            now = asyncio.get_running_loop().time()
            line.publish(self._control, encode(self.node, Beat(self._number, self._lost, now)))

    def _echo(self, beat: Beat) -> None:
        self._pulse.echo(beat.sent_at)
        if self.hearing.deaf:
            self._beats += 1
            if self._beats == BEATS_BEFORE + 1:
                self._spawn(self._regain())

    def _turn_deaf(self) -> None:
        """Deliver nothing from here on; send everybody away."""
        self._beats = 0
        self._pulse.start_over()
        self.hearing.lose()
        for timeline in self.following:
            self.unfollow(timeline)

    async def _regain(self) -> None:
        """Hear again, once what this node holds was compared with the store."""
        while True:
            try:
                await self._apply_recheck()
                break
            except errors.StorageUnavailable:
                await asyncio.sleep(self.limits.beat_every_s)
        if self._pulse.hears(asyncio.get_running_loop().time()):
            self.hearing.regain()
            _log.info("node_hears")
        else:
            self._beats = 0

    async def _check(self) -> None:
        """Compare all that this node holds with the store."""
        try:
            await self._apply_recheck()
            await self.following.compare()
        except errors.StorageUnavailable:
            _log.warning("check_postponed")

    async def _apply_recheck(self) -> None:
        self._deliver(await self.hearing.differences())

    async def _compare(self) -> None:
        try:
            await self.following.compare()
        except errors.StorageUnavailable:
            _log.warning("check_postponed")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _counted(node: bytes, told: Counted) -> Publication:
    calls: tuple[RollCall, ...] = ()
    if told.here or told.whole or told.asked:
        calls = (RollCall(node=node, here=told.here, whole=told.whole, asked=told.asked),)
    return Publication(seen=told.seen, spent=told.spent, calls=calls)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _lets_in(publication: Publication) -> bool:
    """Say whether somebody entered, whom everybody must see before they read."""
    return any(isinstance(entry.event, ManagerEntered) for entry in publication.entries)
