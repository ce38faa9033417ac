"""Fixtures that many tests share: a running server, and a clock to move by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests import redis_server
from tests.house import HandClock, House, serving
from tests.redis_server import RedisServer


@pytest.fixture(params=["fast", "plain"])
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Return a running server: each test is run with prepared frames, and over plain ASGI."""
    async with serving(tmp_path, fast_links=request.param == "fast") as running:
        yield running


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a Redis server: each test has a prefix of its own on it."""
    if (url := redis_server.given()) is not None:
        yield url
        return
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that moves when the test says so."""
    return HandClock()
