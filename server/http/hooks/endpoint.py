"""Endpoint: the address that a tool is given, with the connector's token in its path.

Slack's tools take one address and nothing else, so here alone a token stands in an address
(docs/adr/0009); it is never logged. Decides the words of the answer. Invariant: what was taken is
answered by one constant, whatever the state of the sphere; what is refused, by the class of the
refusal alone.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from server import errors
from server.channels.posts import BotDraft
from server.http.body import read_body
from server.http.hooks.delivery import client_id_of, fitted, label_of
from server.http.hooks.dialects import read
from server.http.hooks.unpacking import unpack
from server.http.intake import Intake

#: What a tool is told, and all that it is told.
OK = "ok"
#: There was nothing to say in what was sent.
NO_TEXT = "no_text"
#: Slack's words, and their statuses: the first class that a refusal is one of.
WORDS: Final[tuple[tuple[type[errors.Refusal], int, str], ...]] = (
    (errors.Unauthenticated, 403, "invalid_token"),
    (errors.TooFast, 429, "rate_limited"),
    (errors.Overloaded, 503, "service_unavailable"),
    (errors.TooLarge, 413, "msg_too_long"),
    (errors.Refusal, 400, "invalid_payload"),
)


class Hook:
    """The endpoint, with what it needs."""

    def __init__(self, intake: Intake, *, body_bytes_max: int) -> None:
        self._intake = intake
        self._body_bytes_max = body_bytes_max

    async def answer(self, request: Request) -> Response:
        """Take what a tool sends, and answer in its words."""
        try:
            return await self._taken(request)
        except errors.Refusal as refusal:
            return refused(refusal)

    async def _taken(self, request: Request) -> Response:
        connector = await self._intake.admit(request.path_params["token"])
        data = await read_body(request, self._body_bytes_max)
        brought = read(await unpack(request.headers, data))
        body = fitted(brought.text)
        if not body:
            return PlainTextResponse(NO_TEXT, status_code=400)
        key = request.headers.get("idempotency-key")
        await self._intake.take(
            BotDraft(
                id=0,
                connector=connector,
                client_id=client_id_of(f"key {key}" if key else brought.key),
                body=body,
                label=label_of(brought.label),
            )
        )
        return PlainTextResponse(OK)


def refused(refusal: errors.Refusal) -> Response:
    """Return the answer to what was refused."""
    status, word = next((status, word) for kind, status, word in WORDS if isinstance(refusal, kind))
    headers = {}
    if refusal.retry_after_ms is not None:
        headers["retry-after"] = str(-(-refusal.retry_after_ms // 1000))
    if isinstance(refusal, errors.TooLarge):
        headers["connection"] = "close"  # what was not read must not be read
    return PlainTextResponse(word, status_code=status, headers=headers)
