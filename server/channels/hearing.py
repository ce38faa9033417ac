"""Hearing: whether this node hears the others; while it does not, it delivers nothing.

Whoever hands something of a sphere to a socket asks here first whether departures and revocations
of the other nodes reach this one. A node alone hears itself: always. Invariant: while ``deaf``, no
connection is open that was greeted, and none is greeted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from server import errors
from server.channels.outcome import Publication

_AFTER_MS = 1_000


class Hearing:
    """Whether this node may deliver."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.deaf = deaf
        self.leaving = False  #: the server stops: nobody else is let in
        #: Sends everybody away, when this node turns deaf.
        self.send_away: Callable[[], None] = _nobody_is_here
        #: Returns when whatever is committed on this node by now is published.
        self.settled: Callable[[], Awaitable[None]] = _nothing_is_written
        #: Returns what must be applied here, by the store. Raises StorageUnavailable.
        self.differences: Callable[[], Awaitable[Publication]] = _nothing_differs

    def check(self) -> None:
        """Raise Busy while this node is deaf."""
        if self.deaf:
            raise errors.Busy(
                "This node does not hear the others: come back in a moment.",
                retry_after_ms=_AFTER_MS,
            )

    def check_door(self) -> None:
        """Raise Busy while nobody may come in."""
        self.check()
        if self.leaving:
            raise errors.Busy("This node is stopping: come back.", retry_after_ms=_AFTER_MS)

    def lose(self) -> None:
        """Turn deaf, and send everybody away."""
        self.deaf = True
        self.send_away()

    def regain(self) -> None:
        """Hear again."""
        self.deaf = False


def _nobody_is_here() -> None:
    """Stand in until somebody knows the connections."""


async def _nothing_is_written() -> None:
    """Stand in until somebody writes."""


async def _nothing_differs() -> Publication:
    """Stand in until somebody knows what is held."""
    return Publication()
