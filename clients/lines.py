"""Lines: standard input without blocking the loop, whatever it is: terminal, pipe or file.

An event loop cannot watch a file, and a thread of the default pool that waits for a terminal would
keep the program from ending: hence one daemon thread, that reads only when asked. Invariant: at
most one chunk and one unfinished line are held.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from queue import SimpleQueue
from threading import Thread
from typing import Final

from clients.failures import Misuse
from clients.wire import BODY_CHARS_MAX

_CHUNK_BYTES: Final = 65_536
#: The longest line, in bytes: no message is longer, whatever its characters.
_LINE_BYTES_MAX: Final = 4 * BODY_CHARS_MAX + 2


class Lines:
    """The lines of a file descriptor, decoded, without their ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._wanted: SimpleQueue[asyncio.Future[bytes]] = SimpleQueue()
        self._rest = b""
        Thread(target=self._work, name="standard input", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield the lines up to the end of the input. Raises Misuse."""
        while (line := await self.next()) is not None:
            yield line

    async def next(self) -> str | None:
        """Return the next line, None at the end. Raises Misuse when it cannot be a message."""
        while b"\n" not in self._rest:
            if len(self._rest) > _LINE_BYTES_MAX:
                raise Misuse(f"A line is longer than a message may be ({BODY_CHARS_MAX}).")
            chunk = await self._chunk()
            if not chunk:
                rest, self._rest = self._rest, b""
                return decode(rest) if rest else None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return decode(line.removesuffix(b"\r"))

    async def _chunk(self) -> bytes:
        chunk: asyncio.Future[bytes] = self._loop.create_future()
        self._wanted.put(chunk)
        return await chunk

    def _work(self) -> None:
        while True:
            wanted = self._wanted.get()
            try:
                chunk = os.read(self._descriptor, _CHUNK_BYTES)
            except OSError:
                chunk = b""  # a terminal that was hung up has no more lines
            # The loop is closed when the program ended while this thread waited for a line.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_give, wanted, chunk)


def decode(data: bytes) -> str:
    """Return ``data`` as text. Raises Misuse."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Misuse("The input is not valid UTF-8: correct its encoding.") from None


def _give(wanted: asyncio.Future[bytes], chunk: bytes) -> None:
    if not wanted.done():
        wanted.set_result(chunk)
