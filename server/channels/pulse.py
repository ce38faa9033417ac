"""Pulse: whether this node hears the others, and whether they heard all that it said.

Each node numbers what it says of departures and revocations, and beats: a beat says how far its
numbers are. Decides when this node is deaf (it did not hear its own beat for too long), when it
missed something of another, when another fell silent, and who has yet to confirm what. Time is
monotonic seconds, an argument: the clocks of the machines are compared nowhere. Invariant: a number
of another node is taken once, in order, or reported as missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

import msgspec


class Heard(Enum):
    """What a number of another node tells."""

    NEW = "the next"
    KNOWN = "taken before"
    MISSED = "something before it was missed"
    STRANGER = "a node that was not heard of, and said something before"


class Peer(msgspec.Struct):
    """Another node, as far as it is heard."""

    number: int
    heard_at: float
    silent: bool = False


class _Waiting(msgspec.Struct):
    number: int
    until: float
    nodes: set[bytes]
    done: Callable[[], None]


class Pulse:
    """This node's hearing."""

    def __init__(self, *, deaf_after_s: float, forgotten_after_s: float) -> None:
        self._deaf_after = deaf_after_s
        self._forgotten_after = forgotten_after_s
        self._heard_at: float | None = None  #: when the last of my beats that came back was sent
        self._peers: dict[bytes, Peer] = {}
        self._waiting: list[_Waiting] = []

    @property
    def peers(self) -> list[bytes]:
        """Return the other nodes that beat."""
        return [node for node, peer in self._peers.items() if not peer.silent]

    def delivering(self, now: float) -> list[bytes]:
        """Return the other nodes that may still deliver: those silent a moment may stand still.

        When they go on they are deaf at the latest after twice ``deaf_after_s``.
        """
        return [
            node
            for node, peer in self._peers.items()
            if now - peer.heard_at <= 2 * self._deaf_after
        ]

    @property
    def anxious(self) -> bool:
        """Say whether a node fell silent a while ago: what it did last may be found by and by."""
        return any(peer.silent for peer in self._peers.values())

    def echo(self, sent_at: float) -> None:
        """Note that the beat came back that was sent at ``sent_at``."""
        self._heard_at = max(sent_at, self._heard_at or sent_at)

    def hears(self, now: float, *, grace: float = 0.0) -> bool:
        """Say whether whatever was said before ``deaf_after_s`` ago was heard here."""
        return self._heard_at is not None and now - self._heard_at <= self._deaf_after + grace

    def start_over(self) -> None:
        """Forget what was heard: the line is another."""
        self._heard_at = None
        self._peers.clear()

    def heard(self, node: bytes, number: int, now: float) -> Heard:
        """Take a number of another node."""
        peer = self._peers.get(node)
        if peer is None:
            # Who begins says so with the number zero.
            self._peers[node] = Peer(number, now)
            return Heard.NEW if number <= 1 else Heard.STRANGER
        peer.heard_at, peer.silent = now, False
        if number <= peer.number:
            return Heard.KNOWN
        missed = number > peer.number + 1
        peer.number = number
        return Heard.MISSED if missed else Heard.NEW

    def beat(self, node: bytes, number: int, now: float) -> Heard:
        """Take another node's beat, which says how far its numbers are."""
        peer = self._peers.get(node)
        if peer is None:
            self._peers[node] = Peer(number, now)
            return Heard.NEW if number == 0 else Heard.STRANGER
        peer.heard_at, peer.silent = now, False
        if number <= peer.number:
            return Heard.KNOWN
        peer.number = number
        return Heard.MISSED

    def farewell(self, node: bytes) -> None:
        """Forget a node that stops in order: everything it did was said."""
        self._peers.pop(node, None)
        self._confirm(lambda one: one.nodes.discard(node))

    def silenced(self, now: float) -> list[bytes]:
        """Return the nodes that fell silent since the last time; forget those long silent."""
        found = []
        for node, peer in list(self._peers.items()):
            age = now - peer.heard_at
            if age > self._forgotten_after:
                del self._peers[node]
            elif age > self._deaf_after and not peer.silent:
                peer.silent = True
                found.append(node)
        return found

    # -- who confirms what I said

    def expect(
        self, number: int, now: float, done: Callable[[], None], nodes: Iterable[bytes]
    ) -> None:
        """Call ``done`` once all ``nodes`` confirmed ``number``, or are deaf or gone by then.

        Who confirms a number confirms those before it; a negative one stands for itself.
        """
        waiting = _Waiting(number, now + 2 * self._deaf_after, set(nodes), done)
        self._waiting.append(waiting)
        if not waiting.nodes:
            self._confirm(lambda _: None)

    def confirmed(self, node: bytes, number: int) -> None:
        """Note that a node took my ``number``."""

        def take(one: _Waiting) -> None:
            if one.number == number or 0 <= one.number < number:
                one.nodes.discard(node)

        self._confirm(take)

    def lapse(self, now: float) -> None:
        """Wait no more for who did not confirm in time: by now they are deaf, and know it."""
        for one in self._waiting:
            if one.until <= now:
                one.nodes.clear()
        self._confirm(lambda _: None)

    def release(self) -> None:
        """Wait for nobody any more."""
        for one in self._waiting:
            one.nodes.clear()
        self._confirm(lambda _: None)

    def _confirm(self, take: Callable[[_Waiting], None]) -> None:
        for one in self._waiting:
            take(one)
        ready = [one for one in self._waiting if not one.nodes]
        self._waiting = [one for one in self._waiting if one.nodes]
        for one in ready:
            one.done()
