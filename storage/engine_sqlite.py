"""SQLite's engine: one file, one writer, a few readers.

Decides how SQLite is opened; knows no table. Every connection is a thread's own. Invariant: every
connection is in WAL mode with synchronous=FULL, secure_delete and foreign keys on, or it is not
opened at all (docs/adr/0004).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError

from server import errors
from storage.charge import Charge, FileCharge
from storage.engine import Engine, Misconfigured
from storage.keyring import Keyring

T = TypeVar("T")

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


class SqliteEngine(Engine):
    """One SQLite file."""

    def __init__(self, url: URL, keyring: Keyring, *, readers_max: int) -> None:
        if not url.database or url.database == ":memory:":
            raise Misconfigured("The database must be a file: messages outlive the process.")
        self.path = Path(url.database)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.touch(mode=0o600)  # SQLite gives its journals the mode of the database
        self._keyring = keyring
        self._local = threading.local()
        self._asking: set[Connection] = set()  #: each thread's own, to be closed at the end
        plain = url.set(drivername="sqlite")
        self._writer = create_engine(
            plain, pool_size=1, max_overflow=0, pool_reset_on_return=None, hide_parameters=True
        )  # parameters are what people said: no error's text may hold them
        self._readers = create_engine(
            plain, pool_size=readers_max, max_overflow=0, hide_parameters=True
        )
        for engine in (self._writer, self._readers):
            event.listen(engine, "connect", self._on_connect)
        event.listen(self._writer, "begin", _begin_immediate)

    def write(self, act: Callable[[Connection], T]) -> T:
        """Run ``act`` in a transaction of its own, committed if it returns."""
        try:
            with self._writer.begin() as transaction:
                return act(transaction)
        except (DBAPIError, sqlite3.Error) as error:
            raise errors.StorageUnavailable from error

    def append(self, act: Callable[[Connection], T]) -> T:
        """Run ``act`` as any write: there is one writer."""
        return self.write(act)

    def read(self, ask: Callable[[Connection], T]) -> T:
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

    def checkpoint(self) -> bool:
        """Empty the write-ahead log into the database; say whether nothing held it up.

        A reader does, our own or another process's. It is not waited for for long: this is the
        writer's thread, and everybody's posts wait behind it.
        """
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

    def charge(self) -> Charge:
        """Return the lock beside the file."""
        return FileCharge(self.path)

    def close_writer(self) -> None:
        """Let go of the writer's connection, on its thread."""
        self._writer.dispose()

    def close(self) -> None:
        """Let go of the readers' connections."""
        for connection in self._asking:
            connection.close()
        self._readers.dispose()

    def _on_connect(self, connection: Any, record: Any) -> None:
        try:
            _configure(connection)
        except BaseException:
            connection.close()  # it is not opened at all
            raise
        record.info["keyring"] = self._keyring


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
