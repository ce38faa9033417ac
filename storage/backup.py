"""Backup: a copy of a database that is in use, and back.

Copies one SQLite file to another, whole, as of one instant, while others read and write it. Knows
no table but the sessions, which no restored copy may open again. Invariant: a file that is there
under its name is complete, checked and on the disk, and its owner's alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

#: Pages of one step: four megabytes, between two moves of a progress bar.
PAGES = 1_024
#: Called with how many pages are left, and of how many.
Progress = Callable[[int, int], None]


class Unusable(Exception):
    """A file is no sound database, or is in use."""


def copy(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Copy a database to ``target``, which is replaced at once or not at all.

    Raises Unusable, or OSError.
    """
    with _replacing(target) as partial:
        try:
            with closing(_opened(source)) as original, closing(_opened(partial)) as duplicate:
                _duplicate(original, duplicate, progress)
        except sqlite3.Error as error:
            raise Unusable(f"{source}: {error}") from None


def restore(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Put a copy in place of a database that nobody uses, and end every session in it.

    Raises Unusable, or OSError.
    """
    if target.exists():
        check_unused(target)
    with _replacing(target) as partial:
        try:
            with closing(_opened(source)) as original, closing(_opened(partial)) as duplicate:
                _duplicate(original, duplicate, progress)
                duplicate.execute("DELETE FROM session")
                duplicate.commit()
        except sqlite3.Error as error:
            raise Unusable(f"{source}: {error}") from None
    for journal in ("-wal", "-shm"):
        target.with_name(target.name + journal).unlink(missing_ok=True)


def check_unused(path: Path) -> None:
    """Raise Unusable when another process has the database open."""
    try:
        with closing(_opened(path)) as database:
            database.execute("PRAGMA busy_timeout=0")
            database.execute("PRAGMA journal_mode=delete").fetchone()
    except sqlite3.Error:
        raise Unusable(f"{path} is in use: stop the server first.") from None


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)


def _duplicate(
    original: sqlite3.Connection, duplicate: sqlite3.Connection, progress: Progress | None
) -> None:
    original.execute("BEGIN")
    original.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # holds one snapshot
    original.backup(
        duplicate,
        pages=PAGES,
        progress=lambda _status, left, total: progress and progress(left, total),
    )
    original.rollback()
    duplicate.execute("PRAGMA journal_mode=delete").fetchone()  # one file, with no journal beside
    (verdict,) = duplicate.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the database is damaged: {verdict}")


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Make a file beside ``target``, private, and let it take that name when all went well."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield partial
        _sync(partial)
        partial.replace(target)
        _sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
