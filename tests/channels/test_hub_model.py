"""The hub against a plain model: any order of reading, publishing, leaving and coming back.

The model is four sentences. A subscription hears what is published above the head of what it read.
It ends when its member's departure is published, or by its own act. Nothing else is ever heard.
Once nothing is left to be told, everybody holds for present exactly who listens, is not hidden, and
is not one of too many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from server import errors
from server.channels.broker_memory import MemoryBroker
from server.channels.outcome import Publication
from server.channels.room import Reading
from server.domain.facts import Member, Seat
from server.protocol.codec import JSON, MSGPACK
from server.protocol.signals import Typing
from tests.channels.listeners import (
    ANA,
    BOB,
    CAROL,
    OTHER_SPHERE,
    SPHERE,
    Ear,
    Node,
    departure,
    joined,
    posted,
    said,
)

spheres = st.sampled_from([SPHERE, OTHER_SPHERE])
people = st.sampled_from([ANA, BOB, CAROL])


class Store:
    """One timeline as the database has it: what is committed, heard by this node or not yet."""

    def __init__(self) -> None:
        self.head = 0
        self.roster: dict[str, Seat] = {}

    def next(self) -> int:
        """Allot a seq."""
        self.head += 1
        return self.head


class Attempt:
    """A subscription being made."""

    def __init__(self, ear: Ear, sphere: str, stack: ExitStack, watch: Reading) -> None:
        self.ear = ear
        self.sphere = sphere
        self.stack = stack
        self.watch = watch
        self.left = False
        self.snapshot: tuple[int, Mapping[str, Seat]] | None = None


class Listening(RuleBasedStateMachine):
    """Two spheres, three people, any number of devices."""

    ears = Bundle("ears")
    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.node = Node()
        self.broker = MemoryBroker()
        self.broker.listen(self.node.hub.deliver)
        self.stores = {SPHERE: Store(), OTHER_SPHERE: Store()}
        self.committed: deque[Publication] = deque()
        self.published: dict[str, list[int]] = {SPHERE: [], OTHER_SPHERE: []}
        self.subscribed: dict[tuple[Ear, str], None] = {}
        self.expected: dict[tuple[Ear, str], list[int]] = {}
        self.open: list[Attempt] = []
        self.everyone: list[Ear] = []
        self.quiet = True  #: the turn is over: nothing waits to be handed on
        self.crowd = 200
        self.now = 0
        self.wishes: dict[str, list[bool]] = {who.id: [False] for who in (ANA, BOB, CAROL)}
        self.began: dict[tuple[Ear, str], tuple[int, set[str]]] = {}
        self.ended: dict[tuple[Ear, str], int] = {}

    @initialize(crowd=st.sampled_from([2, 200]))
    def choose(self, crowd: int) -> None:
        self.crowd = crowd
        self.node = Node(presence_members_max=crowd)
        self.broker = MemoryBroker()
        self.broker.listen(self.node.hub.deliver)

    # -- what the store does

    @rule(sphere=spheres, count=st.integers(1, 4))
    def post(self, sphere: str, count: int) -> None:
        store = self.stores[sphere]
        self.committed += [
            said(posted(store.next(), sphere=sphere, body="x" * 9)) for _ in range(count)
        ]

    @rule(sphere=spheres)
    def post_at_length(self, sphere: str) -> None:
        body = "y" * 40_000
        self.committed.append(said(posted(self.stores[sphere].next(), sphere=sphere, body=body)))

    @rule(sphere=spheres, who=people)
    def come(self, sphere: str, who: Member) -> None:
        store = self.stores[sphere]
        if who.id not in store.roster:
            store.roster[who.id] = Seat(horizon=store.next())
            self.committed.append(said(joined(store.head, who, sphere=sphere)))

    @rule(sphere=spheres, who=people)
    def go(self, sphere: str, who: Member) -> None:
        store = self.stores[sphere]
        if store.roster.pop(who.id, None):
            self.committed.append(departure(store.next(), who, sphere=sphere))

    @rule(who=people, hidden=st.booleans())
    def wish(self, who: Member, hidden: bool) -> None:  # noqa: FBT001  # drawn
        self.wishes[who.id].append(hidden)
        self.committed.append(Publication(appearances=((who.id, not hidden),)))

    # -- what the node hears

    @rule(count=st.integers(1, 3))
    def publish(self, count: int) -> None:
        for _ in range(min(count, len(self.committed))):
            publication = self.committed.popleft()
            self.broker.publish(publication)
            self.quiet = False
            for sphere, who in publication.departures:
                self._end(sphere, who)
            for entry in publication.entries:
                self._hear(entry.event.sphere, entry.event.seq)

    def _end(self, sphere: str, who: str) -> None:
        for attempt in self.open:
            attempt.left |= (attempt.sphere, attempt.ear.member.id) == (sphere, who)
        for ear, listened in tuple(self.subscribed):
            if (listened, ear.member.id) == (sphere, who):
                self._over(ear, listened)
                assert ear.heard(sphere) == self.expected[ear, sphere]

    def _hear(self, sphere: str, seq: int) -> None:
        self.published[sphere].append(seq)
        for ear, listened in self.subscribed:
            if listened == sphere and seq > self._floor[ear, sphere]:
                self.expected[ear, sphere].append(seq)

    def _over(self, ear: Ear, sphere: str) -> None:
        del self.subscribed[ear, sphere]
        self.ended[ear, sphere] = len(_frames(ear, sphere))

    @rule()
    def turn(self) -> None:
        self.node.turns.take()
        self.quiet = True

    @rule()
    def beat(self) -> None:
        self.node.later.come()

    @rule()
    def settle(self) -> None:
        while self.committed:
            self.publish(3)
        while self.node.hub._beats.restless or self.node.later.waiting:
            self.node.beat()
        self.turn()
        for ear, sphere in self.subscribed:
            assert self._held(ear, sphere) == self._there(sphere)

    def _there(self, sphere: str) -> set[str]:
        if len(self.stores[sphere].roster) > self.crowd:
            return set()
        listening = {ear.member.id for ear, listened in self.subscribed if listened == sphere}
        return {who for who in listening if not self.wishes[who][-1]}

    def _held(self, ear: Ear, sphere: str) -> set[str]:
        start, found = self.began[ear, sphere]
        held = set(found)
        for frame in _frames(ear, sphere)[start:]:
            if frame["type"] == "presence":
                held |= set(frame.get("came", []))
                held -= set(frame.get("went", []))
            elif frame["type"] == "member_left":
                held.discard(frame["member"])
        return held

    # -- what people do

    @rule(
        target=ears,
        who=people,
        encoding=st.sampled_from([MSGPACK, JSON]),
        hot=st.booleans(),
        age=st.integers(1, 3),
    )
    def connect(
        self,
        who: Member,
        encoding: object,
        hot: bool,  # noqa: FBT001  # drawn
        age: int,
    ) -> Ear:
        ear = Ear(who, JSON if encoding is JSON else MSGPACK, hot=hot)
        # What was read may be older than what is known here, where something was announced.
        wishes = self.wishes[who.id]
        assume(age <= len(wishes))
        self.node.hub.greet(ear, hidden=wishes[-age])
        self.everyone.append(ear)
        return ear

    @rule(target=attempts, ear=ears, sphere=spheres)
    def begin(self, ear: Ear, sphere: str) -> Attempt | None:
        if ear.closed or any(attempt.ear is ear for attempt in self.open):
            return None
        self._unsubscribe(ear, sphere)
        stack = ExitStack()
        watch = stack.enter_context(self.node.hub.subscribing(sphere, ear))
        attempt = Attempt(ear, sphere, stack, watch)
        self.open.append(attempt)
        return attempt

    @rule(attempt=attempts)
    def read(self, attempt: Attempt | None) -> None:
        if attempt is not None and attempt.snapshot is None:
            store = self.stores[attempt.sphere]
            attempt.snapshot = store.head, dict(store.roster)

    @rule(attempt=consumes(attempts))
    def finish(self, attempt: Attempt | None) -> None:
        if attempt is None:
            return
        self.read(attempt)
        assert attempt.snapshot is not None
        head, roster = attempt.snapshot
        self.open.remove(attempt)
        with attempt.stack:
            if attempt.ear.closed or attempt.ear.member.id not in roster:
                return  # the session is gone, or the store answers NotFound by itself
            try:
                self.node.hub.check_reading(attempt.watch)
                found = self.node.hub.there(attempt.watch, head=head, roster=roster)
                self.began[attempt.ear, attempt.sphere] = (
                    len(_frames(attempt.ear, attempt.sphere)),
                    set(found),
                )
                self.node.hub.subscribe(attempt.watch, head=head, roster=roster)
            except errors.NotFound:
                assert attempt.left or self.committed, "refused without a reason"
                return
            assert not attempt.left
            self._subscribed(attempt.ear, attempt.sphere, head)

    def _subscribed(self, ear: Ear, sphere: str, head: int) -> None:
        self._floor[ear, sphere] = head
        self.subscribed[ear, sphere] = None
        ear.subscriptions[sphere] = None
        missed = [seq for seq in self.published[sphere] if seq > head]
        self.expected.setdefault((ear, sphere), []).extend(missed)

    @rule(ear=ears, sphere=spheres)
    def unsubscribe(self, ear: Ear, sphere: str) -> None:
        self._unsubscribe(ear, sphere)

    def _unsubscribe(self, ear: Ear, sphere: str) -> None:
        if (ear, sphere) in self.subscribed:
            self.node.hub.unsubscribe(sphere, ear)
            del ear.subscriptions[sphere]
            self._over(ear, sphere)
            assert ear.heard(sphere) == self.expected[ear, sphere]

    @rule(ear=ears, sphere=spheres, pause=st.integers(0, 5_000))
    def type(self, ear: Ear, sphere: str, pause: int) -> None:
        self.now += pause
        if (ear, sphere) in self.subscribed:
            typing = Typing(sphere=sphere, member=ear.member.id)
            self.node.hub.type(sphere, typing, self.now)

    @rule(ear=ears)
    def change_pace(self, ear: Ear) -> None:
        ear.congested = not ear.congested
        mine = [sphere for listener, sphere in self.subscribed if listener is ear]
        self.node.hub.congestion_changed(iter(mine))

    @rule(ear=ears)
    def close(self, ear: Ear) -> None:
        if not ear.closed:
            mine = [sphere for listener, sphere in self.subscribed if listener is ear]
            self.node.hub.dismiss(ear, iter(mine))
            ear.closed = True
            for sphere in mine:
                self._over(ear, sphere)

    # -- what must always hold

    @property
    def _floor(self) -> dict[tuple[Ear, str], int]:
        return self.__dict__.setdefault("floors", {})  # type: ignore[no-any-return]  # made here

    @invariant()
    def nobody_hears_what_the_model_does_not_know(self) -> None:
        for ear in self.everyone:
            for sphere in self.stores:
                expected = self.expected.get((ear, sphere), [])
                heard = ear.heard(sphere)
                assert heard == expected[: len(heard)]
                if self.quiet or (ear, sphere) not in self.subscribed:
                    assert heard == expected

    @invariant()
    def nothing_at_all_is_heard_after_the_end(self) -> None:
        for (ear, sphere), count in self.ended.items():
            if (ear, sphere) not in self.subscribed:
                assert len(_frames(ear, sphere)) == count

    @invariant()
    def nobody_is_told_that_they_type_themselves(self) -> None:
        for ear in self.everyone:
            typists = [one["member"] for one in ear.events if one["type"] == "typing"]
            assert ear.member.id not in typists

    def teardown(self) -> None:
        for attempt in self.open:
            attempt.stack.close()
        self.open.clear()
        self.settle()
        self.nobody_hears_what_the_model_does_not_know()
        for ear in self.everyone:
            self.close(ear)
        assert self.node.holds == 0
        super().teardown()


def _frames(ear: Ear, sphere: str) -> list[dict[str, Any]]:
    return [frame for frame in ear.events if frame["sphere"] == sphere]


TestListening = Listening.TestCase
TestListening.settings = settings(stateful_step_count=60)
