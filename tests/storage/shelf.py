"""A shelf: the real database file, and transactions that are undone, so that examples are cheap.

``within`` hands the open transaction of the real writer to a test and rolls it back; ``keep``
commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import NullPool, create_engine, inspect, make_url

from server.parts import compose
from server.settings import Settings
from storage.database import Transaction
from tests import engines
from tests.house import CHEAP, HandClock, House

T = TypeVar("T")


class Undone(Exception):
    """Ends a transaction without a trace."""


class Shelf:
    """A database with its keyring and its eraser, driven from tests that are not coroutines."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = HandClock()
        chosen = {"data_dir": folder, **CHEAP, **engines.settings(folder)} | settings
        self.parts = compose(Settings(**chosen), self.clock)
        self.database = self.parts.database
        self.house = House(self.parts, "", folder)
        self.runner = asyncio.Runner()

    def within(self, act: Callable[[Transaction], T]) -> T:
        """Run ``act`` in a transaction that leaves nothing; return what it returned."""
        found: list[T] = []

        def undone(tx: Transaction) -> None:
            found.append(act(tx))
            raise Undone

        with suppress(Undone):
            self.keep(undone)
        return found[0]

    def keep(self, act: Callable[[Transaction], T]) -> T:
        """Run ``act`` and commit."""
        return self.runner.run(self.database.write(act))

    def read(self, ask: Callable[[Transaction], T]) -> T:
        """Run ``ask`` on a reader's connection."""
        return self.runner.run(self.database.read(ask))

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Return every row of every table, as another process sees them."""
        engine = create_engine(
            make_url(self.parts.settings.url).set(drivername=self._driver), poolclass=NullPool
        )
        with engine.connect() as other:
            return {
                name: [tuple(row) for row in other.exec_driver_sql(f'SELECT * FROM "{name}"')]  # noqa: S608  # names of tables
                for name in inspect(other).get_table_names()
            }

    @property
    def _driver(self) -> str:
        return "sqlite" if engines.is_sqlite() else "postgresql+psycopg"

    def close(self) -> None:
        """Close everything."""
        self.parts.passwords.close()
        self.runner.run(self.database.close())
        self.runner.close()


@contextmanager
def shelf(folder: Path, **settings: Any) -> Iterator[Shelf]:
    """Open a shelf, migrated and empty."""
    opened = Shelf(folder, **settings)
    try:
        yield opened
    finally:
        opened.close()
