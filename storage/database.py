"""Database: connections, pragmas and transactions; one writer, a few readers.

Decides how SQLite is opened; knows no table. A transaction runs whole on a thread: writes one at a
time on one of their own, reads on a few others, each seeing the last commit. A commit to disk is
the cost and a hop between threads the next one, so there is one hop a transaction and not several a
statement (docs/adr/0004). Invariant: every connection is in WAL mode with synchronous=FULL,
secure_delete and foreign keys on, or it is not opened at all.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from server import errors
from storage.keyring import Keyring

P = ParamSpec("P")
T = TypeVar("T")

#: An open transaction: opaque to all but storage.
Transaction = Connection

#: What every connection must answer, asked for and then read back: some builds of SQLite default
#: to one of these and hide that it was never set, others ignore it.
PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "secure_delete": 1,
    "foreign_keys": 1,
    "temp_store": 2,
    "busy_timeout": 5_000,
}

#: How long a checkpoint waits for readers: our own are done in less.
CHECKPOINT_WAIT_MS = 100


class Misconfigured(Exception):
    """The database cannot keep the promises as it is set up."""


class Database:
    """One SQLite file: ``write`` commits durably, ``read`` sees the last commit."""

    def __init__(self, url: str, keyring: Keyring, *, readers_max: int = 4) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            raise Misconfigured(
                f"The database {parsed.get_backend_name()!r} is not supported: use"
                " sqlite+aiosqlite:///FILE."
            )
        if not parsed.database or parsed.database == ":memory:":
            raise Misconfigured("The database must be a file: messages outlive the process.")
        self.path = Path(parsed.database)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.touch(mode=0o600)  # SQLite gives its journals the mode of the database
        self.keyring = keyring
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cloison-writer")
        self._local = threading.local()
        self._asking: set[Connection] = set()  #: each thread's own, to be closed at the end
        self._threads = ThreadPoolExecutor(readers_max, thread_name_prefix="cloison-reader")
        plain = parsed.set(drivername="sqlite")
        self._writer = create_engine(
            plain, pool_size=1, max_overflow=0, pool_reset_on_return=None, hide_parameters=True
        )  # parameters are what people said: no error's text may hold them
        self._readers = create_engine(
            plain, pool_size=readers_max, max_overflow=0, hide_parameters=True
        )
        for engine in (self._writer, self._readers):
            event.listen(engine, "connect", self._on_connect)
        event.listen(self._writer, "begin", _begin_immediate)

    async def write(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``act(transaction, ...)`` and commit: durable when this returns.

        Raises what ``act`` raises, with nothing written, or StorageUnavailable.
        """
        return await self._on_thread(
            lambda: _within(self._writer, lambda tx: act(tx, *args, **kwargs))
        )

    async def read(
        self, ask: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``ask(transaction, ...)`` on one snapshot. Raises what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self._ask(lambda tx: ask(tx, *args, **kwargs))
        )

    async def answers(self) -> bool:
        """Say whether the database answers, on a connection that no queue of reads holds up."""
        import aiosqlite  # noqa: PLC0415  # asked for long after the start

        try:
            async with aiosqlite.connect(
                f"{self.path.absolute().as_uri()}?mode=ro", uri=True
            ) as probe:
                await probe.execute("SELECT count(*) FROM sqlite_schema")
        except sqlite3.Error:
            return False
        return True

    async def aside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work`` on the writer's thread, between two transactions."""
        return await self._on_thread(lambda: work(*args, **kwargs))

    async def checkpoint(self) -> bool:
        """Empty the write-ahead log into the database; say whether nothing held it up.

        A reader does, our own or another process's. It is not waited for for long: this is the
        writer's thread, and everybody's posts wait behind it.
        """
        return await self._on_thread(self._checkpoint)

    async def close(self) -> None:
        """Let go of every connection, and of the keyring."""
        await self._on_thread(self._writer.dispose)
        self._thread.shutdown()
        self._threads.shutdown()
        for connection in self._asking:
            connection.close()
        self._readers.dispose()
        self.keyring.close()

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _on_connect(self, connection: Any, record: Any) -> None:
        try:
            _configure(connection)
        except BaseException:
            connection.close()  # it is not opened at all
            raise
        record.info["keyring"] = self.keyring

    def _ask(self, ask: Callable[[Connection], T]) -> T:
        """Run ``ask`` on this thread's own connection, on one snapshot.

        The thread keeps its connection, and the snapshot is opened and closed by the driver: taking
        one from a pool and beginning anew would cost as much as most questions.
        """
        connection: Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._readers.connect()
                self._asking.add(connection)
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("BEGIN")
            try:
                return ask(connection)
            finally:
                driver.execute("ROLLBACK")
        except (DBAPIError, sqlite3.Error) as error:
            if connection is not None:
                self._local.connection = None
                self._asking.discard(connection)
                connection.close()
            raise errors.StorageUnavailable from error

    def _checkpoint(self) -> bool:
        with self._writer.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute(f"PRAGMA busy_timeout={CHECKPOINT_WAIT_MS}")
            try:
                busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error:
                return False
            finally:
                raw.execute(f"PRAGMA busy_timeout={PRAGMAS['busy_timeout']}")
        return not busy


def _within(engine: Engine, act: Callable[[Connection], T]) -> T:
    """Run ``act`` in a transaction of its own, committed if it returns."""
    try:
        with engine.begin() as transaction:
            return act(transaction)
    except (DBAPIError, sqlite3.Error) as error:
        raise errors.StorageUnavailable from error


def _configure(connection: Any) -> None:
    """Set and read back the pragmas; leave transactions to our own BEGIN."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for name, value in PRAGMAS.items():
        cursor.execute(f"PRAGMA {name}={value}")
        cursor.execute(f"PRAGMA {name}")
        answer = cursor.fetchone()[0]
        if answer != value:
            raise Misconfigured(f"SQLite {sqlite3.sqlite_version} has {name}={answer}, not {value}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
