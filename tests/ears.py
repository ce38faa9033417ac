"""Ears: the lightest WebSocket clients there are, for tests that need a thousand at once.

One frame out, one frame in; no task, no buffer of their own. Real sockets, nothing of the server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from typing import Any
from urllib.parse import urlsplit

#: Handshakes under way at once.
AT_ONCE = 100
PATIENCE_S = 30.0
TEXT, CLOSE, PING = 1, 8, 9


class Ear:
    """One greeted connection, in JSON."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def several(cls, url: str, tokens: list[str]) -> list[Ear]:
        """Open a connection for each token, in their order."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(token: str) -> Ear:
            async with places:
                return await cls.open(url, token)

        return list(await asyncio.gather(*(one(token) for token in tokens)))

    @classmethod
    async def open(cls, url: str, token: str) -> Ear:
        """Open a connection, and say hello."""
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /v1/connect HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: cloison.v1.json\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        ear = cls(reader, writer)
        welcome = await ear._ask({"type": "hello", "id": 1, "token": token})
        assert welcome["type"] == "welcome", welcome
        return ear

    async def answers(self) -> bool:
        """Say whether a command is answered: one for which the server reads nothing."""
        answer = await self._ask({"type": "unsubscribe", "id": 2, "sphere": "a" * 26})
        return bool(answer["type"] == "error" and answer["error"]["code"] == "not_found")

    async def closed(self) -> int:
        """Wait for the close frame; return its code."""
        opcode, payload = await self._frame()
        assert opcode == CLOSE, (opcode, payload)
        code: int = struct.unpack("!H", payload[:2])[0]
        return code

    def cut(self) -> None:
        """Drop the line without a word."""
        self._writer.transport.abort()

    async def _ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        payload = json.dumps(frame).encode()
        size = len(payload)
        assert size < 65_536
        head = bytes([0x81, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
        self._writer.write(head + b"\0\0\0\0" + payload)  # masked with nothing
        opcode, answer = await self._frame()
        assert opcode == TEXT, (opcode, answer)
        found: dict[str, Any] = json.loads(answer)
        return found

    async def _frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                first, size = await self._reader.readexactly(2)
                if size == 126:
                    (size,) = struct.unpack("!H", await self._reader.readexactly(2))
                payload = await self._reader.readexactly(size)
                if first & 15 != PING:  # a test that takes so long needs no pong yet
                    return first & 15, payload
