"""Database: transactions, whole, on threads: writes on one of their own, reads on a few others.

Decides who runs where, and which engine serves a URL: SQLite's or PostgreSQL's (``engine`` is their
contract); knows no table. A commit to disk is the cost and a hop between threads the next one, so
there is one hop a transaction and not several a statement (docs/adr/0004). Invariant: the writes of
this process run one after the other, and each read sees the last commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError

from storage.charge import Charge
from storage.engine import Engine, Misconfigured, Transaction
from storage.engine_sqlite import SqliteEngine
from storage.keyring import Keyring

__all__ = ["Database", "Misconfigured", "Transaction", "is_embedded", "places"]

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """A store: ``write`` commits durably, ``read`` sees the last commit."""

    def __init__(self, url: str, keyring: Keyring, *, readers_max: int = 4) -> None:
        self._engine = _engine(url, keyring, readers_max)
        self.keyring = keyring
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cloison-writer")
        self._threads = ThreadPoolExecutor(readers_max, thread_name_prefix="cloison-reader")

    @property
    def path(self) -> Path:
        """Return the file that the database is, where it is one."""
        assert isinstance(self._engine, SqliteEngine), "PostgreSQL's files are its own"
        return self._engine.path

    async def write(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``act(transaction, ...)`` and commit: durable when this returns.

        Raises what ``act`` raises, with nothing written; StorageUnavailable, idem; or
        OutcomeUnknown.
        """
        return await self._on_thread(
            lambda: self._engine.write(lambda tx: act(tx, *args, **kwargs))
        )

    async def append(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write what only adds posts: other nodes may do so on other timelines meanwhile.

        ``act`` locks the timelines that it adds to (``posts.lock``) before it reads.
        """
        return await self._on_thread(
            lambda: self._engine.append(lambda tx: act(tx, *args, **kwargs))
        )

    async def read(
        self, ask: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``ask(transaction, ...)`` on one snapshot. Raises what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self._engine.read(lambda tx: ask(tx, *args, **kwargs))
        )

    async def answers(self) -> bool:
        """Say whether the database answers, whatever else waits for it."""
        return await self._engine.answers()

    async def aside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work`` on the writer's thread, between two transactions."""
        return await self._on_thread(lambda: work(*args, **kwargs))

    async def checkpoint(self) -> bool:
        """Let go of the copies of what was erased; say whether nothing held that up."""
        return await self._on_thread(self._engine.checkpoint)

    def charge(self) -> Charge:
        """Return the means to be a server of this database; its methods wait."""
        return self._engine.charge()

    async def close(self) -> None:
        """Let go of every connection, and of the keyring."""
        await self._on_thread(self._engine.close_writer)
        self._thread.shutdown()
        self._threads.shutdown()
        self._engine.close()
        self.keyring.close()

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def is_embedded(url: str) -> bool:
    """Say whether a URL names a file of SQLite's."""
    return make_url(url).get_backend_name() == "sqlite"


def places(url: str) -> list[tuple[str, int]]:
    """Return the hosts and ports of a URL: none of a file, or of a socket on this machine.

    Raises Misconfigured.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return []
    from storage.engine_postgres import places_of  # noqa: PLC0415  # SQLite's start is short

    return places_of(parsed)


def _engine(url: str, keyring: Keyring, readers_max: int) -> Engine:
    """Return the engine of a URL. Raises Misconfigured."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # whose words quote the URL, and its password
        raise Misconfigured("CLOISON_DATABASE_URL cannot be read as a URL.") from None
    name = parsed.get_backend_name()
    if name == "sqlite":
        return SqliteEngine(parsed, keyring, readers_max=readers_max)
    if name == "postgresql":
        from storage.engine_postgres import PostgresEngine  # noqa: PLC0415  # SQLite's start is short

        return PostgresEngine(parsed, keyring)
    raise Misconfigured(
        f"The database {name!r} is not supported: use sqlite+aiosqlite:///FILE, or"
        " postgresql://USER@HOST/DATABASE."
    )
