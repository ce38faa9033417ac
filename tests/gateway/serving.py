"""Serving: a real uvicorn server in the test's own loop, and what listens at its end.

Builders for the tests of the links: nothing is faked but time, which is moved by turning the wheel.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
import websockets
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.utils import apply_mask

from server.gateway.link import Link, LinkLimits, Parcel
from server.gateway.plain import PlainLink
from server.gateway.slim import SlimProtocols, slim_protocols
from server.protocol.framing import BINARY, TEXT

PATIENCE_S = 30.0  #: real seconds that a real socket is given before a test fails

#: Timeouts so long that nothing happens in a test but by its own hand.
SLOW = LinkLimits(
    handshake_timeout_s=600, close_timeout_s=600, ping_interval_s=600, ping_timeout_s=600
)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition`` holds; fail after PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is awaited is on the far side of a socket
            await asyncio.sleep(0.001)


class Ear:
    """A receiver that remembers what it was told, and does as it is told."""

    def __init__(self, *, echo: bool = False) -> None:
        self.link: Link
        self.messages: list[bytes | str] = []
        self.congestion: list[bool] = []
        self.lost: list[int] = []
        self.echo = echo
        self.on_message: Callable[[bytes], None] | None = None
        self.on_lost: Callable[[], None] | None = None

    def message_received(self, data: bytes, text: bool) -> None:  # noqa: FBT001 - see Receiver
        """Remember it, and send it back if it echoes."""
        assert type(data) is bytes
        assert not self.lost, "nothing is delivered after the end"
        self.messages.append(data.decode() if text else data)
        if self.echo:
            self.link.send(Parcel((data,), TEXT if text else BINARY))
        if self.on_message is not None:
            self.on_message(data)

    def congestion_changed(self, congested: bool) -> None:  # noqa: FBT001 - see Receiver
        """Remember it."""
        assert not self.lost, "nothing is told after the end"
        self.congestion.append(congested)

    def connection_lost(self, code: int) -> None:
        """Remember it."""
        self.lost.append(code)
        assert self.link.closed, "the link is closed before its receiver hears of it"
        if self.on_lost is not None:
            self.on_lost()

    def say(self, *payloads: bytes, opcode: int = BINARY) -> None:
        """Send one parcel."""
        self.link.send(Parcel(payloads, opcode))


class House:
    """An ASGI application whose connections are links, each with an ear at its end."""

    def __init__(
        self, limits: LinkLimits = SLOW, *, plain: bool = False, echo: bool = False
    ) -> None:
        self.limits = limits
        self.plain = plain
        self.echo = echo
        self.ears: list[Ear] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept, and go on over the link that the server allows; mirror HTTP."""
        if scope["type"] == "http":
            await _mirror(receive, send)
            return
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        ear = Ear(echo=self.echo)
        detach = scope["extensions"].get("cloison.link", {}).get("detach")
        if self.plain or detach is None:
            ear.link = link = PlainLink(receive, send, ear, self.limits)
            self.ears.append(ear)
            await link.run()
        else:
            ear.link = detach(ear)
            self.ears.append(ear)


async def _mirror(receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Served:
    """A server that runs, and the clients it was given."""

    def __init__(self, server: uvicorn.Server, protocols: SlimProtocols) -> None:
        self.server = server
        self.protocols = protocols
        self.port: int = server.servers[0].sockets[0].getsockname()[1]
        self.dialled: list[socket.socket] = []

    @property
    def known(self) -> set[object]:
        """Return the connections that the server knows of."""
        return {*self.server.server_state.connections}

    @property
    def connections(self) -> int:
        """Return how many they are."""
        return len(self.server.server_state.connections)

    def pass_time(self, seconds: float) -> None:
        """Make the wheel believe that ``seconds`` went by."""
        wheel = self.protocols.ws.wheel
        for _ in range(round(seconds / wheel.notch_s) + 2):
            wheel.turn()

    def connect(self, path: str = "/", **options: Any) -> connect:
        """Return a client of the websockets library."""
        settings = {"compression": None, "ping_interval": None, "proxy": None, "max_size": None}
        return websockets.connect(f"ws://127.0.0.1:{self.port}{path}", **(settings | options))

    def dial(self, *, receive_buffer: int | None = None) -> socket.socket:
        """Return a bare socket, connected."""
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", self.port))  # the backlog takes it: the loop need not turn
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(0)
        self.dialled.append(sock)
        return sock


@asynccontextmanager
async def serving(
    app: ASGIApp, limits: LinkLimits = SLOW, *, ws: str | None = None, **options: Any
) -> AsyncIterator[Served]:
    """Serve ``app``: through slim protocols of ``limits``, or by uvicorn's own ``ws``."""
    protocols = slim_protocols(limits)
    chosen: dict[str, Any] = {"http": "httptools", "ws": ws, "ws_ping_interval": None}
    if ws is None:
        chosen = {"http": protocols.http, "ws": protocols.ws}
    settings = {"port": 0, "log_config": None, "lifespan": "off", "ws_per_message_deflate": False}
    config = uvicorn.Config(app, **(settings | chosen | options))
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    served = Served(server, protocols)
    try:
        yield served
    finally:
        for sock in served.dialled:
            sock.close()
        await _stop(server)


async def _stop(server: uvicorn.Server) -> None:
    for listener in server.servers:
        listener.close()
    for connection in tuple(server.server_state.connections):
        if connection.transport is not None:
            connection.transport.abort()
    state = server.server_state
    await until(lambda: not state.connections and not state.tasks)


# The client's side of the wire.

HANDSHAKE = (
    b"GET /%s HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def client_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """Return a frame as a client sends it, sound or not."""
    length = len(payload)
    flag = 0x80 if masked else 0
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if length < 126:
        head += bytes([flag | length])
    elif length < 65_536:
        head += bytes([flag | 126]) + struct.pack("!H", length)
    else:
        head += bytes([flag | 127]) + struct.pack("!Q", length)
    if not masked:
        return head + payload
    mask = b"\x12\x34\x56\x78"
    return head + mask + apply_mask(payload, mask)


def close_payload(code: int, reason: str = "") -> bytes:
    """Return what a close frame carries."""
    return struct.pack("!H", code) + reason.encode()


class Peer:
    """A client that sends any bytes and understands the server's frames."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._read = b""

    @classmethod
    async def greeted(cls, served: Served, path: bytes = b"", **options: Any) -> Peer:
        """Dial and shake hands."""
        peer = cls(served.dial(**options))
        await peer.send(HANDSHAKE % path)
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        return peer

    async def send(self, data: bytes) -> None:
        """Send ``data`` as it is."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def head(self) -> bytes:
        """Return the head of an HTTP response."""
        while b"\r\n\r\n" not in self._read:
            assert await self._more(), self._read
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return head

    async def frame(self) -> tuple[int, bytes] | None:
        """Return the first byte and the payload of the next frame, None at the end."""
        while (found := _parse(self._read)) is None:
            if not await self._more():
                assert not self._read, "the stream ends between two frames"
                return None
        opcode, payload, self._read = found
        return opcode, payload

    async def frames(self) -> list[tuple[int, bytes]]:
        """Return all frames until the end of the stream."""
        found = []
        while (one := await self.frame()) is not None:
            found.append(one)
        return found

    async def rest(self) -> bytes:
        """Return all bytes until the end of the stream, or its reset."""
        while await self._more():
            pass
        read, self._read = self._read, b""
        return read

    def close(self, *, reset: bool = False) -> None:
        """Hang up, politely or not."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    async def _more(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            try:
                data = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 20)
            except ConnectionResetError:
                return False
        self._read += data
        return bool(data)


def _parse(data: bytes) -> tuple[int, bytes, bytes] | None:
    if len(data) < 2:
        return None
    start, length = 2, data[1]
    if length == 126:
        start, length = 4, int.from_bytes(data[2:4], "big")
    elif length == 127:
        start, length = 10, int.from_bytes(data[2:10], "big")
    if len(data) < start + length:
        return None
    return data[0], data[start : start + length], data[start + length :]


async def opened(served: Served, house: House, **options: Any) -> tuple[Peer, Ear]:
    """Return the two ends of a new connection."""
    known = len(house.ears)
    peer = await Peer.greeted(served, **options)
    await until(lambda: len(house.ears) > known)
    return peer, house.ears[-1]


async def settle(served: Served, house: House) -> None:
    """Let everything that was sent so far arrive: a newcomer's messages went round behind it."""
    peer, ear = await opened(served, house)
    for _ in range(3):
        ear.say(b"there")
        await peer.frame()
        await peer.send(client_frame(2, b"back"))
        await until(lambda: ear.messages)
        ear.messages.clear()
    peer.close()
    await until(lambda: ear.lost)
