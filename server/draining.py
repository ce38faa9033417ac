"""Draining: a server that stops sends people away bit by bit, so that they come back bit by bit.

Decides when each connection is closed while the server stops. Invariant: while it drains it says
that it is not ready, lets nobody in, and serves whoever is still here.
"""

from __future__ import annotations

import asyncio
from math import ceil
from typing import Any

import uvicorn

from server.parts import Parts

#: Seconds between two slices: few enough people at once that the other nodes do not notice.
SLICE_S = 0.1


class Draining(uvicorn.Server):
    """A server that stops gently."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """Send everybody away over ``drain_spread_s``, then stop."""
        if self._parts.settings.drain_spread_s and not self.force_exit:
            await self._drain()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        self._parts.broker.hearing.leaving = True
        connections = list(self.server_state.connections)
        slices = max(1, int(self._parts.settings.drain_spread_s / SLICE_S))
        size = max(1, ceil(len(connections) / slices))
        for start in range(0, len(connections), size):
            for connection in connections[start : start + size]:
                connection.shutdown()
            await asyncio.sleep(SLICE_S)
            if self.force_exit:
                return
