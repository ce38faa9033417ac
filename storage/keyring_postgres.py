"""The keyring of several nodes: a PostgreSQL of its own, apart from the data's.

PostgreSQL keeps what was deleted: in pages until they are written anew, in its log, in the log's
copies, in the samples that its planner takes. So a key is destroyed by writing the table anew and
letting the log go, and only a server that keeps no other copy is taken at all (docs/adr/0017).
Invariant: after ``destroy`` no file of the server holds the key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import make_url

from server import errors
from storage.engine import Misconfigured
from storage.engine_postgres import RELEASE_MIN, opened, unreachable
from storage.keyring import Keyring

T = TypeVar("T")

#: What the server must answer, and what it would keep otherwise.
REQUIRED: Final = {
    "fsync": ("on", "a key could be lost with the words that it sealed"),
    "full_page_writes": ("on", "a power cut could tear keys"),
    "wal_recycle": ("off", "old parts of its log are used again, with the keys in them"),
    "archive_mode": ("off", "its log is copied, with the keys in it"),
    "wal_keep_size": ("0", "its log is kept, with the keys in it"),
    "summarize_wal": ("off", "its log is kept until it is summarised"),
    "log_min_duration_statement": ("-1", "keys could be logged"),
    "log_min_duration_sample": ("-1", "keys could be logged"),
    "log_parameter_max_length_on_error": ("0", "keys could be logged"),
}
#: Questions whose answer must be no, and why.
_REFUSED: Final = (
    ("SELECT pg_is_in_recovery()", "it is a copy of another server"),
    ("SELECT EXISTS (SELECT 1 FROM pg_replication_slots)", "it keeps its log for a copy"),
    ("SELECT EXISTS (SELECT 1 FROM pg_stat_replication)", "it has a copy"),
    (
        "SELECT current_setting('log_statement') NOT IN ('none', 'ddl')",
        "it logs statements, and keys with them: set log_statement to none",
    ),
    (
        "SELECT NOT pg_has_role(current_user, 'pg_checkpoint', 'USAGE')",
        "its user may not empty the log: GRANT pg_checkpoint TO the user",
    ),
    (
        "SELECT NOT has_function_privilege('pg_switch_wal()', 'EXECUTE')",
        "its user may not end the log: GRANT EXECUTE ON FUNCTION pg_switch_wal() TO the user",
    ),
)
#: Nothing but these rows holds a key: no sample of the planner's, no compressed or moved copy.
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS secret (id bytea PRIMARY KEY, key bytea NOT NULL)
WITH (autovacuum_enabled = off)
"""
_PLAIN: Final = """
ALTER TABLE secret ALTER COLUMN key SET STATISTICS 0, ALTER COLUMN key SET STORAGE PLAIN
"""
#: The table anew, then the log: its present part is ended, and what is before it let go.
_CLEAN: Final = ("VACUUM FULL secret", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
#: One node makes the table, or destroys, at a time.
_LOCK: Final = "SELECT pg_advisory_lock(1668050793)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(1668050793)"


class PostgresKeyring(Keyring):
    """The keys of one database, in a PostgreSQL of their own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = make_url(url)
        self._connection: psycopg.Connection[Any] | None = None
        try:
            self._connection = self._open()
        except psycopg.Error as error:
            raise unreachable("The keys' PostgreSQL", error) from None

    def count(self) -> int:
        """Return how many keys there are."""
        with self._lock:
            return int(self._ask(lambda at: _answer(at, "SELECT count(*) FROM secret")))

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> psycopg.Connection[Any]:
        connection = opened(self._url)
        try:
            check_cluster(connection)
            connection.execute(_LOCK)
            connection.execute(_TABLE)
            connection.execute(_PLAIN)
            connection.execute(_UNLOCK)
        except BaseException:
            connection.close()
            raise
        return connection

    def _key(self, key_id: bytes) -> bytes | None:
        asked = "SELECT key FROM secret WHERE id = %s"
        row = self._ask(lambda at: at.execute(asked, [key_id]).fetchone())
        return None if row is None else bytes(row[0])

    def _add(self, key_id: bytes, key: bytes) -> None:
        added = "INSERT INTO secret (id, key) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        self._ask(lambda at: at.execute(added, [key_id, key]))

    def _destroy(self, key_ids: list[bytes]) -> None:
        self._ask(lambda at: _destroy(at, key_ids))

    def _ask(self, ask: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Run a statement that may be run twice: once more if the connection was lost meanwhile."""
        for attempt in (1, 2):
            try:
                if self._connection is None:
                    self._connection = self._open()
                return ask(self._connection)
            except psycopg.Error as error:
                lost = self._connection is None or self._connection.broken
                self._let_go()
                if not lost or attempt == 2:
                    raise errors.StorageUnavailable from error
            except Misconfigured as error:
                raise errors.StorageUnavailable from error
        raise AssertionError("one of two attempts ends it")


def _destroy(at: psycopg.Connection[Any], key_ids: list[bytes]) -> None:
    at.execute(_LOCK)
    try:
        at.execute("DELETE FROM secret WHERE id = ANY(%s)", [key_ids])
        for statement in _CLEAN:
            at.execute(statement)
    finally:
        if not at.broken:
            at.execute(_UNLOCK)


def check_cluster(connection: psycopg.Connection[Any]) -> None:
    """Raise Misconfigured unless the server keeps no copy of a key but the one."""
    if connection.info.server_version < RELEASE_MIN:
        raise Misconfigured(f"The keys' PostgreSQL is too old: use {RELEASE_MIN // 10_000}.")
    for name, (wanted, why) in REQUIRED.items():
        found = _answer(connection, "SELECT coalesce(current_setting(%s, true), %s)", name, wanted)
        if found != wanted:
            raise Misconfigured(f"The keys' PostgreSQL has {name}={found}, not {wanted}: {why}.")
    for question, why in _REFUSED:
        if _answer(connection, question):
            raise Misconfigured(f"The keys' PostgreSQL cannot be used: {why}.")


def check_apart(keys: str, data: str) -> None:
    """Raise Misconfigured if keys and data are in one server: one backup would take both."""
    asked = "SELECT system_identifier FROM pg_control_system()"
    try:
        with opened(make_url(keys)) as one, opened(make_url(data)) as other:
            shared = _answer(one, asked) == _answer(other, asked)
    except psycopg.errors.InsufficientPrivilege:
        raise Misconfigured(
            "Whether keys and data share a server is not known: GRANT EXECUTE ON FUNCTION"
            " pg_control_system() TO both users."
        ) from None
    except psycopg.Error as error:
        raise unreachable("PostgreSQL", error) from None
    if shared:
        raise Misconfigured(
            "The keys' PostgreSQL is the data's: one backup would take both. Use another."
        )


def _answer(connection: psycopg.Connection[Any], question: str, *given: str) -> Any:
    row = connection.execute(question, given).fetchone()
    return None if row is None else row[0]
