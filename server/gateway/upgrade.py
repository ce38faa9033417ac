"""Upgrade: HTTP on a connection until it becomes a WebSocket.

Decides how long a request may take to arrive, and hands over whole: bytes that a client sent behind
its handshake are not lost, and what HTTP needed is freed at once. All else is uvicorn's. Invariant:
after the upgrade nothing refers to this object, and it refers to nothing that refers back.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections import Counter
from contextlib import suppress
from typing import Any, ClassVar, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.channels.line import LINE
from server.gateway.handshake import HeadTaker
from server.gateway.link import LinkLimits
from server.gateway.wheel import Member, Wheel, wheel_for

#: SO_LINGER: closing drops what the kernel has not sent.
RESET: Final = struct.pack("ii", 1, 0)
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class SlimHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose requests have a deadline, and whose upgrade leaves nothing behind."""

    limits: ClassVar[LinkLimits] = LinkLimits()
    wheel: ClassVar[Wheel] = wheel_for(limits)
    sockets: ClassVar[Counter[str]] = Counter()

    seat: set[Member] | None = None
    _read: bytes = b""
    _address: str | None = None
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's is narrower too
        """Give the first request its deadline: uvicorn waits for it for ever."""
        super().connection_made(transport)
        self.wheel.appoint(self, self.limits.handshake_timeout_s)
        self._address = self.client[0] if self.client else ""
        self.sockets[self._address] += 1
        if self.sockets[self._address] > self.limits.http_connections_per_address_max:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._leave()
        self.wheel.forget(self)
        super().connection_lost(exc)

    def _leave(self) -> None:
        """Count this connection no more: it is gone, or a WebSocket, which others count."""
        address, self._address = self._address, None
        if address is not None:
            self.sockets[address] -= 1
            if not self.sockets[address]:
                del self.sockets[address]

    def data_received(self, data: bytes) -> None:
        """Keep what was read for as long as it is being parsed; hang up on a head without end."""
        self._read = data
        super().data_received(data)
        self._read = b""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.http_head_bytes_max:
                self._refuse_head()

    def _refuse_head(self) -> None:
        self._in_head = False
        if not self.transport.is_closing():
            self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Give every request its deadline, and its head a bound."""
        self._in_head = True
        self._head_bytes = 0
        if self.seat is None:
            self.wheel.appoint(self, self.limits.handshake_timeout_s)
        super().on_message_begin()
        self.scope["extensions"] = {LINE: {"line": self}}

    def on_headers_complete(self) -> None:
        """Note that the head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request is whole: from here on it is the application's time."""
        self.wheel.forget(self)
        super().on_message_complete()

    # What an endpoint whose request or answer is long may ask of its connection: see ``LINE``.

    @property
    def lost(self) -> bool:
        """Say whether nobody is there any more."""
        return self.transport.is_closing()

    def outlast(self) -> None:
        """Let the request take longer than others: whoever asks sees to its pace."""
        self.wheel.forget(self)

    def abort(self) -> None:
        """Cut the connection: what neither this process nor the kernel has sent yet is dropped."""
        endpoint = self.transport.get_extra_info("socket")
        if endpoint is not None:
            with suppress(OSError):  # it is broken already
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()

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
        self._switch()
        self._leave()
        self.wheel.forget(self)
        del self.parser, self.scope, self.headers, self.flow  # they refer to each other, and back
        if rest and not transport.is_closing():
            cast("asyncio.Protocol", transport.get_protocol()).data_received(rest)

    def _switch(self) -> None:
        """Let the WebSocket protocol have the transport, and the request."""
        if not issubclass(self.ws_protocol_class or object, HeadTaker):
            super().handle_websocket_upgrade()  # writes the request anew, to be parsed again
            return
        self.connections.discard(self)
        protocol = cast("Any", self.ws_protocol_class)(
            self.config, self.server_state, self.app_state
        )
        protocol.connection_made(self.transport)
        protocol.take_head(self.scope, self.url)
        self.transport.set_protocol(protocol)
