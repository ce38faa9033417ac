"""Fixtures that many tests share: a running server, and a clock to move by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import HandClock, House, serving


@pytest.fixture(params=["fast", "plain"])
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Return a running server: each test is run with prepared frames, and over plain ASGI."""
    async with serving(tmp_path, fast_links=request.param == "fast") as running:
        yield running


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that moves when the test says so."""
    return HandClock()
