"""Upgrade: HTTP on a connection until it becomes a WebSocket.

Decides how long a request may take to arrive, and hands over whole: bytes that a client sent behind
its handshake are not lost, and what HTTP needed is freed at once. All else is uvicorn's. Invariant:
after the upgrade nothing refers to this object, and it refers to nothing that refers back.
"""

from __future__ import annotations

import asyncio
import sys
from typing import ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.gateway.link import LinkLimits
from server.gateway.wheel import Member, Wheel, wheel_for


class SlimHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose requests have a deadline, and whose upgrade leaves nothing behind."""

    limits: ClassVar[LinkLimits] = LinkLimits()
    wheel: ClassVar[Wheel] = wheel_for(limits)

    seat: set[Member] | None = None
    _read: bytes = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first request its deadline: uvicorn waits for it for ever."""
        super().connection_made(transport)
        self.wheel.appoint(self, self.limits.handshake_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self.wheel.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Keep what was read for as long as it is being parsed."""
        self._read = data
        super().data_received(data)
        self._read = b""

    def on_message_begin(self) -> None:
        """Give every request its deadline."""
        if self.seat is None:
            self.wheel.appoint(self, self.limits.handshake_timeout_s)
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that the request is whole: from here on it is the application's time."""
        self.wheel.forget(self)
        super().on_message_complete()

    def due(self) -> None:
        """Hang up on a client that does not finish its request, unless it was made to wait."""
        if self.flow.read_paused:
            self.wheel.appoint(self, self.limits.handshake_timeout_s)
        else:
            self.transport.abort()

    def handle_websocket_upgrade(self) -> None:
        """Hand over to the WebSocket protocol, with the bytes that follow the request."""
        if self.parser.get_http_version() != "1.1":  # uvicorn would tell it that it is
            self.send_400_response("WebSocket needs HTTP/1.1.")
            return
        upgrade = sys.exception()  # uvicorn calls this from where it catches the parser's
        head = upgrade.args[0] if isinstance(upgrade, httptools.HttpParserUpgrade) else None
        transport, rest = self.transport, b"" if head is None else self._read[head:]
        super().handle_websocket_upgrade()
        self.wheel.forget(self)
        del self.parser, self.scope, self.headers, self.flow  # they refer to each other, and back
        if rest and not transport.is_closing():
            cast("asyncio.Protocol", transport.get_protocol()).data_received(rest)
