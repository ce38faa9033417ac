"""Examination: what a database file says of its own health; changes nothing.

For ``cloison doctor``, beside a server that may be running. Decides nothing about what is a fault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import make_url

from storage import migrations
from storage.engine_sqlite import PRAGMAS

#: Where SQLite's readers and writers lock a database file, and how many bytes from there.
_SHARED_FIRST = 0x4000_0002
_SHARED_SIZE = 510


def path_of(url: str) -> Path:
    """Return the file of a database's URL."""
    return Path(make_url(url).database or "")


#: A database that is being looked at: opaque to all but storage.
Look = sqlite3.Connection


class Unreadable(Exception):
    """A file cannot be looked at as a database."""


@contextmanager
def opened(path: Path) -> Iterator[Look]:
    """Open a database to look at it. Raises Unreadable, then or while looking.

    The last to close a database that it may write empties the journal: one that was left behind is
    evidence, and stays.
    """
    left = path.with_name(f"{path.name}-wal")
    mode = "ro" if left.exists() and left.stat().st_size else "rw"
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=5)
        with closing(connection):
            connection.execute("PRAGMA query_only=on")
            yield connection
    except sqlite3.Error as error:
        raise Unreadable(str(error)) from None


def damage(database: Look) -> str | None:
    """Return what is damaged, if anything is."""
    try:
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if verdict == "ok" else str(verdict)


def deaf_pragmas(database: Look, pragmas: Mapping[str, Any] = PRAGMAS) -> dict[str, Any]:
    """Return the pragmas that this build of SQLite does not take, with what it has instead.

    The mode of the journal is not set, only read: it belongs to the file.
    """
    found = {}
    for name, wanted in pragmas.items():
        if name != "journal_mode":
            database.execute(f"PRAGMA {name}={wanted}")
        (answer,) = database.execute(f"PRAGMA {name}").fetchone()
        if answer != wanted:
            found[name] = answer
    return found


def versions(database: Look) -> tuple[str | None, str]:
    """Return the version of the tables, and the one that this release has."""
    try:
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:
        row = None
    return (row[0] if row else None), migrations.HEAD


def newest_date(database: Look) -> int:
    """Return the latest date in the database, in milliseconds since 1970, or 0."""
    try:
        rows = database.execute("SELECT max(at) FROM event UNION SELECT max(seen_at) FROM session")
        return max(date or 0 for (date,) in rows)
    except sqlite3.DatabaseError:
        return 0


def doomed_keys(database: Look) -> int:
    """Return how many keys are to be destroyed, and were not when the server stopped."""
    try:
        (count,) = database.execute("SELECT count(*) FROM doomed_key").fetchone()
    except sqlite3.DatabaseError:
        return 0
    return int(count)


def may_be_in_use(path: Path) -> bool:
    """Say whether another process has the database open. Call it from no process that has."""
    import fcntl  # noqa: PLC0415  # there is none on Windows, where nothing else needs it

    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except OSError:
            return True
        fcntl.lockf(file, fcntl.LOCK_UN, _SHARED_SIZE, _SHARED_FIRST)
    return False
