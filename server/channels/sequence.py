"""Sequence: one timeline as several nodes write it, put in order again.

Two nodes may commit 5 and 6, and 6 be heard before 5. Decides what may be handed on now, what must
wait, and what is missing; the store knows what that was. No I/O, no clock. Invariant: items leave
in the order of their ``seq``, each once, without a gap, from the head that ``begin`` named.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

#: Items that wait for one that is missing; what comes beyond is read from the store in its turn.
HELD_MAX = 1_000


class Sequence(Generic[T]):
    """What of one timeline was handed on, and what waits."""

    __slots__ = ("_held", "next")

    def __init__(self) -> None:
        #: The seq that is handed on next; None before it is known where to begin.
        self.next: int | None = None
        self._held: dict[int, T] = {}

    def begin(self, head: int) -> list[T]:
        """Begin above ``head``, which the store has; return what may be handed on."""
        assert self.next is None
        self.next = head + 1
        self._held = {seq: item for seq, item in self._held.items() if seq > head}
        return self._release()

    def passed(self, seq: int) -> bool:
        """Say whether what has this seq was handed on, or was there before the beginning."""
        return self.next is not None and seq < self.next

    def offer(self, seq: int, item: T) -> list[T]:
        """Take an item; return what may be handed on now, in order."""
        if seq == self.next and not self._held:
            self.next = seq + 1
            return [item]
        if self.passed(seq):
            return []
        if seq == self.next or len(self._held) < HELD_MAX:
            self._held.setdefault(seq, item)
        return self._release()

    @property
    def missing(self) -> tuple[int, int] | None:
        """Return the first and the last seq of the gap before what waits, if anything waits."""
        if self.next is None or not self._held:
            return None
        return self.next, min(self._held) - 1

    def skip(self, to: int) -> list[T]:
        """Give up what is missing below ``to``: the store has it no more."""
        if self.next is not None and to > self.next:
            self.next = to
            self._held = {seq: item for seq, item in self._held.items() if seq >= to}
        return self._release()

    def _release(self) -> list[T]:
        ready: list[T] = []
        if self.next is None:
            return ready
        while self.next in self._held:
            ready.append(self._held.pop(self.next))
            self.next += 1
        return ready
