"""Whatever happens between a server and a client: each event once, in order, and nothing erased.

A model of the server keeps a timeline with its erasures; a model of the wire delays, repeats and
loses what it says. Hypothesis chooses what happens and when.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.timeline import Ask, Output, Purge, Timeline
from tests.clients.events import SPHERE, event, joined, left, message

Frame = dict[str, Any]
PEOPLE = ("ana", "bob")


@dataclass
class Server:
    """A timeline, as the protocol describes it."""

    timeline: list[Frame] = field(default_factory=list)
    purges: list[tuple[int, str]] = field(default_factory=list)
    inside: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> int:
        return len(self.timeline)

    def act(self, who: str, kept: str | None) -> list[Frame]:
        """Let somebody write or, when ``kept`` says what of theirs, leave; return the events."""
        before = self.head
        if who not in self.inside:
            self._outside(who, kept)
        elif kept is None:
            self.timeline.append(message(self.head + 1, who, f"{who} at {self.head + 1}"))
        else:
            self._leave(who, kept)
        return [dict(each) for each in self.timeline[before:]]

    def page(self, ask: Ask, size: int) -> tuple[list[Frame], bool]:
        """Return a page, cut short after ``size`` events."""
        rest = [dict(each) for each in self.timeline[ask.after :]]
        wanted = rest[: min(ask.limit, size)]
        return wanted, len(rest) > len(wanted)

    def _outside(self, who: str, kept: str | None) -> None:
        if kept == "none" and who in self.kept:
            self._withdraw(who)
        else:
            self.inside.add(who)
            self.timeline.append(joined(self.head + 1, who, who))

    def _leave(self, who: str, kept: str) -> None:
        self.inside.discard(who)
        pseudonym = self.kept.get(who) == "anonymous"
        if kept != "named":
            self._rewrite(who, None if kept == "none" else f"former {who}")
            self.purges.append((self.head + 1, who))
        self.timeline.append(left(self.head + 1, who, kept))
        if kept == "none" and pseudonym:
            self._withdraw(who)
        elif kept == "none":
            self.kept.pop(who, None)
        else:
            self.kept[who] = "anonymous" if pseudonym else kept

    def _withdraw(self, who: str) -> None:
        pseudonym = [f"former {who}"] if self.kept.pop(who) == "anonymous" else []
        for author in [who, *pseudonym]:
            self._rewrite(author, None)
            self.purges.append((self.head + 1, author))
            self.timeline.append(
                event("bequest_withdrawn", self.head + 1, author=author, before=self.head + 1)
            )

    def _rewrite(self, author: str, pseudonym: str | None) -> None:
        everything = Purge(SPHERE, author, self.head + 1)
        for place, each in enumerate(self.timeline):
            if not everything.covers(each):
                continue
            if pseudonym is None or each["type"] == "member_joined":
                self.timeline[place] = event("erased", each["seq"])
            else:
                self.timeline[place] = {**each, "author": pseudonym}


@dataclass
class Client:
    """A timeline behind a wire that delays, repeats and loses."""

    server: Server
    timeline: Timeline = field(default_factory=Timeline)
    outputs: list[Output] = field(default_factory=list)
    wire: deque[Frame] = field(default_factory=deque)
    pages: deque[tuple[Ask, list[Frame], bool]] = field(default_factory=deque)
    snapshot: tuple[int, list[Purge]] | None = None
    connected: bool = False

    def connect(self) -> None:
        """Subscribe; the answer is on its way."""
        after = self.timeline.shown
        due = [
            Purge(SPHERE, author, before)
            for before, author in self.server.purges
            if after is not None and before > after
        ]
        self.snapshot, self.connected = (self.server.head, due), True

    def disconnect(self) -> None:
        """Lose what was on its way."""
        self.wire.clear()
        self.pages.clear()
        self.snapshot, self.connected = None, False
        self.timeline.suspend()

    def begin(self) -> None:
        """Receive the answer to the subscription."""
        if self.snapshot is not None:
            head, purges = self.snapshot
            self.snapshot = None
            self.outputs += self.timeline.begin(head, purges)

    def hear(self, times: int) -> None:
        """Receive the next event so many times: none is a loss."""
        if self.wire:
            frame = self.wire.popleft()
            for _ in range(times):
                self.outputs += self.timeline.hear(dict(frame))

    def ask(self, size: int) -> None:
        """Ask for what is missing; the page is read now, and arrives later."""
        ask = self.timeline.ask()
        if ask is not None and self.connected:
            self.pages.append((ask, *self.server.page(ask, size)))

    def take(self) -> None:
        """Receive a page."""
        if self.pages:
            ask, events, more = self.pages.popleft()
            self.outputs += self.timeline.take(ask, events, more=more)

    def settle(self) -> None:
        """Come back, and receive everything."""
        self.disconnect()
        self.connect()
        self.begin()
        while self.timeline.ask() is not None:
            self.ask(3)
            self.take()


#: Every step, the common ones several times: a wire mostly works.
STEP: list[tuple[Any, ...]] = [
    *[("act", who, None) for who in PEOPLE for _ in range(4)],
    *[("act", who, kept) for who in PEOPLE for kept in ("none", "none", "named", "anonymous")],
    *[("hear", times) for times in (0, 0, 0, 0, 2, 2)],
    *[("hear", 1)] * 24,
    *[("ask", size) for size in (1, 2, 3, 9, 9, 9)],
    *[("take",)] * 6,
    *[("connect",), ("begin",)] * 3,
    ("disconnect",),
]
#: Long enough for a hole, a departure and a page to meet.
STEPS = st.lists(st.sampled_from(STEP), min_size=30, max_size=120)


def play(steps: list[tuple[Any, ...]]) -> Client:
    client = Client(Server())
    client.connect()
    client.begin()
    for name, *arguments in steps:
        if name == "act":
            events = client.server.act(*arguments)
            if client.connected:
                client.wire.extend(events)
        elif name != "connect" or not client.connected:
            getattr(client, name)(*arguments)
    client.settle()
    return client


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_each_event_is_shown_once_and_in_order(steps: list[tuple[Any, ...]]) -> None:
    client = play(steps)

    shown = [output["seq"] for output in client.outputs if not isinstance(output, Purge)]

    assert shown == list(range(client.server.head - len(shown) + 1, client.server.head + 1))


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_nothing_that_a_purge_covers_is_shown_after_it(steps: list[tuple[Any, ...]]) -> None:
    client = play(steps)

    purges: list[Purge] = []
    for output in client.outputs:
        if isinstance(output, Purge):
            purges.append(output)
        else:
            assert not any(purge.covers(output) for purge in purges)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_what_is_left_on_the_screen_is_what_a_fresh_reader_sees(
    steps: list[tuple[Any, ...]],
) -> None:
    client = play(steps)

    screen: dict[int, Frame] = {}
    for output in client.outputs:
        if isinstance(output, Purge):
            screen = {seq: each for seq, each in screen.items() if not output.covers(each)}
        else:
            screen[output["seq"]] = output

    for seq, each in screen.items():
        assert each == client.server.timeline[seq - 1]
    shown = {output["seq"] for output in client.outputs if not isinstance(output, Purge)}
    for seq in shown - screen.keys():
        present = client.server.timeline[seq - 1]
        assert present["type"] == "erased" or present["author"].startswith("former ")
