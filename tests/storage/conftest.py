"""Storage is tested on every engine; property tests search as ``tests.domain.profiles`` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import engines
from tests.domain import profiles

profiles.load()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on both engines, unless it says that it is about SQLite's file."""
    embedded = metafunc.definition.get_closest_marker("embedded") is not None
    kinds = ("sqlite",) if embedded else engines.KINDS
    metafunc.parametrize("engine", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the engine that a test runs on."""
    with engines.chosen(request.param) as kind:
        yield kind
