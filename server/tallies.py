"""Tallies: how often things happened, as plain numbers.

Kept whether anybody reads them or not, because to keep one costs what the question would cost:
an addition for each flush, each refusal and each end of a connection, and none for a frame. The
loop alone changes them; who reads them from another thread gets a number that was true a moment
ago. Invariant: what is told apart is of fixed vocabularies, never what a peer chose.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from server.protocol.close import Close

#: What RFC 6455 and its registry give a meaning to, and what we do.
_CODES: Final = frozenset({*range(1000, 1016), *Close})


class Tallies:
    """The numbers of one server."""

    __slots__ = ("closes", "congested", "deliveries", "refusals")

    def __init__(self) -> None:
        self.deliveries = 0  #: frames of spheres handed to sockets
        self.congested = 0  #: readers that are over their high-water mark now
        self.refusals: Counter[str] = Counter()  #: on WebSockets, by their code
        self.closes: Counter[str] = Counter()  #: of WebSockets, by their code

    def ended(self, code: int) -> None:
        """Count the end of a connection; a peer may close with any code, which is no label."""
        self.closes[str(int(code)) if code in _CODES else "other"] += 1
