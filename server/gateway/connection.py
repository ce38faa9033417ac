"""Connection: one person's WebSocket, from hello to close.

Decides the order of things on one connection: hello first, then commands one at a time, each with
exactly one reply, while posts may overtake each other on their way to the store. Touches no SQL and
no socket: actions write, the link sends. Invariant: no frame of a sphere is handed to the link
except by ``send`` and ``raw_write`` through the hub, or as a reply that the hub has just checked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
import structlog

from server import errors
from server.auth import tokens
from server.auth.live import LiveSession
from server.channels import departures, directory, governance, profiles, reading, spheres
from server.channels.hub import EVERY_SPHERE
from server.channels.outcome import Outcome, Publication, Request
from server.channels.posts import draft_of
from server.channels.room import Reading
from server.channels.writer import Result
from server.domain.facts import Member
from server.domain.pace import Pace
from server.gateway.dispatch import INSIDE, READS, WRITES
from server.gateway.services import Services
from server.gateway.speaker import Speaker
from server.protocol import commands, replies
from server.protocol.close import Close
from server.protocol.codec import COMMANDS, Encoding, stored_as
from server.protocol.events import Notice
from server.protocol.framing import Parcel
from server.protocol.signals import Typing
from server.protocol.views import SessionView
from storage import sessions
from storage.database import Transaction
from storage.sessions import Session

#: How often something is read again because it changed meanwhile.
READINGS_MAX = 10
_CHANGING = "What you ask for changes faster than it can be read."

_log = structlog.get_logger(__name__)


class Connection(Speaker):
    """A link, and the session that speaks on it."""

    __slots__ = (
        "_backlog",
        "_commands",
        "_decode",
        "_digest",
        "_heard",
        "_last",
        "_leaving",
        "_pending",
        "_posting",
        "_rewriting",
        "_services",
        "_session",
        "_spent",
        "_task",
        "_waiting_bytes",
        "member",
    )

    member: Member

    def __init__(
        self,
        services: Services,
        encoding: Encoding,
        digest: bytes | None,
        release: Callable[[], None],
    ) -> None:
        limits = services.connection
        super().__init__(encoding, limits, release, services.tallies)
        self._services = services
        self._decode = COMMANDS[encoding]
        self._digest = digest  #: of the token that the handshake carried
        self._session: LiveSession | None = None
        self._heard: dict[str, str] = {}  #: timelines, and the sphere that each is of
        self._backlog: deque[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving: frozenset[str] = frozenset()
        self._spent = False  #: the command under way ended this very session
        self._last: Close | None = None  #: how to close when it is answered
        self._pending = 0
        self._waiting_bytes = 0
        self._commands = Pace(rate=limits.commands_per_second, burst=limits.commands_burst)
        self._posting: Pace | None = None  #: from the first post on: most connections listen
        self._rewriting: Pace | None = None

    # -- what the link calls

    def message_received(self, data: bytes, text: bool) -> None:  # noqa: FBT001  # the link's call
        """Handle a frame now, or after the command under way."""
        try:
            self._check_kind(text=text)
        except errors.Refusal as refusal:
            self._refuse(None, refusal)
            return
        if self._task is None and not self._backlog:
            self._handle(data)
        else:
            self._wait(data)

    def congestion_changed(self, congested: bool) -> None:  # noqa: FBT001  # the link's call
        """Let the hub sort this reader anew."""
        self._count_congestion(congested=congested)
        self._services.hub.congestion_changed(iter(self._heard))

    def connection_lost(self, code: int) -> None:
        """Let go of everything. A write under way goes on: it may be durable already."""
        self._ended(code)
        if self._backlog is not None:
            self._backlog.clear()
            self._waiting_bytes = 0
        if self._session is not None:
            self._hear_no_more()
            self._services.live.detach(self._session, self)
            self._session = None

    # -- what the hub and the sessions call

    @property
    def subscriptions(self) -> Iterable[str]:
        """Return the timelines that this connection listens to."""
        return self._heard

    @property
    def congested(self) -> bool:
        """Say whether the reader is behind."""
        return self.link.congested

    @property
    def raw_write(self) -> Callable[[bytes], object] | None:
        """Return the link's short cut while it may be used."""
        link = self.link
        return None if link.congested or link.closed else link.raw_write

    def send(self, parcel: Parcel) -> None:
        """Take a parcel to the link."""
        self.link.send(parcel)

    def notify(self, notice: Notice) -> None:
        """Tell this member something, before anything that is said later."""
        self._say(self.encoding.encode(notice))
        self._flush()

    def forget(self, sphere: str) -> None:
        """Drop a subscription; cut the socket where frames of the sphere may still be unsent.

        Not the one on which the member is leaving: what is unsent there precedes the reply.
        """
        self._flush()
        self._heard.pop(sphere, None)
        if sphere not in self._leaving and self.link.unsent:
            self.link.abort()

    def end(self, close: Close) -> None:
        """Close; what is unsent when a session is over is not for its reader any more.

        Whoever ended this session by a command on it is answered first, and hears nothing else.
        """
        if close in _OVER and self.link.unsent:
            self.link.abort()
        elif self._spent and self._last is None:
            self._last = close
            self._hear_no_more()
        else:
            super().end(close)

    def _hear_no_more(self) -> None:
        self._services.hub.dismiss(self, iter(tuple(self._heard)))
        self._heard.clear()

    # -- one frame

    def _wait(self, data: bytes) -> None:
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(data)
        self._waiting_bytes += len(data)
        if self._is_full():
            self.link.pause_reading()

    def _is_full(self) -> bool:
        limits = self._services.connection
        return (
            self._backlog is not None and len(self._backlog) >= limits.backlog_max
        ) or self._waiting_bytes >= limits.backlog_bytes_max

    def _resume(self) -> None:
        """Handle what waited, until another command runs."""
        backlog = self._backlog
        while backlog and self._task is None and not self.link.closed:
            was_full = self._is_full()
            data = backlog.popleft()
            self._waiting_bytes -= len(data)
            if was_full and not self._is_full():
                self.link.resume_reading()
            self._handle(data)
        if not backlog:
            self._backlog = None

    def _handle(self, data: bytes) -> None:
        try:
            command = self._decode.decode(data)
        except errors.Refusal as refusal:
            self._refuse(self._decode.request_id(data), refusal)
            return
        try:
            self._check(command)
            if type(command) is commands.Post:
                self._post(command)
                return
        except errors.Refusal as refusal:
            self._refuse(command.id, refusal)
            return
        self._task = asyncio.get_running_loop().create_task(self._run(command))

    def _check(self, command: commands.Command) -> None:
        """Check that the session lives and is not too fast, and note that it was seen."""
        now = self._services.clock.now()
        session = self._session
        if session is None:
            if type(command) is not commands.Hello:
                raise errors.NotAuthenticated
        elif not session.touch(now):
            raise errors.NotAuthenticated
        pace = self._pace_of(type(command))
        if delay := pace.delay(now):
            raise errors.TooFast(retry_after_ms=delay)

    def _pace_of(self, command: type[commands.Command]) -> Pace:
        if command is commands.Post:
            return self._posting_pace()
        if command in _REWRITES:
            return self._rewriting_pace()
        return self._commands

    def _rewriting_pace(self) -> Pace:
        if self._rewriting is None:
            limits = self._services.connection
            self._rewriting = Pace(rate=limits.rewrites_per_second, burst=limits.rewrites_burst)
        return self._rewriting

    def _posting_pace(self) -> Pace:
        if self._posting is None:
            rate = self._services.connection.posts_per_second
            self._posting = Pace(rate=rate, burst=rate)
        return self._posting

    def _post(self, command: commands.Post) -> None:
        if self._pending >= self._services.connection.posts_pending_max:
            raise errors.TooFast(
                "Too many posts wait for their acknowledgement.", retry_after_ms=100
            )
        draft = draft_of(command, self.member.id)
        self._pending += 1
        self._services.writer.post(draft, lambda result: self._posted(command.id, result))

    def _posted(self, request: int, result: Result) -> None:
        self._pending -= 1
        if self._session is None:
            return  # the member is gone from here: the answer could only reach somebody else
        if isinstance(result, Outcome):
            self._reply(result.reply)
        elif isinstance(result, errors.Refusal):
            self._refuse(request, result)
        else:
            self.end(Close.BROKEN)

    async def _run(self, command: commands.Command) -> None:
        """Run one command to its reply. The one place where refusals become frames."""
        try:
            answer = _ANSWERS.get(type(command))
            reply = await answer(self, command) if answer is not None else await self._act(command)
            if reply is not None:
                self._reply(reply)
        except errors.Refusal as refusal:
            self._refuse(command.id, refusal)
        except Exception as bug:  # noqa: BLE001  # a bug ends this connection, and no other
            _log.error("command_failed", command=type(command).__name__, error=type(bug).__name__)
            self.end(Close.BROKEN)
        if self._last is not None:
            self.end(self._last)
        self._task = None
        self._resume()

    # -- commands

    async def on_hello(self, command: commands.Hello) -> replies.Reply:
        """Attach the session of the token, and hear what concerns its member from now on."""
        if self._session is not None:
            raise errors.AlreadyGreeted
        digest = tokens.digest(command.token) if command.token is not None else self._digest
        if digest is None:
            raise errors.NotAuthenticated
        services = self._services
        stored = await services.sessions.find(digest)
        if stored is None or self.link.closed:
            raise errors.NotAuthenticated
        services.broker.hearing.check_door()
        self.member = stored.member
        self._session = session = services.live.attach(stored, self, services.clock.now())
        services.hub.greet(self, hidden=stored.hidden)
        self._greeted()
        return replies.Welcome(
            id=command.id,
            member=stored.member.id,
            name=stored.member.name,
            role=stored.member.role,
            organisation=stored.organisation_name,
            session_ends_at=session.ends_at,
            idle_limit_ms=stored.policy.idle_ms,
            now=services.clock.now(),
            visible=not services.hub.is_hidden(stored.member.id),
        )

    async def on_list(self, command: commands.ListSpheres) -> replies.Reply:
        """List again when the list changed while it was read."""
        services = self._services
        for _ in range(READINGS_MAX):
            with services.hub.reading(EVERY_SPHERE, self) as watch:
                found = await services.database.read(spheres.listing, self._request(command))
                if not watch.outdated:
                    return found
        raise errors.Busy(_CHANGING, retry_after_ms=500)

    async def _act(self, command: commands.Command) -> replies.Reply | None:
        act = WRITES.get(type(command))
        if act is not None:
            return await self._write(act, command)
        if type(command) in INSIDE:
            return await self._ask_inside(command)
        return await self._services.database.read(READS[type(command)], self._request(command))

    async def _ask_inside(self, command: Any) -> replies.Reply:
        """Ask a sphere something, unless one is out by the time that it was read."""
        services = self._services
        with services.hub.reading(command.sphere, self) as watch:
            ask = INSIDE[type(command)]
            found = await services.database.read(ask, self._request(command))
            await self._announced(entered=found.entered)
            services.hub.check_reading(watch)
            return found.reply

    async def _write(
        self, act: Callable[[Transaction, Request[Any]], Outcome], command: commands.Command
    ) -> replies.Reply:
        """Have a command done; mark this session when the command itself ends it."""
        mine = None if self._session is None else self._session.id

        def watched(tx: Transaction, request: Request[Any]) -> Outcome:
            outcome = act(tx, request)
            self._spent = mine in outcome.publication.ended
            return outcome

        try:
            outcome = await self._services.writer.act(watched, self._request(command))
        finally:
            self._spent = False
        assert isinstance(outcome.reply, replies.Reply)
        return outcome.reply

    async def on_subscribe(self, command: commands.Subscribe) -> None:
        """Reply with the snapshot, and hear everything above its head from the same instant on."""
        services = self._services
        heard = _timeline(command)
        if self._heard.get(heard) == command.sphere:
            services.hub.unsubscribe(heard, self)
            del self._heard[heard]
        if len(self._heard) >= services.connection.subscriptions_max:
            raise errors.Full("Too many subscriptions on this connection: end one first.")
        with services.hub.subscribing(heard, self) as watch:
            await services.hub.follow(heard)
            found = await services.database.read(reading.snapshot, self._request(command))
            await self._announced(entered=found.entered)
            services.hub.check_reading(watch)
            self._hand_snapshot(watch, found)
            self._heard[heard] = command.sphere
            services.hub.subscribe(
                watch, head=found.head, roster=found.roster, attended=command.thread is None
            )

    def _hand_snapshot(self, watch: Reading, found: reading.Snapshot) -> None:
        """Reply with what was read, and with who is there at this moment, as only the hub knows."""
        reply = found.reply
        if isinstance(reply, replies.Subscribed):
            there = self._services.hub.there(watch, head=found.head, roster=found.roster)
            reply = msgspec.structs.replace(reply, present=there)
            if self._services.hub.is_crowd(found.roster):
                reply = msgspec.structs.replace(reply, reads=[])
        self._reply(reply)
        self._flush()

    async def on_leave(self, command: commands.Leave) -> replies.Reply | None:
        """Leave, on the one socket that need not be cut: its reply follows what is unsent."""

        def leave(tx: Transaction, request: Request[commands.Leave]) -> Outcome:
            outcome = departures.leave(tx, request)
            # Only the act that ended the stay spares its own socket.
            self._leaving = frozenset(left for left, _ in outcome.publication.departures)
            return outcome

        try:
            return await self._write(leave, command)
        finally:
            self._leaving = frozenset()

    async def on_unsubscribe(self, command: commands.Unsubscribe) -> replies.Reply:
        """Hear the sphere, or the thread, no more."""
        heard = _timeline(command)
        if self._heard.get(heard) != command.sphere:
            raise errors.NotFound
        self._services.hub.unsubscribe(heard, self)
        del self._heard[heard]
        return replies.Done(id=command.id)

    async def on_typing(self, command: commands.SayTyping) -> replies.Reply:
        """Tell the others; what this connection does not listen to is not there, whatever it is.

        The store is not asked: who is out listens no more, and of all other ids nothing is known.
        """
        heard = _timeline(command)
        if self._heard.get(heard) != command.sphere:
            raise errors.NotFound
        typing = Typing(sphere=command.sphere, thread=command.thread, member=self.member.id)
        self._services.hub.type(heard, typing, self._services.clock.now())
        return replies.Done(id=command.id)

    async def on_directory(self, command: commands.SearchDirectory) -> replies.Reply:
        """List members, with who of them is there at the moment of the answer."""
        services = self._services
        found = await services.database.read(directory.search, self._request(command))
        return directory.seen(found, services.hub.is_seen)

    async def on_history(self, command: commands.GetHistory) -> None:
        """Reply with a page, unless the reader is out by the time that it was read.

        It is read again when something of the sphere was erased meanwhile: words do not arrive
        after the news that they are gone.
        """
        services = self._services
        for _ in range(READINGS_MAX):
            with services.hub.reading(command.thread or command.sphere, self) as watch:
                found = await services.database.read(reading.history, self._request(command))
                await self._announced(entered=found.entered)
                services.hub.check_reading(watch)
                if not watch.outdated:
                    self._hand_over(command, found)
                    return
        raise errors.Busy(_CHANGING, retry_after_ms=500)

    def _hand_over(self, command: commands.GetHistory, found: reading.Extract) -> None:
        events = [stored_as(self.encoding, content) for content in found.contents]
        self._reply(replies.Page(id=command.id, events=events, more=found.more))
        self._flush()

    async def on_profile(self, command: commands.GetProfile) -> replies.Reply:
        """Ask the directory; or a shared sphere, unless one is out by the time it was read."""
        services = self._services
        if command.sphere is None:
            return await services.database.read(directory.one, self._request(command))
        with services.hub.reading(command.sphere, self) as watch:
            found = await services.database.read(profiles.shown, self._request(command))
            await self._announced(entered=found.entered)
            services.hub.check_reading(watch)
            return found.reply

    async def on_sessions(self, command: commands.ListSessions) -> replies.Reply:
        """List the devices of this member."""
        assert self._session is not None
        current = self._session.id
        found = await self._services.database.read(sessions.of_member, self.member.id)
        return replies.Sessions(id=command.id, sessions=[_device(one, current) for one in found])

    async def on_end_session(self, command: commands.EndSession) -> replies.Reply:
        """End another session of this member, on every connection of it."""
        assert self._session is not None
        if command.session == self._session.id:
            raise errors.NotAllowed("To end this session, sign out.")
        return await self._write(_end_session, command)

    async def on_set_policies(self, command: commands.SetPolicies) -> replies.Reply:
        """Change policies, knowing what this node alone has seen of live sessions."""
        seen = self._services.live.dirty()
        return await self._write(lambda tx, one: governance.set_policies(tx, one, seen), command)

    def _request(self, command: commands.Command) -> Request[Any]:
        return Request(
            command=command,
            member=self.member,
            now=self._services.clock.now(),
            limits=self._services.limits,
        )

    async def _announced(self, *, entered: bool) -> None:
        """Let nothing that was read be said before what the store knew then is on its way.

        A manager who entered may be in the store a moment before the others hear of it. Raises
        NotAuthenticated when the session ended while the store was being read.
        """
        if entered:
            await self._services.broker.settled()
            self._services.hub.flush()
        if self._session is None:
            raise errors.NotAuthenticated


def _timeline(command: commands.Subscribe | commands.Unsubscribe | commands.SayTyping) -> str:
    """Return what a connection would listen to. Raises NotFound: a sphere is no thread of itself.

    Without that, both would be one subscription here, and only one of them is there to be had.
    """
    if command.thread == command.sphere:
        raise errors.NotFound
    return command.thread or command.sphere


def _end_session(tx: Transaction, request: Request[commands.EndSession]) -> Outcome:
    ended = request.command.session
    if not sessions.end_own(tx, member_id=request.member.id, session=ended):
        raise errors.NotFound
    return Outcome(
        reply=replies.Done(id=request.command.id), publication=Publication(ended=(ended,))
    )


def _device(stored: Session, current: str) -> SessionView:
    return SessionView(
        session=stored.id,
        began_at=stored.created_at,
        seen_at=stored.seen_at,
        ends_at=stored.ends_at,
        current=stored.id == current,
    )


#: Commands after which bytes are erased: they have a pace of their own.
_REWRITES = frozenset({commands.Edit, commands.Delete})
_OVER = (Close.SESSION_ENDED, Close.SESSION_EXPIRED, Close.CUT_OFF)

#: Commands that concern this connection, beside the tables of ``dispatch``.
_ANSWERS: Mapping[
    type[commands.Command],
    Callable[[Connection, Any], Awaitable[replies.Reply | None]],
] = {
    commands.Hello: Connection.on_hello,
    commands.ListSpheres: Connection.on_list,
    commands.Subscribe: Connection.on_subscribe,
    commands.Unsubscribe: Connection.on_unsubscribe,
    commands.GetHistory: Connection.on_history,
    commands.Leave: Connection.on_leave,
    commands.GetProfile: Connection.on_profile,
    commands.SayTyping: Connection.on_typing,
    commands.SearchDirectory: Connection.on_directory,
    commands.ListSessions: Connection.on_sessions,
    commands.EndSession: Connection.on_end_session,
    commands.SetPolicies: Connection.on_set_policies,
}
