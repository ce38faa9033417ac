"""Line: one real connection, whose every frame is kept until it is compared."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from typing import Any

import msgpack
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.people import PATIENCE_S, Frame, Person


class Line(Person):
    """A person's connection; waits for replies by id, without looking at what came before."""

    def __init__(self, url: str, token: str, *, encoding: str) -> None:
        super().__init__(url, token, encoding=encoding)
        self._awaited: dict[int, asyncio.Future[Frame]] = {}

    def take(self) -> list[Frame]:
        """Return what came since the last time, in order."""
        frames, self.frames = self.frames, []
        return frames

    async def send(self, kind: str, **fields: Any) -> int:
        """Send a command; return its id."""
        request = next(self._ids)
        self._awaited[request] = asyncio.get_running_loop().create_future()
        frame = {"type": kind, "id": request, **fields}
        packed: bytes = msgpack.packb(frame)
        text = json.dumps(frame, default=lambda sealed: b64encode(sealed).decode())
        await self.send_raw(packed if self.encoding == "msgpack" else text)
        return request

    async def answer(self, request: int) -> Frame:
        """Wait for the reply to a request. Raises ConnectionError when the line is closed."""
        frame = await asyncio.wait_for(self._awaited[request], PATIENCE_S)
        del self._awaited[request]
        return frame

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                frame = _read_json(data) if isinstance(data, str) else msgpack.unpackb(data)
                self.frames.append(frame)
                waiting = self._awaited.get(frame.get("id") or 0)
                if waiting is not None and not waiting.done():
                    waiting.set_result(frame)
        except ConnectionClosed:
            pass  # its code is read below, as for a normal end
        async with self._news:
            self.close_code = socket.close_code or 1006
            self._news.notify_all()
        for waiting in self._awaited.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError(f"closed with {self.close_code}"))
                waiting.exception()  # somebody may never ask


def _read_json(text: str) -> Frame:
    """Return a frame; what is bytes in msgpack is bytes here too."""
    frame: Frame = json.loads(text)
    for event in (frame, *frame.get("events", ())):
        if event["type"] in {"private_posted", "private_edited"}:
            event["sealed"] = b64decode(event["sealed"], validate=True)
    return frame
