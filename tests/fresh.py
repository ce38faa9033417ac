"""Fresh: a database at the newest version, laid where a test wants one.

Migrating an empty file takes longer than most tests: it is done once a process, and copied.
``tests/storage/test_migrations.py`` is about the migrations themselves.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from sqlalchemy import create_engine

from storage import migrations

NAME = "cloison.sqlite3"


@functools.cache
def _template() -> bytes:
    """Return the bytes of a migrated, empty database."""
    # An image in memory has no journal mode of its own: the server's connections give it theirs.
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrations.upgrade(connection)
        driver = connection.connection.driver_connection
        assert driver is not None
    image: bytes = driver.serialize()
    engine.dispose()
    return image


def lay(folder: Path) -> None:
    """Put an empty database into a folder, unless there is one."""
    path = folder / NAME
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(_template())
