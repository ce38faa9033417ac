"""Services: what every connection of a server shares, handed in by the composition root."""

from __future__ import annotations

import asyncio

import msgspec

from server.auth.live import LiveSessions
from server.channels.broker import Broker
from server.channels.hub import Hub
from server.channels.outcome import Limits
from server.channels.writer import Writer
from server.clock import Clock
from server.domain.pace import Paces
from server.gateway.speaker import ConnectionLimits
from server.tallies import Tallies
from storage.database import Database
from storage.gathering import Gathering
from storage.sessions import Session


class ReaderLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one reader without an account; defaults and reasons are the settings'."""

    reader_lifetime_s: float = 3_600.0
    reader_commands_per_second: float = 2.0
    reader_commands_burst: int = 20


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What every connection of a server shares."""

    database: Database
    sessions: Gathering[bytes, Session]  #: by the digest of their token
    writer: Writer
    hub: Hub
    live: LiveSessions
    clock: Clock
    limits: Limits
    connection: ConnectionLimits
    paces: Paces  #: of connectors, over every door
    broker: Broker
    readers: ReaderLimits
    reading: asyncio.Semaphore  #: how many looks at the store readers may have at once
    tallies: Tallies
