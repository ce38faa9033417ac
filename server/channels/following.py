"""Following: the timelines that this node listens to, each in order.

Joins what is heard of other nodes with what is committed here, through one ``Sequence`` a timeline,
and reads from the store what is missing: after a gap lasted, after the heads were compared. Knows
no Redis: who follows is told by ``joined``. Invariant: of a timeline that is followed every event
is delivered, once, in order, from the head that the store had after the subscription was confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from collections.abc import Sequence as Items
from functools import partial

import msgspec
import structlog

from server import errors
from server.channels.outcome import Departed, Publication
from server.channels.sequence import Sequence
from server.protocol.events import ConnectorRevoked, ManagerLeft, MemberLeft
from storage import heads
from storage.database import Database
from storage.timeline import EVERY_SEQ, Entry

#: Entries read at once to mend a gap.
PAGE_MAX = 500

_log = structlog.get_logger(__name__)


class _Followed:
    """One timeline that somebody here listens to."""

    __slots__ = ("mending", "ready", "sequence", "target")

    def __init__(self, ready: asyncio.Future[None]) -> None:
        self.sequence: Sequence[Publication] = Sequence()
        self.ready = ready
        self.target = 0  #: how far the store is known to be
        self.mending = False

    @property
    def gap(self) -> tuple[int, int] | None:
        """Return what is missing, as far as it is known."""
        following = self.sequence.next
        if following is None:
            return None
        return self.sequence.missing or (
            (following, self.target) if self.target >= following else None
        )


class Following:
    """The sequences of a node, and how they are mended."""

    def __init__(
        self,
        database: Database,
        deliver: Callable[[Publication], None],
        *,
        repair_after_s: float,
    ) -> None:
        self._database = database
        self._deliver = deliver
        self._repair_after_s = repair_after_s
        self._followed: dict[str, _Followed] = {}
        self._joined: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.repaired = 0  #: entries that the store had to give

    def __contains__(self, timeline: str) -> bool:
        """Say whether somebody here listens to a timeline."""
        return timeline in self._followed

    def __iter__(self) -> Iterator[str]:
        """Return the timelines."""
        return iter(tuple(self._followed))

    # -- coming and going

    def begin(self, timeline: str) -> asyncio.Future[None]:
        """Follow a timeline; return what is done when nothing more can be missed."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._followed[timeline] = _Followed(ready)
        return ready

    def ready(self, timeline: str) -> asyncio.Future[None] | None:
        """Return when a timeline that is followed will be, or was, ready; None if it is not."""
        followed = self._followed.get(timeline)
        return None if followed is None else followed.ready

    def end(self, timeline: str) -> None:
        """Follow a timeline no more."""
        followed = self._followed.pop(timeline, None)
        if followed is not None:
            _give_up(followed.ready)

    def end_all(self) -> None:
        """Follow nothing any more."""
        for timeline in tuple(self._followed):
            self.end(timeline)

    def joined(self, timeline: str) -> None:
        """Take it that what is said of a timeline from now on is heard; look how far it is."""
        if timeline in self._followed:
            if not self._joined:
                self._spawn(self._look())
            self._joined.add(timeline)

    async def _look(self) -> None:
        """Read the heads of all that were joined in this turn of the loop, and begin there."""
        await asyncio.sleep(0)
        joined, self._joined = self._joined, set()
        followed = {one: self._followed[one] for one in joined if one in self._followed}
        try:
            found = await self._database.read(heads.heads, followed)
        except errors.StorageUnavailable:
            for timeline, one in followed.items():
                if not one.ready.done() and self._followed.get(timeline) is one:
                    self.end(timeline)
            return
        for timeline, one in followed.items():
            if self._followed.get(timeline) is one:
                self._begin(timeline, one, found.get(timeline, 0))

    def _begin(self, timeline: str, followed: _Followed, head: int) -> None:
        if followed.sequence.next is not None:
            self._aim(timeline, followed, head)
            return
        self._hand(followed.sequence.begin(head))
        self._watch(timeline, followed)
        if not followed.ready.done():
            followed.ready.set_result(None)

    # -- what is heard

    def in_turn(self, entries: Items[Entry]) -> bool:
        """Take entries that are all next on their timelines; False, with none taken, if not."""
        expected: dict[str, int] = {}
        for entry in entries:
            followed = self._followed.get(entry.event.timeline)
            if followed is not None:
                timeline, seq = entry.event.timeline, entry.event.seq
                due = expected.get(timeline, followed.sequence.next)
                if due != seq or followed.sequence.missing is not None:
                    return False
                expected[timeline] = seq + 1
        for timeline, due in expected.items():
            self._followed[timeline].sequence.next = due
        return True

    def take(self, entry: Entry, publication: Publication) -> None:
        """Deliver a publication, whose one entry this is, when its turn has come."""
        timeline, seq = entry.event.timeline, entry.event.seq
        followed = self._followed.get(timeline)
        if followed is None:
            self._deliver(publication)
        elif followed.sequence.passed(seq):
            rest = msgspec.structs.replace(publication, entries=())
            if rest != Publication():
                self._deliver(rest)
        else:
            self._hand(followed.sequence.offer(seq, publication))
            self._watch(timeline, followed)

    def _hand(self, ready: list[Publication]) -> None:
        for publication in ready:
            self._deliver(publication)

    # -- what is missing

    def _watch(self, timeline: str, followed: _Followed) -> None:
        """Have a gap mended unless it closes by itself in time."""
        if followed.gap is not None and not followed.mending:
            followed.mending = True
            asyncio.get_running_loop().call_later(
                self._repair_after_s, partial(self._overdue, timeline, followed)
            )

    def _overdue(self, timeline: str, followed: _Followed) -> None:
        if followed.gap is None or self._followed.get(timeline) is not followed:
            followed.mending = False
        else:
            self._spawn(self._mend(timeline, followed))

    async def _mend(self, timeline: str, followed: _Followed) -> None:
        try:
            while (gap := followed.gap) is not None and self._followed.get(timeline) is followed:
                await self._read_gap(timeline, followed, gap)
        except errors.StorageUnavailable:
            _log.warning("repair_postponed")
        finally:
            followed.mending = False

    async def _read_gap(self, timeline: str, followed: _Followed, gap: tuple[int, int]) -> None:
        first, last = gap
        most = min(last - first + 1, PAGE_MAX)
        found = await self._database.read(heads.entries, timeline, above=first - 1, most=most)
        if self._followed.get(timeline) is not followed:
            return
        for entry in found:
            if not followed.sequence.passed(entry.event.seq):
                self.repaired += 1
                self.take(entry, mended(entry))
        if followed.sequence.next == first:  # it is gone with its sphere
            followed.target = 0
            self._hand(followed.sequence.skip(found[0].event.seq if found else last + 1))

    async def compare(self) -> None:
        """Compare every timeline with the store. Raises StorageUnavailable."""
        known = {one: it for one, it in self._followed.items() if it.sequence.next is not None}
        found = await self._database.read(heads.heads, known) if known else {}
        for timeline, followed in known.items():
            if self._followed.get(timeline) is not followed:
                continue
            head = found.get(timeline)
            if head is not None:
                self._aim(timeline, followed, head)
            else:
                gone = Departed(sphere=timeline, thread=None, member=None, seq=EVERY_SEQ)
                self._deliver(Publication(dissolved=(timeline,), departed=(gone,)))

    def _aim(self, timeline: str, followed: _Followed, head: int) -> None:
        followed.target = max(followed.target, head)
        self._watch(timeline, followed)

    async def stop(self) -> None:
        """Mend nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def mended(entry: Entry) -> Publication:
    """Return what would have been published with an event that was only found in the store."""
    event = entry.event
    if isinstance(event, MemberLeft | ManagerLeft):
        gone = Departed(
            sphere=event.sphere, thread=event.thread, member=event.member, seq=event.seq
        )
        return Publication(entries=(entry,), departed=(gone,))
    if isinstance(event, ConnectorRevoked):
        return Publication(entries=(entry,), revoked=(event.connector,))
    return Publication(entries=(entry,))


def _give_up(ready: asyncio.Future[None]) -> None:
    """Refuse whoever waits to follow."""
    if not ready.done():
        ready.set_exception(errors.Busy(retry_after_ms=1_000))
        ready.exception()  # nobody may be waiting
