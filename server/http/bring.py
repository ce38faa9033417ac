"""Bring: a bot's HTTP door. One request, one constant answer.

Invariant: whatever the state of the sphere, a well-formed request from a living connector is
answered by the same bytes; nothing of the sphere is ever read here.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from server import errors
from server.auth.presented import bearer_token
from server.channels.posts import BotDraft
from server.http.body import read_body
from server.http.intake import Intake
from server.protocol.scalars import Body, ClientId

#: What a bot is told, and all that it is told.
ACCEPTED = "accepted"


class Brought(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a request in JSON."""

    body: Body
    client_id: ClientId | None = None


class _Text(msgspec.Struct, frozen=True):
    body: Body


class Bring:
    """The endpoint, with what it needs."""

    def __init__(self, intake: Intake, *, body_bytes_max: int) -> None:
        self._intake = intake
        self._body_bytes_max = body_bytes_max

    async def answer(self, request: Request) -> Response:
        """Take what a bot brings. Raises NotAuthenticated, TooFast, BadInput, Overloaded."""
        connector = await self._intake.admit(bearer_token(request.headers.raw))
        brought = decode(
            request.headers.get("content-type", ""),
            await read_body(request, self._body_bytes_max),
        )
        await self._intake.take(
            BotDraft(id=0, connector=connector, client_id=brought.client_id, body=brought.body)
        )
        return PlainTextResponse(ACCEPTED, status_code=202)


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
