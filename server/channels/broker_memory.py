"""The in-process broker: one node, no queue, nothing to lose."""

from __future__ import annotations

from collections.abc import Callable

from server.channels.outcome import Publication


class MemoryBroker:
    """Hands each publication to its listeners at once."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Publication], None]] = []

    def listen(self, deliver: Callable[[Publication], None]) -> None:
        """Call ``deliver`` for each publication from now on."""
        self._listeners.append(deliver)

    def publish(self, publication: Publication) -> None:
        """Deliver to every listener before returning."""
        for deliver in self._listeners:
            deliver(publication)
