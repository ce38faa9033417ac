"""Charge: which process is in charge of a database: the one that may end stays in it.

A lock on a file beside the database, which the system lets go when the process dies. Who is not in
charge asks who is (``errands``), so that whatever is said on a timeline is published by the process
that wrote it, in order. Invariant: at most one process is in charge.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Charge:
    """The lock of one database."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.charge")
        self._file: int | None = None

    def take(self) -> bool:
        """Take charge; say whether that succeeded, or this process was in charge already."""
        if self._file is not None:
            return True
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def leave(self) -> None:
        """Be in charge no more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
