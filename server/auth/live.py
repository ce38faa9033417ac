"""Live: the sessions that have open sockets here, and when each must be closed.

Holds one LiveSession for all connections of a session, and one heap of deadlines for all sessions.
A command moves the idle deadline by writing two numbers; the heap learns of it when the former
deadline comes up. Reads no clock and no store: ``deadlines`` brings the time, ``accounts`` notes
what was seen.

Invariant: a session past its deadline takes no command and gets no connection, whether or not its
sockets are closed yet; nothing makes it live again. Of a session that was ended, or whose policy
was replaced, an older reading from the store changes nothing: what was announced here outweighs it.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import count
from typing import Protocol, TypeVar

from server import errors
from server.domain.facts import Member
from server.domain.policy import PasswordPolicy, SessionPolicy, session_end
from server.protocol.close import Close
from storage.sessions import Session

V = TypeVar("V")

#: Sessions closed in one turn of the loop: a policy that ends thousands must not stop messages.
DUE_MAX = 500
#: Ended sessions and replaced policies that are remembered, to outweigh an older reading. A reading
#: lasts milliseconds, in which far fewer end.
REMEMBERED_MAX = 10_000
#: How often in its idle time the other nodes are told of a session that is in use: a device that
#: rests on another node is closed so much too early at worst.
TOLD_EVERY = 8
#: The deadline of a session that is over: whenever a command comes, it comes too late.
_OVER = 0


class Connection(Protocol):
    """An open socket, as a session sees it."""

    def end(self, close: Close) -> None:
        """Close the socket: never blocks, never raises."""
        ...


class LiveSession:
    """A session with open sockets, shared by all of them.

    ``deadline`` is when it ends if nothing more is done with it, ``ends_at`` when it ends anyway;
    both in milliseconds, UTC.
    """

    __slots__ = (
        "_created_at",
        "_live",
        "_password_set_at",
        "connections",
        "deadline",
        "ends_at",
        "id",
        "idle_ms",
        "member",
        "queued_at",
        "rested",
        "seen_at",
    )

    def __init__(self, live: LiveSessions, stored: Session) -> None:
        self._live = live
        self._created_at = stored.created_at
        self._password_set_at = stored.password_set_at
        self.id = stored.id
        self.member: Member = stored.member
        self.seen_at = stored.seen_at
        self.connections: list[Connection] = []
        #: When the heap will next look at it: never after the deadline.
        self.queued_at: int | None = None
        #: Whether a note of activity has been made since its last connection went.
        self.rested = False
        self.obey(stored.policy, stored.password_age_max_ms)

    def obey(self, policy: SessionPolicy, password_age_max_ms: int | None) -> None:
        """Take the deadlines of this policy from now on."""
        self.idle_ms = policy.idle_ms
        password_ends_at = (
            None if password_age_max_ms is None else self._password_set_at + password_age_max_ms
        )
        self.ends_at = session_end(
            policy, created_at=self._created_at, password_ends_at=password_ends_at
        )
        self.deadline = min(self.ends_at, self.seen_at + self.idle_ms)

    def touch(self, now: int) -> bool:
        """Note a command, and put off the idle deadline. Return False when it came too late.

        The sockets of a session that it came too late for are closed when this returns.
        """
        if now >= self.deadline:
            self._live.expire(self)
            return False
        if now > self.seen_at:
            self.seen_at = now
            self.deadline = min(self.ends_at, now + self.idle_ms)
            self._live.saw(self)
        return True


class LiveSessions:
    """The sessions that have open sockets here."""

    def __init__(self, *, connections_per_session_max: int = 20) -> None:
        self._connections_max = connections_per_session_max
        self._sessions: dict[str, LiveSession] = {}
        self._heap: list[tuple[int, int, LiveSession]] = []
        self._order = count()
        self._dirty: set[LiveSession] = set()
        self._resting: set[LiveSession] = set()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._policies: OrderedDict[str, tuple[SessionPolicy, int | None]] = OrderedDict()
        #: Called with the earliest deadline when it has moved forward.
        self.sooner: Callable[[int], None] = _nobody_waits
        #: Tells the other nodes that a session is in use; None where there are none.
        self.tell: Callable[[str, int], None] | None = None
        self._told: dict[str, int] = {}

    def __len__(self) -> int:
        """Return how many sessions are held."""
        return len(self._sessions)

    def organisations(self) -> set[str]:
        """Return the ids of the organisations of the sessions held."""
        return {session.member.organisation for session in self._sessions.values()}

    def ids(self) -> list[str]:
        """Return the ids of the sessions held."""
        return list(self._sessions)

    def check_alive(self, stored: Session, now: int) -> None:
        """Raise NotAuthenticated unless the session that was read may be used at ``now``."""
        self._living(stored, now)

    def attach(self, stored: Session, connection: Connection, now: int) -> LiveSession:
        """Give a session a connection, which counts as a sign of life.

        Raises NotAuthenticated for a session that is dead, ended or disabled, and Full when it
        has as many connections as it may.
        """
        session = self._living(stored, now)
        if len(session.connections) >= self._connections_max:
            raise errors.Full("This session has as many connections as it may: close one.")
        session.connections.append(connection)
        self._sessions[session.id] = session
        self._resting.discard(session)
        session.rested = False
        session.touch(now)
        self._queue(session)
        return session

    def detach(self, session: LiveSession, connection: Connection) -> None:
        """Take a connection that is closed from its session. Does nothing a second time."""
        if connection in session.connections:
            session.connections.remove(connection)
            if not session.connections:
                self._resting.add(session)

    def end(self, session_id: str, close: Close = Close.SESSION_ENDED) -> None:
        """Close every socket of a session, and let none be opened for it again."""
        _remember(self._ended, session_id, None)
        session = self._sessions.get(session_id)
        if session is not None:
            self._close(session, close)

    def send_away(self, close: Close) -> None:
        """Close every socket; the sessions live on."""
        for session in list(self._sessions.values()):
            for connection in tuple(session.connections):
                connection.end(close)

    def replace_policy(
        self, organisation: str, *, session: SessionPolicy, password: PasswordPolicy, now: int
    ) -> None:
        """Apply a new policy to an organisation's sessions; what is dead at ``now`` stays dead."""
        _remember(self._policies, organisation, (session, password.age_max_ms))
        for one in list(self._sessions.values()):
            if one.member.organisation == organisation and now < one.deadline:
                one.obey(session, password.age_max_ms)
                self._queue(one)

    def due(self, now: int, *, most: int = DUE_MAX) -> None:
        """Close the sockets of the sessions whose deadline has come: ``most`` at one time.

        Call it again while ``next_deadline`` is past.
        """
        for _ in range(most):
            soonest = self.next_deadline()
            if soonest is None or soonest > now:
                return
            self.expire(self._heap[0][2])

    def expire(self, session: LiveSession) -> None:
        """Close the sockets of a session whose deadline has come."""
        if self._sessions.get(session.id) is session:
            self._close(session, Close.SESSION_EXPIRED)

    def next_deadline(self) -> int | None:
        """Return the earliest deadline of all sessions, or None when there is no session."""
        while self._heap:
            at, _, session = self._heap[0]
            if self._sessions.get(session.id) is not session or session.queued_at != at:
                heapq.heappop(self._heap)
            elif session.deadline > at:
                session.queued_at = session.deadline
                heapq.heapreplace(self._heap, self._entry(session))
            else:
                return at
        return None

    def saw(self, session: LiveSession) -> None:
        """Remember to note when a session was seen, and tell the other nodes now and then."""
        self._dirty.add(session)
        if self.tell is not None:
            self._tell(session, self.tell)

    def _tell(self, session: LiveSession, tell: Callable[[str, int], None]) -> None:
        told = self._told.get(session.id)
        if told is None or session.seen_at - told >= session.idle_ms // TOLD_EVERY:
            self._told[session.id] = session.seen_at
            tell(session.id, session.seen_at)

    def seen_elsewhere(self, session_id: str, at: int) -> None:
        """Put off the idle deadline of a session that was in use on another node."""
        session = self._sessions.get(session_id)
        if session is not None and at > session.seen_at:
            session.seen_at = at
            session.deadline = min(session.ends_at, at + session.idle_ms)

    def dirty(self) -> dict[str, int]:
        """Return when sessions were last seen, of those where the store does not know it."""
        return {session.id: session.seen_at for session in self._dirty}

    def noted(self, moments: Mapping[str, int]) -> None:
        """Take it that the store knows ``moments``, which ``dirty`` returned.

        Sessions without a connection are forgotten one note later, so that whoever read the store
        before this note still finds them here.
        """
        for session_id, at in moments.items():
            session = self._sessions.get(session_id)
            if session is not None and session.seen_at == at:
                self._dirty.discard(session)
        for session in self._resting - self._dirty:
            if session.rested:
                self._forget(session)
            session.rested = True

    def _living(self, stored: Session, now: int) -> LiveSession:
        session = self._sessions.get(stored.id) or self._fresh(stored)
        if stored.disabled or stored.id in self._ended or now >= session.deadline:
            raise errors.NotAuthenticated
        return session

    def _fresh(self, stored: Session) -> LiveSession:
        session = LiveSession(self, stored)
        announced = self._policies.get(stored.member.organisation)
        if announced is not None:
            session.obey(*announced)
        return session

    def _queue(self, session: LiveSession) -> None:
        """Have the heap look at a session no later than at its deadline."""
        if session.queued_at is not None and session.queued_at <= session.deadline:
            return
        session.queued_at = session.deadline
        heapq.heappush(self._heap, self._entry(session))
        if self._heap[0][2] is session:
            self.sooner(session.deadline)
        if len(self._heap) > 2 * len(self._sessions) + 64:
            self._rebuild()

    def _rebuild(self) -> None:
        """Drop the entries of the heap that stand for nothing any more."""
        for session in self._sessions.values():
            session.queued_at = session.deadline
        self._heap = [self._entry(session) for session in self._sessions.values()]
        heapq.heapify(self._heap)

    def _entry(self, session: LiveSession) -> tuple[int, int, LiveSession]:
        return session.deadline, next(self._order), session

    def _close(self, session: LiveSession, close: Close) -> None:
        connections, session.connections = session.connections, []
        session.deadline = _OVER
        self._forget(session)
        with ExitStack() as every:
            # Each is told, even if telling one of them should fail.
            for connection in connections:
                every.callback(connection.end, close)

    def _forget(self, session: LiveSession) -> None:
        del self._sessions[session.id]
        self._told.pop(session.id, None)
        self._dirty.discard(session)
        self._resting.discard(session)


def _nobody_waits(_deadline: int) -> None:
    """Stand in for the timer before there is one."""


def _remember(memory: OrderedDict[str, V], key: str, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED_MAX:
        memory.popitem(last=False)
