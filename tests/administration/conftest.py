"""Fixtures of administration: a desk on an empty folder, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines
from tests.administration.desk import Desk


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on both engines."""
    engines.spread(metafunc)


@pytest.fixture(autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the engine that a test runs on."""
    with engines.chosen(request.param) as kind:
        yield kind


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Return a desk on the folder where ``house`` keeps its database too."""
    return Desk(tmp_path, capsys)
