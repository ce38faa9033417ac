"""Promises are kept on every engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import engines

#: What of PostgreSQL the short run tries: the group commit, departures, crashes and visibility.
SLICE = ("test_00_server", "test_01_messages", "test_13_leaving")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on both engines; on PostgreSQL over prepared frames alone."""
    engines.spread(metafunc, slice_=SLICE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out plain ASGI on PostgreSQL: neither looks at the other; nodes are on it anyway."""
    items[:] = [item for item in items if not _is_double(item)]


def _is_double(item: pytest.Item) -> bool:
    given = getattr(getattr(item, "callspec", None), "params", {})
    on_postgres = given.get("engine") == "postgres"
    return on_postgres and (given.get("house") == "plain" or item.path.stem.endswith("_nodes"))


@pytest.fixture(autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the engine that a test runs on."""
    with engines.chosen(request.param) as kind:
        yield kind
