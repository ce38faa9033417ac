"""Bring: a bot's HTTP door. One request, one constant answer.

Invariant: whatever the state of the sphere, a well-formed request from a living connector is
answered by the same bytes; nothing of the sphere is ever read here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from server import errors
from server.auth import tokens
from server.auth.presented import bearer_token
from server.channels.outcome import Outcome
from server.channels.posts import BotDraft
from server.channels.writer import Result, Writer
from server.clock import Clock
from server.domain.pace import Pace
from server.http.body import read_body
from server.protocol.scalars import Body, ClientId
from storage import connectors
from storage.database import Database

#: What a bot is told, and all that it is told.
ACCEPTED = "accepted"
#: Connectors whose pace is remembered; the longest silent are forgotten first, and start afresh.
PACES_MAX = 10_000


class Brought(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a request in JSON."""

    body: Body
    client_id: ClientId | None = None


class _Text(msgspec.Struct, frozen=True):
    body: Body


class Bring:
    """The endpoint, with what it needs."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        *,
        rate: float,
        burst: float,
        body_bytes_max: int,
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._body_bytes_max = body_bytes_max
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    async def answer(self, request: Request) -> Response:
        """Take what a bot brings. Raises NotAuthenticated, TooFast, BadInput, Overloaded."""
        token = bearer_token(request.headers.raw)
        if token is None:
            raise errors.NotAuthenticated
        found = await self._database.read(connectors.by_digest, tokens.digest(token))
        if found is None:
            raise errors.NotAuthenticated
        self._check_pace(found.id)
        brought = decode(
            request.headers.get("content-type", ""),
            await read_body(request, self._body_bytes_max),
        )
        await self._post(
            BotDraft(id=0, connector=found.id, client_id=brought.client_id, body=brought.body)
        )
        return PlainTextResponse(ACCEPTED, status_code=202)

    def _check_pace(self, connector: str) -> None:
        pace = self._paces.pop(connector, None) or Pace(rate=self._rate, burst=self._burst)
        self._paces[connector] = pace
        if len(self._paces) > PACES_MAX:
            self._paces.popitem(last=False)
        if delay := pace.delay(self._clock.now()):
            raise errors.TooFast(retry_after_ms=delay)

    async def _post(self, draft: BotDraft) -> None:
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Result) -> None:
            if not answered.done():
                answered.set_result(result)

        self._writer.post(draft, done)
        result = await answered
        if not isinstance(result, Outcome):
            raise result


def decode(content_type: str, data: bytes) -> Brought:
    """Return what was brought, from JSON or from plain text. Raises BadInput."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            return msgspec.json.decode(data, type=Brought)
        if kind in {"text/plain", "", "application/x-www-form-urlencoded"}:
            text = msgspec.convert({"body": data.decode("utf-8")}, _Text)
            return Brought(body=text.body)
    except msgspec.ValidationError as error:
        raise errors.InvalidField(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise errors.MalformedFrame("The body is neither JSON nor UTF-8 text.") from None
    raise errors.InvalidField("Send application/json or text/plain.")
