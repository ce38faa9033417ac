"""Gate: between a client and a server, to be shut: what a network does to people.

It passes bytes both ways, cuts every connection at once, refuses new ones, or keeps the server's
answers to itself.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from urllib.parse import urlsplit

from tests.people import PATIENCE_S


class Gate:
    """A relay in front of the server at ``url``; its own address is ``self.url``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._writers: set[asyncio.StreamWriter] = set()
        self._relays: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._shut = False
        self._open.set()
        self._swallowed = asyncio.Event()
        self.url = ""
        self.passed = 0  #: connections so far
        self.token = ""  #: of whoever comes through, for who must end their session

    async def __aenter__(self) -> Gate:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        if self._relays:
            await asyncio.wait(self._relays)

    def cut(self) -> None:
        """Break every connection, without a word."""
        for writer in self._writers:
            writer.transport.abort()

    def shut(self) -> None:
        """Break every connection, and let nobody through."""
        self._shut = True
        self.cut()

    def open(self) -> None:
        """Let everybody through again."""
        self._shut = False
        self._open.set()

    def hush(self) -> None:
        """Keep what the server says to itself, on the connections of this moment."""
        self._open.clear()
        self._swallowed.clear()

    async def swallowed(self) -> None:
        """Wait until the server has said something that nobody heard."""
        async with asyncio.timeout(PATIENCE_S):
            await self._swallowed.wait()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._shut:
            writer.transport.abort()
            return
        self.passed += 1
        there, back = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, back}
        for task in (
            asyncio.create_task(self._relay(reader, back, None)),
            asyncio.create_task(self._relay(there, writer, self._open)),
        ):
            self._relays.add(task)
            task.add_done_callback(self._relays.discard)

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        opened: asyncio.Event | None,
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if opened is not None and not opened.is_set():
                    self._swallowed.set()
                    return  # for good: this connection stays silent when the gate speaks again
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # cut, by the gate or by the other side
        finally:
            if opened is None or opened.is_set():
                writer.close()
