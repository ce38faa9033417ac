"""Transfer: one file that comes or goes, as its session and its timeline see it.

It counts as a connection of its session: whatever ends the session ends it, and a departure from
the timeline cuts what goes. Decides how many there are at once. Invariant: after ``cut`` not a byte
more is handed to the connection, and what it holds unsent is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from server import errors
from server.auth.live import LiveSessions
from server.channels.line import Line
from server.clock import Clock
from server.protocol.close import Close
from storage.sessions import Session


class Transfer:
    """A file that comes from a member, or goes to one."""

    def __init__(self, reader: str, line: Line) -> None:
        self.reader = reader
        self.outdated = False  #: something of its timeline was erased: ask the store again
        self.over = False
        self._line = line

    def cut(self) -> None:
        """Let no further byte leave."""
        self.over = True
        self._line.abort()

    def end(self, _close: Close) -> None:
        """Close, with the session."""
        self.cut()

    @property
    def lost(self) -> bool:
        """Say whether it was cut, or nobody is there any more."""
        return self.over or self._line.lost


class Transfers:
    """What comes and goes on this node, within its bounds."""

    def __init__(self, live: LiveSessions, clock: Clock, *, most: int, per_member: int) -> None:
        self._live = live
        self._clock = clock
        self._most = most
        self._per_member = per_member
        self._open: Counter[str] = Counter()

    @contextmanager
    def open(self, stored: Session, line: Line) -> Iterator[Transfer]:
        """Begin a transfer of a session. Raises NotAuthenticated, Full, TooFast, Busy."""
        member = stored.member.id
        if self._open[member] >= self._per_member:
            raise errors.TooFast(retry_after_ms=1_000)
        if self._open.total() >= self._most:
            raise errors.Busy(retry_after_ms=1_000)
        transfer = Transfer(member, line)
        session = self._live.attach(stored, transfer, self._clock.now())
        self._open[member] += 1
        try:
            yield transfer
        finally:
            self._live.detach(session, transfer)
            self._open[member] -= 1
            if not self._open[member]:
                del self._open[member]
