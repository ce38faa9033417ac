"""Clients: what each device holds of each timeline, and the law that it must obey.

Snapshot plus events equals a fresh snapshot: whatever a device holds, built as protocol.md tells it
to, is what another device of the same member is told afresh. Invariant: a line follows a timeline
at most once; what it held when it broke is on the shelf of its session, to be resumed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.oracle.catalogue import Catalogue
from tests.oracle.deviation import Deviation
from tests.oracle.follower import Follower, unlike
from tests.oracle.landed import SIGNALS
from tests.oracle.lanes import is_told, lane_of, timeline_of
from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.sphere import Thread
from tests.oracle.model.world import World
from tests.oracle.rules.reading import is_seen
from tests.oracle.rules.vocabulary import Command, Draw
from tests.oracle.settling import PATIENCE_S, Heard

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

#: Of the comparisons, those that wait until it is told who is there.
PRESENCES = 0.4
Held = dict[tuple[int, str], Follower]


class Clients:
    """Every device that follows something, and what those held that are away."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._followers: Held = {}  #: by connection and timeline
        self._shelf: Held = {}  #: by session and timeline
        self._catalogues: dict[int, Catalogue] = {}  #: by connection

    def put_away(self, connection: int, session: int) -> None:
        """Put what a line held on the shelf of its session."""
        self._catalogues.pop(connection, None)
        for one, timeline in [pair for pair in self._followers if pair[0] == connection]:
            self.shelve(one, timeline, session)

    def shelve(self, connection: int, timeline: str, session: int) -> None:
        """Let a line follow a timeline no more."""
        follower = self._followers.pop((connection, timeline), None)
        if follower is not None:
            self._shelf[session, timeline] = follower

    def hear(self, heard: Heard) -> None:
        """Let every device process what came."""
        for key, frames in heard.items():
            session = self._walk.world.connections[key].session.key
            self._keep_up(key, frames)
            for frame in frames:
                if is_told(frame):
                    self._walk.counts[f"heard: {frame['type']}"] += 1
                    self._hear(key, session, frame)
                elif frame["type"] in SIGNALS:
                    self._feel(key, frame)

    def _keep_up(self, key: int, frames: list[Frame]) -> None:
        """Keep the list of a device fresh by what came, and compare it with another list."""
        held = self._catalogues.get(key)
        fresh = None
        for frame in frames:
            if frame["type"] == "spheres":
                fresh = Catalogue(frame)
            for one in (held, fresh):
                if one is not None:
                    one.take(frame)
        if fresh is None:
            return
        self._catalogues[key] = fresh
        if held is not None:
            self._walk.counts["law: list"] += 1
            if found := held.differs(fresh):
                me = self._walk.world.connections[key]
                raise Deviation(f"the list of {me} is not what a fresh one says: {found}")

    def _feel(self, key: int, signal: Frame) -> None:
        self._walk.counts[f"heard: {signal['type']}"] += 1
        if (follower := self._followers.get((key, lane_of(signal)))) is not None:
            follower.take_signal(signal)

    def _hear(self, key: int, session: int, frame: Frame) -> None:
        timeline = lane_of(frame)
        if frame["type"] in {"sphere_forgotten", "thread_forgotten", "left"}:
            _forget(self._followers, key, timeline)
            _forget(self._shelf, session, timeline)
        elif (follower := self._followers.get((key, timeline))) and "at" in frame:
            follower.take(frame)

    async def follow_something(self) -> None:
        """Let some device subscribe as protocol.md says: resume what it held, fill the gap."""
        draw = Draw(self._walk.world, self._walk.rng)
        me = draw.connection(inside=True)
        if me is None:
            await self._walk.take(self._walk.draw())
            return
        await self.follow(me.key, draw.timeline(me.member))

    async def follow(self, key: int, where: Frame) -> None:
        """Subscribe, resuming what is on the shelf; steps 2 to 9 of «subscribing and resuming»."""
        walk = self._walk
        await walk.settle()
        me = walk.world.connections.get(key)
        if me is None:
            return
        timeline = timeline_of(where)
        self.shelve(key, timeline, me.session.key)
        follower = self._shelf.pop((me.session.key, timeline), None) or Follower()
        follower.where = where
        asked = where | ({} if follower.last is None else {"after": follower.last})
        got = await walk.command(Command(key, "subscribe", asked))
        if got["type"] == "error":
            return
        horizon = got["sphere"]["horizon"] if got["type"] == "subscribed" else 1
        is_new = follower.last is None or follower.horizon != horizon
        follower.start(got)
        self._followers[key, timeline] = follower
        if is_new:
            await self._read_past(key, follower)
        await self._fill(key, follower)

    async def _fill(self, key: int, follower: Follower) -> None:
        while follower.behind:
            limit = self._walk.rng.choice([1, 3, 500])
            gap: Frame = {**follower.where, "after": follower.last, "limit": limit}
            page = await self._walk.command(Command(key, "history", gap))
            follower.take_page(page["events"], past=False)
            self._walk.expect("a gap is filled", bool(page["events"]))

    async def _read_past(self, key: int, follower: Follower) -> None:
        before = (follower.last or 0) + 1
        for _ in range(self._walk.rng.randrange(4)):
            limit = self._walk.rng.choice([1, 4, 500])
            asked = {**follower.where, "before": before, "limit": limit}
            page = await self._walk.command(Command(key, "history", asked))
            follower.take_page(page["events"], past=True)
            if not page["more"]:
                return
            before = page["events"][0]["seq"]

    async def check_one(self) -> None:
        """Hold some device to the law, or let one begin."""
        if self._followers:
            rng, told = self._walk.rng, [pair for pair, one in self._followers.items() if one.reads]
            some = told if told and rng.random() < PRESENCES else list(self._followers)
            await self._check(*rng.choice(some))
        else:
            await self.follow_something()

    async def check_all(self) -> None:
        """Hold every device to the law."""
        for connection, timeline in tuple(self._followers):
            await self._check(connection, timeline)

    async def _check(self, key: int, timeline: str) -> None:
        """Compare what a device holds with what another one is told afresh."""
        walk = self._walk
        await walk.settle()
        old, me = self._followers.get((key, timeline)), walk.world.connections.get(key)
        if old is None or me is None:
            return
        walk.note(f"the law: {me} in {timeline}")
        if old.reads or walk.rng.random() < PRESENCES:
            await self._look_around(key, timeline)
            if (key, timeline) not in self._followers:
                return
        other = await walk.crowd.open(me.session)
        fresh = await self._afresh(other.key, old.where)
        await walk.settle()
        await walk.crowd.close(other.key)
        walk.counts["law: compared"] += 1
        walk.counts["law: of a thread"] += "thread" in old.where
        walk.counts["law: former"] += len(fresh.former)
        if old.waits:
            raise Deviation(f"{me} in {timeline} has a hole after {old.last}")
        if found := unlike(old, fresh):
            raise Deviation(
                f"snapshot and events are not a fresh snapshot, {me} in {timeline}: {found}"
            )

    async def _look_around(self, key: int, timeline: str) -> None:
        """Compare who is there, as a device was told, with who is: it may lag, within a bound."""
        found = None
        for patience in PATIENCE_S:
            await asyncio.sleep(patience)
            await self._walk.settle()
            me, follower = (
                self._walk.world.connections.get(key),
                self._followers.get((key, timeline)),
            )
            if me is None or follower is None:
                return
            if (found := _misses(self._walk.world, me, follower)) is None:
                self._walk.counts["law: presence"] += 1
                return
        raise Deviation(f"{self._walk.world.connections[key]} in {timeline} does not know {found}")

    async def _afresh(self, key: int, where: Frame) -> Follower:
        """Read all of a timeline, as if for the first time."""
        fresh = Follower()
        fresh.start(await self._walk.command(Command(key, "subscribe", where)))
        after, more = 0, True
        while more:
            asked = {**where, "after": after, "limit": self._walk.rng.choice([7, 50, 500])}
            page = await self._walk.command(Command(key, "history", asked))
            fresh.take_page(page["events"], past=True)
            more = page["more"]
            after = page["events"][-1]["seq"] if page["events"] else after
        return fresh


def _misses(world: World, me: Connection, follower: Follower) -> str | None:
    """Return what a device has not been told of who is there and how far they read, or None."""
    timeline = world.timeline(follower.where)
    assert timeline is not None
    shown = {one["member"]: one["up_to"] for one in timeline.reads(timeline.stays[me.member])}
    if shown != follower.reads:
        return f"how far they read: {shown}, but {follower.reads}"
    there = {
        one.member.id
        for one in world.living()
        if timeline in one.hears and is_seen(timeline.stays[one.member])
    }
    if not isinstance(timeline, Thread) and there != follower.present:
        return f"who is there: {there}, but {follower.present}"
    return None


def _forget(held: Held, key: int, timeline: str) -> None:
    """Forget a timeline, and with a sphere every thread of it."""
    for one in [one for one in held if one[0] == key]:
        if timeline in {one[1], held[one].where["sphere"]}:
            del held[one]
