"""Broker: how what was committed reaches the hub of every node.

The contract; its implementations stand beside it. A broker is never the record: what it drops is
found again in the store by ``seq``. Invariant: publications of one timeline are delivered in the
order in which they were published, and control (departures, revocations) no later than content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from server.channels.outcome import Publication


class Broker(Protocol):
    """Delivers each publication to whoever listens, on this node and the others."""

    def listen(self, deliver: Callable[[Publication], None]) -> None:
        """Call ``deliver``, which must not raise or block, for each publication from now on."""
        ...

    def publish(self, publication: Publication) -> None:
        """Deliver ``publication``: on this node, before this returns."""
        ...
