"""PostgreSQL's engine: several nodes, one database (docs/adr/0017).

Actions are as serial as on SQLite, across all nodes: each takes one advisory lock for itself. Posts
share that lock, and lock their timelines' rows instead. Decides how PostgreSQL is opened and what
becomes of a transaction whose connection is lost; knows no table. Invariant: nothing is said to be
stored, or not to be, unless that is known.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import psycopg
from psycopg import pq
from sqlalchemy import URL, Connection, NullPool, create_engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from server import errors
from storage.charge import Charge
from storage.engine import Engine, Misconfigured
from storage.keyring import Keyring

T = TypeVar("T")

#: The oldest release whose roles and waits are as this module asks for them.
RELEASE_MIN: Final = 150_000
#: Where PostgreSQL listens unless the URL says otherwise.
PORT: Final = 5432
#: What the whole server must answer, and what becomes of words where it does not.
REQUIRED: Final = {
    "server_encoding": ("UTF8", "names in other scripts could not be stored"),
    "fsync": ("on", "what was acknowledged would be lost in a power cut"),
    "full_page_writes": ("on", "a power cut could tear what was acknowledged"),
}
#: How each session is set: a commit waits for the disk. Whoever waits for a lock waits as long as a
#: large departure takes; who holds one and does nothing, or is gone from the network, lets go.
SESSION: Final = (
    "SET synchronous_commit = on; SET lock_timeout = '30s'; SET statement_timeout = '60s';"
    " SET idle_in_transaction_session_timeout = '30s'; SET tcp_keepalives_idle = 10;"
    " SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
)
#: The same on our side, and no look at a Kerberos server that nobody named.
OPTIONS: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "gssencmode": "disable",
    "application_name": "cloison",
}
#: How long the writer asks what became of a commit whose answer was lost: PostgreSQL starts again
#: in less, and everybody's posts wait.
FATE_WAIT_S: Final = 5.0
_FATE_EVERY_S: Final = 0.05

#: Cloison's advisory locks in a database: writes, who serves, who leads.
_SPACE: Final = 0x636C_6F69
_WRITES, _SERVES, _LEADS = 1, 2, 3
_ALONE: Final = (
    f"BEGIN; SELECT pg_advisory_xact_lock({_SPACE}, {_WRITES}), pg_current_xact_id()::text"
)
_BESIDE: Final = (
    f"BEGIN; SELECT pg_advisory_xact_lock_shared({_SPACE}, {_WRITES}), pg_current_xact_id()::text"
)
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresEngine(Engine):
    """One PostgreSQL database, as one node sees it."""

    def __init__(self, url: URL, keyring: Keyring) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._keyring = keyring
        # Each thread keeps its own connection; a pool would ask it each time whether it lives.
        self._connections = create_engine(
            self._url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # transactions are our own BEGIN's
            hide_parameters=True,
            connect_args=OPTIONS,
        )
        event.listen(self._connections, "connect", self._on_connect)
        self._writer = _Line(self._connections.connect)
        self._local = threading.local()
        self._lines: list[_Line] = []
        try:
            with self._open() as probe:
                check_server(probe)
        except psycopg.Error as error:
            raise unreachable("PostgreSQL", error) from None

    def write(self, act: Callable[[Connection], T]) -> T:
        """Run ``act`` alone among the writes of all nodes, and commit."""
        return self._commit(_ALONE, act)

    def append(self, act: Callable[[Connection], T]) -> T:
        """Run ``act`` beside other nodes' posts, and commit."""
        return self._commit(_BESIDE, act)

    def read(self, ask: Callable[[Connection], T]) -> T:
        """Run ``ask`` on this thread's own connection, on one snapshot."""
        line: _Line | None = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = _Line(self._connections.connect)
            self._lines.append(line)
        with line:
            line.begin(_SNAPSHOT)
            return ask(line.connection)

    async def answers(self) -> bool:
        """Say whether the database answers, on a connection of its own."""
        return await asyncio.to_thread(self._answers)

    def checkpoint(self) -> bool:
        """Do nothing: what PostgreSQL keeps of erased words is sealed, and their keys are gone."""
        return True

    def charge(self) -> Charge:
        """Return locks that PostgreSQL lets go when their connection ends."""
        return LockCharge(self._open)

    def close_writer(self) -> None:
        """Let go of the writer's connection."""
        self._writer.close()

    def close(self) -> None:
        """Let go of the readers' connections."""
        for line in self._lines:
            line.close()
        self._connections.dispose()

    def _commit(self, begin: str, act: Callable[[Connection], T]) -> T:
        line = self._writer
        with line:
            transaction = line.begin(begin)
            done = act(line.connection)
            if line.commit():
                return done
        self._learn_fate(transaction)
        return done

    def _learn_fate(self, transaction: str) -> None:
        """Ask what became of a commit whose answer was lost: return if it was stored.

        Raises StorageUnavailable if it was not, OutcomeUnknown if nobody says.
        """
        until = time.monotonic() + FATE_WAIT_S
        while time.monotonic() < until:
            with suppress(psycopg.Error), self._open() as asking:
                row = asking.execute("SELECT pg_xact_status(%s::xid8)", [transaction]).fetchone()
                fate = None if row is None else row[0]
                if fate == "committed":
                    return
                if fate == "aborted":
                    raise errors.StorageUnavailable
            time.sleep(_FATE_EVERY_S)
        raise errors.OutcomeUnknown

    def _answers(self) -> bool:
        try:
            with self._open() as probe:
                probe.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _open(self) -> psycopg.Connection[Any]:
        """Return a connection beside the others, which the caller closes."""
        return opened(self._url)

    def _on_connect(self, connection: Any, record: Any) -> None:
        try:
            check_server(connection)
            connection.execute(SESSION)
        except BaseException:
            connection.close()  # it is not opened at all
            raise
        record.info["keyring"] = self._keyring


#: What the database did; anything else is an act's own affair.
_FAILURES: Final = (DBAPIError, PendingRollbackError, psycopg.Error)


class _Line:
    """One thread's connection: made when it is first needed, thrown away when it fails.

    As a context, it ends whatever transaction is open, and tells of a failure as the contract says.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._driver: psycopg.Connection[Any] | None = None

    @property
    def connection(self) -> Connection:
        """Return the connection, which is open."""
        assert self._connection is not None
        return self._connection

    @property
    def driver(self) -> psycopg.Connection[Any]:
        """Return the driver's own connection, which may be lost by now."""
        assert self._driver is not None
        return self._driver

    def begin(self, statement: str) -> str:
        """Begin a transaction; return the last word that the statement answered."""
        if self._connection is None:
            self._connection = self._connect()
            driver = self._connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            self._driver = driver
        answer = self.driver.execute(statement)
        while answer.nextset():
            pass
        return "" if answer.description is None else str(answer.fetchall()[-1][-1])

    def commit(self) -> bool:
        """Commit; return False if the connection was lost meanwhile: the outcome is not known.

        A transaction that an error ended would be rolled back, and PostgreSQL call that well.
        """
        driver = self.driver
        if driver.pgconn.transaction_status != pq.TransactionStatus.INTRANS:
            raise errors.StorageUnavailable
        try:
            driver.execute("COMMIT")
        except psycopg.Error:
            if driver.pgconn.status == pq.ConnStatus.OK:
                raise  # it answered: nothing was stored
            self.close()
            return False
        return True

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._driver is not None and not isinstance(error, _FAILURES):
            try:
                if self._driver.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                    self._driver.execute("ROLLBACK")
            except psycopg.Error:
                self.close()
        if isinstance(error, _FAILURES):
            self.close()
            raise errors.StorageUnavailable from error


class LockCharge(Charge):
    """The locks of a PostgreSQL database: servers share one, one of them leads.

    A connection that is lost takes its locks along: they are taken again when next asked for.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None
        self._held: set[str] = set()

    def serve(self) -> bool:
        """Serve beside others; not while a command has the database to itself."""
        return self._have(f"pg_try_advisory_lock_shared({_SPACE}, {_SERVES})")

    def lead(self) -> bool:
        """Lead if nobody does."""
        return self.serve() and self._have(f"pg_try_advisory_lock({_SPACE}, {_LEADS})")

    def take(self) -> bool:
        """Keep servers away, if there are none."""
        return self._have(f"pg_try_advisory_lock({_SPACE}, {_SERVES})")

    def leave(self) -> None:
        """Let go of every lock, now: of a closed connection PostgreSQL hears in a moment."""
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            with suppress(psycopg.Error), connection:
                connection.execute("SELECT pg_advisory_unlock_all()")

    def _have(self, lock: str) -> bool:
        """Say whether a lock is held, which is asked of PostgreSQL: it may have let go of all."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            if lock in self._held:
                self._connection.execute("SELECT 1")
                return True
            row = self._connection.execute(f"SELECT {lock}").fetchone()
        except psycopg.Error as error:
            self.leave()
            raise errors.StorageUnavailable from error
        if row is None or not row[0]:
            return False
        self._held.add(lock)
        return True


def opened(url: URL) -> psycopg.Connection[Any]:
    """Open a connection outside any transaction. Raises psycopg.Error."""
    connection = psycopg.connect(autocommit=True, **_arguments(url), **OPTIONS)
    connection.execute(SESSION)
    return connection


def _arguments(url: URL) -> dict[str, Any]:
    """Return a URL in the words of the driver: several hosts are SQLAlchemy's way of saying it."""
    dialect: Any = PGDialect_psycopg
    arguments: dict[str, Any] = dialect().create_connect_args(url)[1]
    return {name: value for name, value in arguments.items() if name not in OPTIONS}


def places_of(url: URL) -> list[tuple[str, int]]:
    """Return where a URL leads over a network: as many hosts as it names. Raises Misconfigured."""
    known = _arguments(url)
    try:
        hosts = str(known.get("hostaddr") or known.get("host") or "").split(",")
        ports = str(known.get("port") or PORT).split(",")
        ports *= len(hosts) if len(ports) == 1 else 1
        found = [(host, int(port or PORT)) for host, port in zip(hosts, ports, strict=True)]
    except ValueError:
        raise Misconfigured("The URL of PostgreSQL cannot be read.") from None
    return [(host, port) for host, port in found if host and not host.startswith(("/", "@"))]


def unreachable(what: str, error: psycopg.Error) -> ConnectionError:
    """Return what is told at a start without the database: it may be there in a moment."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ConnectionError(f"{what} cannot be reached: {reason}")


def check_server(connection: psycopg.Connection[Any]) -> None:
    """Raise Misconfigured unless the whole server keeps what it acknowledges."""
    if connection.info.server_version < RELEASE_MIN:
        raise Misconfigured(
            f"PostgreSQL {connection.info.server_version // 10_000} is too old: use"
            f" {RELEASE_MIN // 10_000} or newer."
        )
    for name, (wanted, why) in REQUIRED.items():
        row = connection.execute(f"SHOW {name}").fetchone()
        found = None if row is None else row[0]
        if found != wanted:
            raise Misconfigured(f"PostgreSQL has {name}={found}, not {wanted}: {why}.")
