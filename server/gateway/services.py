"""Services: what every connection of a server shares, handed in by the composition root."""

from __future__ import annotations

import msgspec

from server.auth.live import LiveSessions
from server.channels.hub import Hub
from server.channels.outcome import Limits
from server.channels.writer import Writer
from server.clock import Clock
from server.domain.pace import Paces
from server.gateway.speaker import ConnectionLimits
from storage.database import Database


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What every connection of a server shares."""

    database: Database
    writer: Writer
    hub: Hub
    live: LiveSessions
    clock: Clock
    limits: Limits
    connection: ConnectionLimits
    paces: Paces  #: of connectors, over every door
