"""A shelf: the real database file, and transactions that are undone, so that examples are cheap.

``within`` hands the open transaction of the real writer to a test and rolls it back; ``keep``
commits.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from server.parts import compose
from server.settings import Settings
from storage.database import Transaction
from tests import fresh
from tests.house import CHEAP, HandClock, House

T = TypeVar("T")


class Undone(Exception):
    """Ends a transaction without a trace."""


class Shelf:
    """A database with its keyring and its eraser, driven from tests that are not coroutines."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        fresh.lay(folder)
        self.clock = HandClock()
        self.parts = compose(Settings(**{"data_dir": folder, **CHEAP} | settings), self.clock)
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
        with closing(sqlite3.connect(self.database.path)) as other:
            names = [
                row[0] for row in other.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            return {name: list(other.execute(f'SELECT * FROM "{name}"')) for name in names}  # noqa: S608  # names of tables

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
