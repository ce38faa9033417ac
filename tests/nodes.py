"""Nodes: several servers on one store, in the loop of the test, that hear each other by Redis.

Each is a whole server with its own sockets, hub, writer and connections; they share a database of a
real PostgreSQL and hear each other by a real Redis.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from server.channels.broker_redis import NodeLimits, RedisBroker
from server.channels.redis_places import plan_of
from server.parts import compose
from storage.database import Database
from storage.keyring_file import FileKeyring
from tests import engines, fresh
from tests.house import House, serving_parts, settings_for
from tests.people import PATIENCE_S

#: What a busy machine may take: a test that is about deafness sets its own.
PATIENT: dict[str, Any] = {"deaf_after_s": 5.0, "beat_every_s": 0.05, "heads_every_s": 1.0}


def broker_of(house: House) -> RedisBroker:
    """Return the broker of a node."""
    broker = house.parts.broker
    assert isinstance(broker, RedisBroker)
    return broker


@asynccontextmanager
async def nodes(
    folder: Path, redis_url: str, count: int = 2, *, clocks: Any = None, **settings: Any
) -> AsyncIterator[list[House]]:
    """Run some servers on one store until the block ends; all hear each other by then."""
    prefix = f"test-{secrets.token_hex(4)}"
    given = {"broker_url": redis_url, "broker_prefix": prefix, **PATIENT, **settings}
    async with AsyncExitStack() as stack:
        with engines.chosen("postgres"):
            chosen = settings_for(folder, **given)
        running = [
            await stack.enter_async_context(
                serving_parts(compose(chosen, clocks[number] if clocks else None), folder)
            )
            for number in range(count)
        ]
        for house in running:
            await asyncio.wait_for(house.parts.broker.heard(), PATIENCE_S)
        await _acquainted(running)
        yield running


async def _acquainted(running: list[House]) -> None:
    """Wait until each node knows the others."""
    for house in running:
        await until(lambda: len(broker_of(house).peers) == len(running) - 1)  # noqa: B023  # awaited here


async def until(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(patience_s):
        while not holds():  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.002)


@asynccontextmanager
async def brokers(
    folder: Path, redis_url: str, count: int = 2, **limits: Any
) -> AsyncIterator[list[RedisBroker]]:
    """Return brokers of nodes that have nothing else, on one store; nobody started them yet."""
    fresh.lay(folder)
    prefix = f"test-{secrets.token_hex(4)}"
    keyring = FileKeyring(folder / "keys" / "keys.sqlite3")
    database = Database(f"sqlite+aiosqlite:///{folder / fresh.NAME}", keyring)
    chosen = NodeLimits(**{**PATIENT, **limits})
    try:
        yield [
            RedisBroker(plan_of(redis_url), database, prefix=prefix, limits=chosen)
            for _ in range(count)
        ]
    finally:
        await database.close()
