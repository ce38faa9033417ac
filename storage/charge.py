"""Charge: which process is in charge of a database: the one that may end stays in it.

A lock that the system lets go when the process dies: on a file beside SQLite's, in PostgreSQL
itself (``engine_postgres``). Who is not in charge asks who is (``errands``), so that whatever is
said on a timeline is published by a process that serves. Invariant: at most one process leads, and
a command has a database to itself only while nobody serves it.
"""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from pathlib import Path


class Charge(ABC):
    """The locks of one database. Each method waits for the database, not for other processes."""

    @abstractmethod
    def serve(self) -> bool:
        """Begin to serve the database; say whether that may be now."""

    @abstractmethod
    def lead(self) -> bool:
        """Say whether this server does what is done once; take that over if nobody does it."""

    @abstractmethod
    def take(self) -> bool:
        """Have the database to oneself; say whether that succeeded, or was so already."""

    @abstractmethod
    def leave(self) -> None:
        """Be in charge no more."""


class FileCharge(Charge):
    """The lock of a database that is a file: who serves it has it to itself, and leads."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.charge")
        self._file: int | None = None

    def serve(self) -> bool:
        """Take charge: one server serves one file."""
        return self.take()

    def lead(self) -> bool:
        """Take charge, or keep it."""
        return self.take()

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
