"""Erasure: when what was deleted is physically gone.

Runs after the transaction that erased: destroys the keys that it doomed, then empties the write-
ahead log over the zeroed pages. A crash in between leaves the rest to the next start. Invariant:
while anything is left to do, ``pending`` says so.
"""

from __future__ import annotations

from collections.abc import Callable

from server import errors
from storage import sealing
from storage.database import Database


class Eraser:
    """Finishes erasures of one database."""

    def __init__(
        self, database: Database, tell: Callable[[tuple[bytes, ...]], None] = lambda _: None
    ) -> None:
        self._database = database
        self._tell = tell  #: called with the ids of keys that are destroyed
        self.pending = False

    async def scrub(self, *, retry: bool = True) -> bool:
        """Destroy doomed keys and empty the log; say whether all of it was done.

        Another process that reads can hold it up, and so can a full disk: it is tried again every
        so often, and at the next start. While the log is held up, only the keys are destroyed at
        once: what they sealed is gone with them.
        """
        held_up, self.pending = self.pending, True
        try:
            await self._shred()
            if not held_up or retry:
                self.pending = not await self._database.checkpoint()
        except errors.StorageUnavailable:
            return False
        return not self.pending

    async def _shred(self) -> None:
        keys = await self._database.write(sealing.doomed)
        if keys:
            await self._database.aside(self._database.keyring.destroy, keys)
            self._tell(tuple(keys))
            await self._database.write(sealing.forget_doomed, keys)
