"""Engine: what a database must be able to do, whichever it is.

The contract of SQLite's engine and PostgreSQL's; ``database`` hands it work on threads and chooses
it by the URL. Knows no table. Invariant, of both: what ``write`` returned is durable, and an act
that raised left nothing behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from storage.charge import Charge

T = TypeVar("T")

#: An open transaction: opaque to all but storage.
Transaction = Connection


class Misconfigured(Exception):
    """The database cannot keep the promises as it is set up."""


class Engine(ABC):
    """One database. Each method waits: none is called on the event loop."""

    @abstractmethod
    def write(self, act: Callable[[Transaction], T]) -> T:
        """Run ``act`` alone among all writes, and commit; on one thread only.

        Raises what it raises, with nothing written; StorageUnavailable, idem; OutcomeUnknown.
        """

    @abstractmethod
    def append(self, act: Callable[[Transaction], T]) -> T:
        """Run ``act``, which adds posts, and commit: beside other nodes' posts, on that thread."""

    @abstractmethod
    def read(self, ask: Callable[[Transaction], T]) -> T:
        """Run ``ask`` on one snapshot, of the last commit; on any of a few threads."""

    @abstractmethod
    async def answers(self) -> bool:
        """Say whether the database answers, whatever else waits for it."""

    @abstractmethod
    def checkpoint(self) -> bool:
        """Let go of the copies of what was erased; say whether nothing held that up."""

    @abstractmethod
    def charge(self) -> Charge:
        """Return the means to be a server of this database."""

    @abstractmethod
    def close_writer(self) -> None:
        """Let go of the writer's connection, on its thread."""

    @abstractmethod
    def close(self) -> None:
        """Let go of all the others."""
