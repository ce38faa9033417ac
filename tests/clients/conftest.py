"""Fixtures of the client's tests: one server each, since the client cannot tell two kinds apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.furnished import Furnished, furnish
from tests.house import House, serving


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Return a running server."""
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
async def furnished(house: House) -> Furnished:
    """Return a running server with Ana and Bob in a sphere, which Ana administers."""
    return await furnish(house)
