"""Refusals: what was refused, as an HTTP answer; and the headers that every answer carries.

The one place where an exception becomes an HTTP answer. Invariant: an answer depends on the class
and the message of a refusal and on nothing else; of a bug nobody is told more than that there is
one, and the log holds its type and its place in the code, never a value.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import errors
from server.protocol.replies import ErrorBody

_log = structlog.get_logger(__name__)

#: On every answer: nothing is kept by caches, guessed, framed, run, or told to the next site.
HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


#: Where an answer's refusal is noted in its scope.
CODE: Final = "cloison.refusal"


class _Answer(msgspec.Struct, frozen=True):
    error: ErrorBody


def answer(refusal: errors.Refusal) -> Response:
    """Return the HTTP answer to what was refused."""
    body = ErrorBody(
        code=refusal.code,
        message=refusal.message,
        temporary=refusal.temporary,
        retry_after_ms=refusal.retry_after_ms,
    )
    return _json(refusal.status, body, _headers(refusal))


def _headers(refusal: errors.Refusal) -> dict[str, str]:
    headers = {}
    if refusal.retry_after_ms is not None:
        headers["retry-after"] = str(-(-refusal.retry_after_ms // 1000))
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(refusal, errors.TooLarge):
        headers["connection"] = "close"  # what was not read must not be read
    return headers


def _json(status: int, body: ErrorBody, headers: Mapping[str, str]) -> Response:
    return Response(
        msgspec.json.encode(_Answer(body)),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


async def on_refusal(request: Request, refusal: errors.Refusal) -> Response:
    """Answer a refusal that an endpoint raised, and leave its code to whoever counts."""
    request.scope[CODE] = refusal.code
    return answer(refusal)


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    """Answer what the router refused: an unknown path, a method that a path does not take."""
    if error.status_code == 404:
        return await on_refusal(request, errors.NotFound())
    request.scope[CODE] = errors.BadInput.code
    body = ErrorBody(code=errors.BadInput.code, message=error.detail, temporary=False)
    return _json(error.status_code, body, error.headers or {})


async def on_bug(_request: Request, _bug: Exception) -> Response:
    """Answer for an error that nobody foresaw; ``Guard`` logs it."""
    message = "The server failed to answer: this is its fault."
    return _json(500, ErrorBody(code="internal", message=message, temporary=True), {})


#: For the application's ``exception_handlers``: its own would answer in another form.
HANDLERS: Final[Mapping[Any, Any]] = {
    errors.Refusal: on_refusal,
    HTTPException: on_http_exception,
    Exception: on_bug,
}


class Guard:
    """Wraps an application: adds HEADERS to every answer, and lets no exception out.

    ASGI servers log what escapes with a traceback of values. WebSockets pass untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except errors.Refusal as refusal:
            response = await on_refusal(Request(scope), refusal)
            await response(scope, receive, send_with_headers)
        except Exception as bug:  # noqa: BLE001  # named in the log, and answered
            _log.error("request_failed", error=type(bug).__name__, place=_place(bug))
            if not started:
                response = await on_bug(Request(scope), bug)
                await response(scope, receive, send_with_headers)


def _place(bug: Exception) -> str:
    frame = traceback.extract_tb(bug.__traceback__)[-1]
    return f"{frame.name}:{frame.lineno}"
