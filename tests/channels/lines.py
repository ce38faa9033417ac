"""Lines: the gateway's connections over the real store, without sockets.

A line keeps every frame in the order in which all lines of a test were handed theirs, so that a
test can see what no socket shows: which of two devices was written to first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack

from server.app import running
from server.gateway.bot import BotConnection
from server.gateway.connection import Connection
from server.gateway.reader import ReaderConnection
from server.parts import Parts, compose
from server.protocol.close import Close
from server.protocol.codec import MSGPACK
from server.protocol.framing import Parcel
from server.settings import Settings
from tests.channels.listeners import unframed
from tests.house import CHEAP, HandClock, House, Resident

PATIENCE_S = 5.0


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition`` holds; fail after PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # what is awaited is on another thread
            await asyncio.sleep(0.001)


class Line:
    """A link that goes nowhere."""

    def __init__(self, name: str, diary: list[tuple[str, str]]) -> None:
        self.name = name
        self.diary = diary
        self.frames: list[dict[str, Any]] = []
        self.congested = False
        self.unsent = False
        self.closed = False
        self.reading = True
        self.aborted = False
        self.code: int | None = None
        self.speaker: Connection | BotConnection | ReaderConnection

    @property
    def buffered(self) -> int:
        """Return how much is unsent."""
        return int(self.unsent)

    @property
    def raw_write(self) -> Callable[[bytes], None]:
        """Return the short cut."""
        return self._take

    def send(self, parcel: Parcel) -> None:
        """Take a parcel."""
        if not self.closed:
            self._take(parcel.blob)

    def close(self, code: int, reason: str = "") -> None:
        """Close once."""
        if not self.closed:
            self.closed, self.code = True, int(code)
            assert reason
            self.speaker.connection_lost(int(code))

    def abort(self) -> None:
        """Cut."""
        if not self.closed:
            self.closed, self.aborted, self.code = True, True, 1006
            self.speaker.connection_lost(1006)

    def pause_reading(self) -> None:
        """Stop reading."""
        self.reading = False

    def resume_reading(self) -> None:
        """Read again."""
        self.reading = True

    def _take(self, blob: bytes) -> None:
        assert not self.closed, "nothing is written to a closed link"
        for payload in unframed(blob):
            frame = msgpack.unpackb(payload)
            self.frames.append(frame)
            self.diary.append((self.name, frame["type"]))

    # -- what the peer does

    def say(self, kind: str, request: int, **fields: Any) -> None:
        """Send a command."""
        frame = {"type": kind, "id": request} | fields
        self.speaker.message_received(msgpack.packb(frame), False)  # noqa: FBT003  # the link's call

    async def answer(self, request: int) -> dict[str, Any]:
        """Return the reply to a request."""
        await until(lambda: any(frame.get("id") == request for frame in self.frames))
        return next(frame for frame in self.frames if frame.get("id") == request)

    async def call(self, kind: str, request: int, **fields: Any) -> dict[str, Any]:
        """Send a command, and return its reply."""
        self.say(kind, request, **fields)
        return await self.answer(request)

    def types(self) -> list[str]:
        """Return the types of what was received, in order."""
        return [frame["type"] for frame in self.frames]


class Switchboard:
    """The parts of a server that runs without a port."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        self.parts = parts
        self.house = House(parts, "", folder)
        self.diary: list[tuple[str, str]] = []
        self.released: list[str] = []
        self.gate = asyncio.Event()  #: shut: commits are durable, and nobody hears of them yet
        self.gate.set()
        self.committed = asyncio.Event()
        self._write = parts.database.write
        parts.database.write = self._held  # type: ignore[method-assign]  # a commit that takes long

    async def _held(self, act: Any, *args: Any, **kwargs: Any) -> Any:
        result = await self._write(act, *args, **kwargs)
        self.committed.set()
        await self.gate.wait()
        return result

    def hold(self) -> None:
        """Let commits happen, and nobody hear of them."""
        self.gate.clear()
        self.committed.clear()

    def dial(self, name: str, *, bot: bool = False) -> Line:
        """Open a connection; nothing is said yet."""
        line = Line(name, self.diary)
        kind = BotConnection if bot else Connection
        line.speaker = kind(self.parts.services, MSGPACK, None, lambda: self.released.append(name))
        line.speaker.start(line, 60, Close.NOT_AUTHENTICATED)
        return line

    def read(self, name: str) -> Line:
        """Open a reader's connection; nothing is said yet."""
        line = Line(name, self.diary)
        services = self.parts.services
        speaker = ReaderConnection(services, MSGPACK, None, lambda: self.released.append(name))
        line.speaker = speaker
        speaker.start(line, 60, Close.NOT_AUTHENTICATED)
        return line

    async def greet(self, resident: Resident, name: str, *spheres: str) -> Line:
        """Open a connection of somebody, and subscribe to spheres."""
        line = self.dial(name)
        await line.call("hello", 1, token=await self.house.token(resident))
        for number, sphere in enumerate(spheres, start=2):
            assert (await line.call("subscribe", number, sphere=sphere))["type"] == "subscribed"
        return line

    async def end_sessions(self, line: Line) -> None:
        """End the session of a line, as signing out on another device does."""
        session = line.speaker._session  # type: ignore[union-attr]  # a person's
        assert session is not None
        self.parts.services.live.end(session.id)


@asynccontextmanager
async def switchboard(folder: Path, **settings: Any) -> AsyncIterator[Switchboard]:
    """Run the parts of a server; close every line at the end."""
    parts = compose(Settings(**{"data_dir": folder, **CHEAP} | settings), HandClock())
    async with running(parts):
        yield Switchboard(parts, folder)
