"""Plain: the link over bare ASGI ``receive`` and ``send``, under any server.

Decides what to do where the server does not offer more (see ``slim.py``): one outbox of bounded
bytes, one task that empties it, and the caller's own that reads. Invariants: a peer that does not
read stalls that writer and nobody else; after the close message nothing is sent.

What ASGI does not allow: what was handed to the server cannot be dropped, so ``abort`` stops what
is still in the outbox and leaves the rest to the server, which flushes it; a close message waits
behind the server's own buffer, so a reader that never drains is cut without having seen its code;
and handshake, keepalive, floods of pings and the code at shutdown are the server's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from starlette.types import Message, Receive, Send

from server.gateway.link import LinkLimits, Parcel, Receiver
from server.protocol.close import Close
from server.protocol.framing import TEXT

NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
TOO_BIG: Final = 1009
LOW_WATER: Final = 4  #: congestion ends at a fourth of the high-water mark, as in asyncio


class PlainLink:
    """A connection that was accepted, served for as long as ``run`` runs."""

    raw_write: None = None

    def __init__(
        self, receive: Receive, send: Send, receiver: Receiver, limits: LinkLimits
    ) -> None:
        self.congested = False
        self.closed = False
        self.buffered = 0
        self._receive = receive
        self._send = send
        self._receiver = receiver
        self._limits = limits
        self._outbox: deque[Parcel] = deque()
        self._stirred = asyncio.Event()  # there is something for the writer
        self._wanted = asyncio.Event()  # the receiver takes messages
        self._wanted.set()
        self._farewell: Message | None = None
        self._cut = False
        self._patience: asyncio.Timeout | None = None  # while ``run`` runs

    async def run(self) -> None:
        """Carry messages both ways until the end; return within ``close_timeout_s`` of it."""
        try:
            async with asyncio.timeout(self._time_left()) as self._patience:
                await self._carry()
        except TimeoutError:
            pass  # the peer did not take its leave in time, or was cut
        finally:
            self._patience = None
            self._end(ABNORMAL)

    @property
    def unsent(self) -> bool:
        """Say whether bytes wait in the outbox; what the server was handed is out of sight."""
        return self.buffered > 0

    def send(self, parcel: Parcel) -> None:
        """Queue ``parcel``; a reader whose outbox is full is cut."""
        if self.closed:
            return
        if self.congested and self.buffered + parcel.size > self._limits.outbox_bytes_max:
            self.close(Close.SLOW_READER, Close.SLOW_READER.reason)
            return
        self._outbox.append(parcel)
        self._stirred.set()
        self._weigh(parcel.size)

    def close(self, code: int, reason: str = "") -> None:
        """Send a close message after what is queued, then wait for the disconnection."""
        if self.closed:
            return
        self._farewell = {"type": "websocket.close", "code": int(code), "reason": reason}
        self._end(code)
        self._stirred.set()
        self._wanted.set()  # reading goes on, for the disconnection
        self._limit_patience()

    def abort(self) -> None:
        """Drop the outbox and return from ``run``; the server does the rest."""
        self._cut = True
        self._outbox.clear()
        self.buffered = 0
        self._end(ABNORMAL)
        self._limit_patience()

    def pause_reading(self) -> None:
        """Deliver nothing until resumed: the server feels it, and its peer."""
        if not self.closed:
            self._wanted.clear()

    def resume_reading(self) -> None:
        """Deliver again."""
        self._wanted.set()

    # Inside.

    async def _carry(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            self._end(await self._read())
            writer.cancel()

    async def _read(self) -> int:
        """Deliver messages; return the code of the disconnection."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return message.get("code") or NO_STATUS
            await self._wanted.wait()
            if message["type"] == "websocket.receive":
                self._deliver(message)
            await self._wanted.wait()

    def _deliver(self, message: Message) -> None:
        text: str | None = message.get("text")
        data: bytes = message["bytes"] if text is None else text.encode()
        if len(data) > self._limits.message_bytes_max:
            self.close(TOO_BIG, f"over the limit of {self._limits.message_bytes_max} bytes")
        elif not self.closed:
            self._receiver.message_received(data, text is not None)

    async def _write(self) -> None:
        try:
            await self._empty_outbox()
            if self._farewell is not None:
                await self._send(self._farewell)
        except (OSError, RuntimeError):
            # The connection is over: OSError says ASGI 2.4, and uvicorn RuntimeError where it was
            # itself that closed (a frame too big). To let it through would fill the log.
            self.abort()

    async def _empty_outbox(self) -> None:
        """Send what is queued and what comes, until the link is closed and nothing is left."""
        while self._outbox or not self.closed:
            await self._stirred.wait()
            self._stirred.clear()
            while self._outbox:
                await self._send_parcel(self._outbox.popleft())

    async def _send_parcel(self, parcel: Parcel) -> None:
        for payload in parcel.payloads:
            if self._cut:
                return
            if parcel.opcode == TEXT:
                await self._send({"type": "websocket.send", "text": payload.decode()})
            else:
                await self._send({"type": "websocket.send", "bytes": payload})
        self._weigh(-min(parcel.size, self.buffered))

    def _weigh(self, change: int) -> None:
        """Count what the outbox holds, and tell the receiver when a mark is crossed."""
        self.buffered += change
        high = self._limits.outbox_bytes_high
        congested = self.buffered > (high // LOW_WATER if self.congested else high)
        if congested is not self.congested and not self.closed:
            self.congested = congested
            self._receiver.congestion_changed(congested)

    def _time_left(self) -> float | None:
        """Return the bound of ``run``: none while the link is open."""
        if not self.closed:
            return None
        return 0.0 if self._cut else self._limits.close_timeout_s

    def _limit_patience(self) -> None:
        delay = self._time_left()
        if self._patience is not None and delay is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + delay)

    def _end(self, code: int) -> None:
        if not self.closed:
            self.closed = True
            self._receiver.connection_lost(code)
