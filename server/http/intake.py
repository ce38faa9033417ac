"""Intake: what the HTTP doors of connectors have in common: who brings, how fast, into the store.

The pace of a connector is one over every door. Whether the connector still
lives is read again in the transaction that inserts. Invariant: nothing comes back from here but
that it was taken, or a refusal that no state of the sphere has a part in.
"""

from __future__ import annotations

import asyncio

from server import errors
from server.auth import tokens
from server.channels.outcome import Outcome
from server.channels.posts import BotDraft
from server.channels.writer import Result, Writer
from server.clock import Clock
from server.domain.pace import Paces
from storage import connectors
from storage.database import Database


class Intake:
    """Lets connectors in, at their pace, and takes what they bring to the writer."""

    def __init__(self, database: Database, writer: Writer, clock: Clock, paces: Paces) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._paces = paces

    async def admit(self, token: str | None) -> str:
        """Return the id of the connector whose token this is. Raises NotAuthenticated, TooFast."""
        if token is None:
            raise errors.NotAuthenticated
        found = await self._database.read(connectors.by_digest, tokens.digest(token))
        if found is None:
            raise errors.NotAuthenticated
        if delay := self._paces.delay(found.id, self._clock.now()):
            raise errors.TooFast(retry_after_ms=delay)
        return found.id

    async def take(self, draft: BotDraft) -> None:
        """Have a draft stored: it is durable when this returns. Raises what refused it."""
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Result) -> None:
            if not answered.done():
                answered.set_result(result)

        self._writer.post(draft, done)
        result = await answered
        if not isinstance(result, Outcome):
            raise result
