"""Foreman: does, in the server in charge, what other processes ask of it.

Looks every so often whether anything is asked: one short query. Each errand is one transaction of
the writer, like a command of a person, and is answered in it. Invariant: whoever reads the answer
finds what came of it published, or is about to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from server import errors
from server.administration.wishes import Answer, AnyWish, fulfil
from server.auth.live import LiveSessions
from server.channels.outcome import Outcome
from server.channels.writer import Writer
from server.clock import Clock
from server.protocol.replies import Done
from storage import errands
from storage.database import Database, Transaction
from storage.errands import Errand

_log = structlog.get_logger(__name__)
_wishes = msgspec.json.Decoder(AnyWish)


class Foreman:
    """Looks for errands, and does them."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        live: LiveSessions,
        clock: Clock,
        *,
        leads: Callable[[], bool] = lambda: True,
        every_s: float = 0.5,
    ) -> None:
        self._database = database
        self._writer = writer
        self._live = live
        self._clock = clock
        self._leads = leads
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="foreman")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Do what is asked at this moment, unless another node does. Raises StorageUnavailable."""
        if not await asyncio.to_thread(self._leads):
            return
        for errand in await self._database.read(errands.pending):
            await self._do(errand)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.look()
            except errors.Overloaded:
                _log.warning("errands_postponed")
            except Exception as bug:  # noqa: BLE001  # the next errand must not wait for a restart
                _log.error("errand_failed", error=type(bug).__name__)

    async def _do(self, errand: Errand) -> None:
        try:
            wish = _wishes.decode(errand.wish)
            await self._fulfil(errand, wish)
        except errors.Overloaded:
            raise  # it is asked again
        except errors.NotFound:
            await self._refuse(errand, "There is no such thing.")
        except errors.Refusal as refusal:
            await self._refuse(errand, refusal.message)
        except Exception as bug:  # noqa: BLE001  # answered, named, and not tried for ever
            _log.error("errand_failed", error=type(bug).__name__)
            await self._refuse(errand, "The server failed to do it: this is its fault.")

    async def _fulfil(self, errand: Errand, wish: AnyWish) -> None:
        seen, now = self._live.dirty(), self._clock.now()

        def act(tx: Transaction) -> Outcome:
            fulfilled = fulfil(tx, wish, seen, now)
            errands.answer(tx, errand.id, msgspec.json.encode(fulfilled.answer))
            return Outcome(
                reply=Done(id=0), publication=fulfilled.publication, erased=fulfilled.erased
            )

        await self._writer.act(act)

    async def _refuse(self, errand: Errand, why: str) -> None:
        with suppress(errors.NotFound):  # whoever asked gave it up
            words = msgspec.json.encode(Answer(refusal=why))
            await self._database.write(errands.answer, errand.id, words)
