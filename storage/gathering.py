"""Gathering: one look at the store for all who ask the same question in the same moment.

A thousand clients that come back ask a thousand times which session their token opens; a hop to a
thread and a statement for each would cost more than the answer. Whoever asks while a look is under
way shares the next one; a lone question is asked at once. Decides nothing about what is asked.
Invariant: an answer comes from a snapshot that began after its question was put.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

from storage.database import Database, Transaction

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Questions in one look: it lasts about a millisecond, and other readers wait behind it.
TOGETHER_MAX = 128


class Gathering(Generic[K, V]):
    """Asks ``ask(transaction, keys)`` for many keys at once; what it leaves out is not there."""

    def __init__(
        self, database: Database, ask: Callable[[Transaction, Collection[K]], Mapping[K, V]]
    ) -> None:
        self._database = database
        self._ask = ask
        self._asked: list[tuple[K, asyncio.Future[V | None]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def find(self, key: K) -> V | None:
        """Return what there is of ``key``. Raises what the question raises, StorageUnavailable."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[V | None] = loop.create_future()
        self._asked.append((key, answer))
        if self._looking is None:
            self._looking = loop.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        """Look until nobody waits."""
        try:
            while self._asked:
                together, self._asked = self._asked[:TOGETHER_MAX], self._asked[TOGETHER_MAX:]
                try:
                    await self._answer(together)
                finally:
                    for _, answer in together:
                        answer.cancel()  # of those still open: this task was ended in between
        finally:
            self._looking = None

    async def _answer(self, together: list[tuple[K, asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._database.read(self._ask, {key for key, _ in together})
        except Exception as error:  # noqa: BLE001  # each who asked hears it
            for _, answer in together:
                if not answer.done():
                    answer.set_exception(error)
            return
        for key, answer in together:
            if not answer.done():  # who asked may be gone
                answer.set_result(found.get(key))
