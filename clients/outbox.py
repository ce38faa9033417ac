"""Outbox: the messages that wait for an acknowledgement, in the order they were written.

Decides what may be sent now and what must be sent again; it sends nothing, and `now` is an
argument. Invariants: a message leaves the outbox only once its fate is known; what waits is sent in
the order it was written; after a temporary refusal nothing is sent until the server has answered
everything in flight and the delay it asked for is over. (A message that was in flight behind the
refused one may be stored before it: a window of one is the price of strict order.)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

#: How often one message is sent before this client gives up on it. Each time costs a wait, so
#: this is minutes; a message that breaks every connection must not do so for ever.
SENDINGS_MAX: Final = 20


@dataclass(slots=True, eq=False)
class Parcel:
    """A message on its way; ``fate`` is whatever its sender waits on."""

    fields: dict[str, Any]
    fate: Any = None
    number: int = 0
    sendings: int = 0
    sent_at: float = 0.0


@dataclass(slots=True)
class Outbox:
    """Messages that wait to be sent, and messages in flight."""

    sendings_max: int = SENDINGS_MAX
    _waiting: deque[Parcel] = field(default_factory=deque)
    _flying: dict[int, Parcel] = field(default_factory=dict)
    _numbered: int = 0
    _not_before: float = 0.0
    _calming: bool = False

    def put(self, parcel: Parcel) -> None:
        """Add a message behind the others."""
        self._numbered += 1
        parcel.number = self._numbered
        self._waiting.append(parcel)

    def next(self, now: float) -> Parcel | None:
        """Return the message to send now, which is then in flight; None when none may be."""
        if not self._waiting or self.pause(now) > 0 or (self._calming and self._flying):
            return None
        self._calming = False
        parcel = self._waiting.popleft()
        parcel.sendings += 1
        parcel.sent_at = now
        self._flying[parcel.number] = parcel
        return parcel

    def pause(self, now: float) -> float:
        """Return how long the server asked to be left alone, in seconds."""
        return max(0.0, self._not_before - now)

    def settle(self, parcel: Parcel) -> None:
        """Let go of a message: it is stored, or refused for good."""
        self._flying.pop(parcel.number, None)

    def postpone(self, parcel: Parcel, until: float) -> bool:
        """Keep a message that was refused for now; False when it was sent too often already."""
        if parcel.sendings >= self.sendings_max:
            self.settle(parcel)
            return False
        self._return(parcel)
        self._calming = True
        self._not_before = max(self._not_before, until)
        return True

    def lose(self) -> list[Parcel]:
        """Take back what was in flight on a connection that is gone; return what to give up."""
        worn = [p for p in self._flying.values() if p.sendings >= self.sendings_max]
        for parcel in worn:
            self.settle(parcel)
        for parcel in list(self._flying.values()):
            self._return(parcel)
        self._calming = False
        return worn

    def overdue(self, now: float, limit: float) -> bool:
        """Say whether an answer is awaited for longer than ``limit`` seconds."""
        return any(now - parcel.sent_at > limit for parcel in self._flying.values())

    def clear(self) -> list[Parcel]:
        """Empty the outbox; return what was in it, in order."""
        left = sorted([*self._waiting, *self._flying.values()], key=_number)
        self._waiting.clear()
        self._flying.clear()
        return left

    def _return(self, parcel: Parcel) -> None:
        self._flying.pop(parcel.number, None)
        self._waiting = deque(sorted([*self._waiting, parcel], key=_number))

    def __len__(self) -> int:
        """Count the messages whose fate is not known."""
        return len(self._waiting) + len(self._flying)


def _number(parcel: Parcel) -> int:
    return parcel.number
