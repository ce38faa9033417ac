"""Handshake: whether a request may become a WebSocket, and the answer that says so.

The HTTP parser has read the request. That it is a handshake is websockets' to judge, and to refuse
in its own words; nothing is parsed a second time, and one judge serves all, since judging leaves
nothing in it that anybody reads. Invariant: what is accepted here, websockets accepts.
"""

from __future__ import annotations

import http
from collections.abc import Collection, Iterable
from typing import Final

from starlette.types import Scope
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS, Request, Response
from websockets.server import ServerProtocol

from server.gateway.inflow import QUIET

_JUDGE: Final = ServerProtocol(max_size=None, logger=QUIET)


class HeadTaker:
    """A WebSocket protocol that takes a request as the HTTP parser read it."""

    __slots__ = ()

    def take_head(self, scope: Scope, target: bytes) -> None:
        """Judge a request: ``scope`` as ASGI has it (method, headers), ``target`` as it was sent.

        The transport is there already (``connection_made``).
        """
        raise NotImplementedError


def judge(scope: Scope, target: bytes) -> Response:
    """Return the answer to a request: 101 when it may become a WebSocket, a refusal when not.

    The ``Date`` of a 101 is left to the server's default headers.
    """
    if (status := _too_large(scope["headers"], target)) is not None:
        return refusal(status)
    try:
        request = Request(target.decode("ascii"), Headers(text(scope["headers"])), scope["method"])
    except (UnicodeDecodeError, InvalidHandshake):
        return refusal(http.HTTPStatus.BAD_REQUEST)
    try:
        key, _, _ = _JUDGE.process_request(request)
    except InvalidHandshake:
        return _JUDGE.accept(request)  # which refuses it, and says why
    headers = Headers(
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", key)]
    )
    return Response(101, "Switching Protocols", headers)


def _too_large(headers: Collection[tuple[bytes, bytes]], target: bytes) -> http.HTTPStatus | None:
    """Return the status of a head beyond websockets' bounds: no client that is one comes near."""
    if len(target) > MAX_LINE_LENGTH:
        return http.HTTPStatus.REQUEST_URI_TOO_LONG
    if len(headers) > MAX_NUM_HEADERS or any(
        len(name) + len(value) > MAX_LINE_LENGTH for name, value in headers
    ):
        return http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return None


def refusal(status: http.HTTPStatus, words: str = "") -> Response:
    """Return an answer that refuses."""
    return _JUDGE.reject(status, words)


def text(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return ASGI's headers as websockets has them."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
