"""The keyring of one machine: a file of SQLite's, apart from the data.

Decides how a key is written and destroyed. Invariant: no file of the keyring, and none in a folder
of temporary files, holds a key that was destroyed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server import errors
from storage.keyring import Keyring

#: Nobody but this machine's servers has a reason to open the file; who does is not waited for for
#: long. What ``VACUUM`` copies stays in memory: it would leave keys in a folder of temporary files.
_PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "secure_delete=on",
    "temp_store=memory",
    "busy_timeout=100",
)
#: Keys that are looked for one by one in the file; for more, it is cheaper to write it anew.
SOUGHT_MAX = 8
_TABLE = "CREATE TABLE IF NOT EXISTS secret (id BLOB PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID"


class FileKeyring(Keyring):
    """The keys of one database, in a file of their own."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        # Whoever closes any descriptor of a file lets go of all the locks that their process has on
        # it, SQLite's among them: this one stays open as long as SQLite has the file.
        self._bytes = path.open("rb", buffering=0)
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            for pragma in _PRAGMAS:
                self._file.execute(f"PRAGMA {pragma}")
            self._file.execute(_TABLE)
        except sqlite3.Error:
            self._let_go()
            raise

    def count(self) -> int:
        """Return how many keys there are."""
        with self._lock, _told():
            (found,) = self._file.execute("SELECT count(*) FROM secret").fetchone()
        return int(found)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        self._file.close()
        self._bytes.close()

    def _key(self, key_id: bytes) -> bytes | None:
        with _told():
            asked = "SELECT key FROM secret WHERE id = ?"
            row = self._file.execute(asked, (key_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def _add(self, key_id: bytes, key: bytes) -> None:
        with _told():
            self._file.execute(
                "INSERT INTO secret (id, key) VALUES (?, ?) ON CONFLICT DO NOTHING", (key_id, key)
            )

    def _destroy(self, key_ids: list[bytes]) -> None:
        with _told():
            keys = [key for key_id in key_ids if (key := self._key(key_id)) is not None]
            self._file.executemany("DELETE FROM secret WHERE id = ?", [(one,) for one in key_ids])
            self._checkpoint()
            if len(keys) > SOUGHT_MAX or self._holds(keys):
                self._file.execute("VACUUM")
                self._checkpoint()

    def _checkpoint(self) -> None:
        (busy, _, _) = self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("the keyring is being read by another process")

    def _holds(self, keys: list[bytes]) -> bool:
        """Say whether the file still holds any of these keys.

        SQLite overwrites what it deletes, not what it left behind when it moved rows between pages.
        """
        self._bytes.seek(0)
        content = self._bytes.readall()
        return any(key in content for key in keys)


@contextmanager
def _told() -> Iterator[None]:
    """Tell of the file's failures as the contract says."""
    try:
        yield
    except sqlite3.Error as error:
        raise errors.StorageUnavailable from error
