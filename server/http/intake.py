"""Intake: what the HTTP doors of connectors have in common: who brings, how fast, into the store.

Decides the pace of a connector, which is one over every HTTP door. Whether the connector still
lives is read again in the transaction that inserts. Invariant: nothing comes back from here but
that it was taken, or a refusal that no state of the sphere has a part in.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from server import errors
from server.auth import tokens
from server.channels.outcome import Outcome
from server.channels.posts import BotDraft
from server.channels.writer import Result, Writer
from server.clock import Clock
from server.domain.pace import Pace
from storage import connectors
from storage.database import Database

#: Connectors whose pace is remembered; the longest silent are forgotten first, and start afresh.
PACES_MAX = 10_000


class Intake:
    """Lets connectors in, at their pace, and takes what they bring to the writer."""

    def __init__(
        self, database: Database, writer: Writer, clock: Clock, *, rate: float, burst: float
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    async def admit(self, token: str | None) -> str:
        """Return the id of the connector whose token this is. Raises NotAuthenticated, TooFast."""
        if token is None:
            raise errors.NotAuthenticated
        found = await self._database.read(connectors.by_digest, tokens.digest(token))
        if found is None:
            raise errors.NotAuthenticated
        self._check_pace(found.id)
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

    def _check_pace(self, connector: str) -> None:
        pace = self._paces.pop(connector, None) or Pace(rate=self._rate, burst=self._burst)
        self._paces[connector] = pace
        if len(self._paces) > PACES_MAX:
            self._paces.popitem(last=False)
        if delay := pace.delay(self._clock.now()):
            raise errors.TooFast(retry_after_ms=delay)
