"""Line: a WebSocket client that blocks, so that nothing of its own is in what it measures."""

from __future__ import annotations

import base64
import itertools
import json
import os
import socket
import struct
from typing import Any
from urllib.parse import urlsplit

TEXT = 1
PATIENCE_S = 30.0


class Line:
    """One greeted connection, in JSON."""

    def __init__(self, url: str, token: str) -> None:
        where = urlsplit(url)
        self._ids = itertools.count(1)
        self._socket = socket.create_connection((where.hostname, where.port), PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bytes = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /v1/connect HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: cloison.v1.json\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._bytes:
            self._more()
        head, _, self._bytes = self._bytes.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        assert self.ask("hello", token=token)["type"] == "welcome"

    def frame(self, kind: str, **fields: Any) -> bytes:
        """Return a command, ready to be sent."""
        payload = json.dumps({"type": kind, "id": next(self._ids)} | fields).encode()
        size = len(payload)
        head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack(
            "!BBH", 0x81, 0xFE, size
        )  # fmt: skip
        return head + bytes(4) + payload  # masked with nothing

    def exchange(self, frame: bytes) -> bytes:
        """Send a command; return the reply as it came."""
        self._socket.sendall(frame)
        while True:
            opcode, payload = self._frame()
            if opcode == TEXT:
                return payload

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a command; return its reply."""
        answer: dict[str, Any] = json.loads(self.exchange(self.frame(kind, **fields)))
        return answer

    def close(self) -> None:
        """Drop the line."""
        self._socket.close()

    def _frame(self) -> tuple[int, bytes]:
        first, size = self._take(2)
        if size == 126:  # RFC 6455, 5.2: two bytes of length follow
            (size,) = struct.unpack("!H", self._take(2))
        return first & 15, self._take(size)

    def _take(self, size: int) -> bytes:
        while len(self._bytes) < size:
            self._more()
        taken, self._bytes = self._bytes[:size], self._bytes[size:]
        return taken

    def _more(self) -> None:
        received = self._socket.recv(65_536)
        assert received, "the server hung up"
        self._bytes += received
