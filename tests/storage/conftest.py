"""Storage is tested on every engine; property tests search as ``tests.domain.profiles`` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import engines
from tests.domain import profiles

profiles.load()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on both engines, unless it says that it is about one of them."""
    metafunc.parametrize("engine", engines.kinds(metafunc), indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the engine that a test runs on."""
    with engines.chosen(request.param) as kind:
        yield kind
