"""Health: whether the process lives, and whether it can serve.

Says one word: what is wrong is for the operator's logs, not for whoever asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

#: Asks whether the server can serve at this moment; never raises.
Ready = Callable[[], Awaitable[bool]]


async def alive(_request: Request) -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok")


class Readiness:
    """The endpoint, with what it asks."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready

    async def answer(self, _request: Request) -> Response:
        """Say whether the server can serve."""
        if await self._ready():
            return PlainTextResponse("ready")
        return PlainTextResponse("not ready", status_code=503)
