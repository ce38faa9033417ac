"""Timeline: which events of one sphere to show, in which order, and what to forget first.

Or of one private thread: it has a timeline of its own.

Events come live, in pages of history, twice, or with holes: a connection breaks, a server sends
again, a page crosses a live event. This module decides what of it is shown and what must still be
asked for; it does no I/O and knows no clock.

Invariants: each ``seq`` is shown once, in rising order; a purge leaves at once, whatever is still
missing before the event that caused it; after a purge has left, nothing that it covers does, until
the server has been asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from clients.wire import PAGE_EVENTS_MAX, Frame, Incoherent

#: Events held back while a gap before them is filled. More are forgotten, and asked for again.
AHEAD_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Purge:
    """What must be forgotten: what ``author`` wrote in ``sphere`` at a ``seq`` below ``before``.

    With ``message``, that one alone, with what hangs on it; with ``thread``, in that thread.
    ``told`` says that an event of the timeline announces it.
    """

    sphere: str
    author: str
    before: int
    told: bool = False
    message: int | None = None
    thread: str | None = None

    @property
    def timeline(self) -> str:
        """Return the id of the timeline that it is about."""
        return self.thread or self.sphere

    def covers(self, event: Frame) -> bool:
        """Say whether ``event`` is something that this author said, or tells their name."""
        if event["seq"] >= self.before:
            return False
        if self.message is not None:
            hangs = event["type"] in _HANGING and event["message"] == self.message
            return bool(hangs or event["seq"] == self.message)
        said_by = _SAID_BY.get(event["type"])
        return said_by is not None and bool(said_by(event) == self.author)

    def record(self) -> Frame:
        """Return what ``--json`` prints, so that a reader of the output can forget too."""
        said = {"type": "purge", "sphere": self.sphere, "author": self.author}
        only = {"thread": self.thread, "message": self.message}
        return {
            **said,
            "before": self.before,
            **{name: value for name, value in only.items() if value is not None},
        }


@dataclass(frozen=True, slots=True)
class Ask:
    """A page of history that is missing: what is above ``after``, up to ``upto``."""

    after: int
    upto: int
    epoch: int

    @property
    def limit(self) -> int:
        """Return how many events to ask for."""
        return min(PAGE_EVENTS_MAX, self.upto - self.after)


Output = Frame | Purge

#: Events that put other words in the place of a message.
EDITS: Final = frozenset({"message_edited", "private_edited"})
#: Events that hang on a message, and go with it.
_HANGING: Final = frozenset({"reaction_added", "reaction_removed"}) | EDITS
#: Whose words, or whose name, an event holds.
_SAID_BY: Final[dict[str, Callable[[Frame], object]]] = {
    "message_posted": itemgetter("author"),
    "private_posted": itemgetter("author"),
    "message_edited": itemgetter("author"),
    "private_edited": itemgetter("author"),
    "reaction_added": itemgetter("by"),
    "reaction_removed": itemgetter("by"),
    "member_joined": lambda event: event["member"]["member"],
    "member_renamed": itemgetter("member"),
}


class Timeline:
    """What this client has shown of one sphere, and what it holds back.

    ``after`` is the last seq already shown by an earlier run, when there was one.
    """

    def __init__(self, after: int | None = None) -> None:
        self.shown = after
        #: Rises with each purge: a page that was asked for before it may hold what it erased.
        self.epoch = 0
        self._begun = False
        self._head = 0
        self._ahead: dict[int, Frame] = {}
        self._purges: list[Purge] = []

    def begin(self, head: int, purges: Iterable[Purge] = (), *, back: int = 0) -> list[Output]:
        """Take the answer to a subscription: forget first, then go on from where this was.

        A timeline that has shown nothing begins ``back`` places below ``head``.
        """
        outputs: list[Output] = []
        for purge in purges:
            outputs += self._forget(purge)
        if self.shown is None:
            self.shown = max(0, head - back)
        self._begun = True
        self._head = max(self._head, head)
        return outputs + self._drain()

    def suspend(self) -> None:
        """Hold everything back until ``begin``: the connection is gone, purges may be due."""
        self._begun = False

    def hear(self, event: Frame) -> list[Output]:
        """Take a live event; return what may be shown now."""
        seq = _seq_of(event)
        if seq <= (self.shown or 0) or seq in self._ahead:
            return []
        self._head = max(self._head, seq)
        outputs = self._purged_by(event)
        if self._may_hold(event):
            self._ahead[seq] = event
        return outputs + self._drain()

    def ask(self) -> Ask | None:
        """Return the page to ask for, or None when nothing is missing."""
        if not self._begun or self.shown is None or self.shown >= self._head:
            return None
        upto = min(self._ahead) - 1 if self._ahead else self._head
        return Ask(self.shown, upto, self.epoch)

    def take(self, ask: Ask, events: Sequence[Frame], *, more: bool) -> list[Output]:
        """Take the page that answers ``ask``; return what may be shown now.

        A page asked for before a purge is not used: ``ask`` returns the same question again.
        """
        if ask.epoch != self.epoch or not self._begun:
            return []
        covered = max((_seq_of(event) for event in events), default=ask.after)
        if not more:
            covered = max(covered, ask.upto)
        if covered <= ask.after:
            raise Incoherent("The server says that history goes on, and sends none.")
        outputs: list[Output] = []
        for event in events:
            outputs += self._show(event)
        self.shown = max(self.shown or 0, covered)
        return outputs + self._drain()

    def _show(self, event: Frame) -> list[Output]:
        if event["seq"] <= (self.shown or 0):
            return []
        purged = self._purged_by(event)
        self.shown = event["seq"]
        return [*purged, event]

    def _may_hold(self, event: Frame) -> bool:
        # What is not held is not lost: it leaves a gap, which is asked for.
        if any(purge.covers(event) for purge in self._purges):
            return False
        return len(self._ahead) < AHEAD_MAX or event["seq"] == (self.shown or 0) + 1

    def _drain(self) -> list[Output]:
        if not self._begun or self.shown is None:
            return []
        outputs: list[Output] = []
        while (event := self._ahead.pop(self.shown + 1, None)) is not None:
            self.shown += 1
            outputs.append(event)
        self._settle(self.shown)
        return outputs

    def _settle(self, shown: int) -> None:
        self._head = max(self._head, shown)
        if self._ahead and min(self._ahead) <= shown:
            self._ahead = {seq: event for seq, event in self._ahead.items() if seq > shown}
        # What is above ``shown`` is all that a purge can still meet.
        self._purges = [purge for purge in self._purges if purge.before > shown + 1]

    def _purged_by(self, event: Frame) -> list[Output]:
        purge = purge_of(event)
        return [] if purge is None else self._forget(purge)

    def _forget(self, purge: Purge) -> list[Output]:
        self.epoch += 1
        self._purges.append(purge)
        self._ahead = {seq: event for seq, event in self._ahead.items() if not purge.covers(event)}
        return [purge]


def purge_of(event: Frame) -> Purge | None:
    """Return what ``event`` orders to forget, if anything."""
    kind, sphere, seq, thread = event["type"], event["sphere"], event["seq"], event.get("thread")
    if kind in {"member_left", "manager_left"} and event["kept"] != "named":
        return Purge(sphere, event["member"], seq, told=True, thread=thread)
    if kind == "bequest_withdrawn":
        return Purge(sphere, event["author"], event["before"], told=True, thread=thread)
    if kind == "message_deleted":
        return Purge(sphere, "", seq, told=True, message=event["message"], thread=thread)
    return None


def purges_of(subscribed: Frame) -> list[Purge]:
    """Return the purges in the answer to a subscription."""
    view = subscribed.get("thread") or subscribed["sphere"]
    return [
        Purge(
            view["sphere"],
            purge["author"],
            purge["before"],
            message=purge.get("message"),
            thread=view.get("thread"),
        )
        for purge in subscribed["purges"]
    ]


def _seq_of(event: Frame) -> int:
    seq = event.get("seq")
    if not isinstance(seq, int):
        raise Incoherent("The server sent an event without its place on the timeline.")
    return seq
