"""People: a small client for tests, written from protocol.md. Real sockets, nothing of the server.

A ``Person`` signs in over HTTP, holds one WebSocket, and remembers every frame in order. Waiting is
for a condition, with a bound; nothing sleeps for a time.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import itertools
import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Frame = dict[str, Any]

#: The longest that a test waits for something that must happen.
PATIENCE_S = 30.0


class Refused(Exception):  # the word of the protocol
    """The server answered with an error."""

    def __init__(self, error: Frame) -> None:
        self.error = error
        self.code: str = error["code"]
        super().__init__(f"{error['code']}: {error['message']}")


def words_of(events: list[Frame]) -> list[str]:
    """Return what the private messages among some events say, in order."""
    sealed = [event["sealed"] for event in events if event["type"] == "private_posted"]
    return [(base64.b64decode(one) if isinstance(one, str) else one).decode() for one in sealed]


def call_http(
    url: str,
    method: str,
    path: str,
    *,
    body: bytes | Frame | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Make one HTTP request; return status, headers (lower case) and body."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_S)
    sent = dict(headers or {})
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        sent.setdefault("content-type", "application/json")
    try:
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()
    finally:
        connection.close()


async def sign_in(url: str, organisation: str, address: str, password: str) -> str:
    """Return a session token."""
    status, _, body = await asyncio.to_thread(
        call_http,
        url,
        "POST",
        "/v1/sign-in",
        body={"organisation": organisation, "address": address, "password": password},
    )
    answer: Frame = json.loads(body)
    if status != 200:
        raise Refused(answer["error"])
    token: str = answer["token"]
    return token


class Person:
    """One connection of one member."""

    def __init__(self, url: str, token: str | None, *, encoding: str = "msgpack") -> None:
        self.url = url
        self.token = token
        self.encoding = encoding
        self.me = ""
        self.frames: list[Frame] = []  #: everything received, in order
        self.close_code: int | None = None
        self._ids = itertools.count(1)
        self._news = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def connect(self, path: str = "/v1/connect") -> Person:
        """Open the socket, without saying hello."""
        self._socket = await connect(
            self.url.replace("http", "ws", 1) + path,
            subprotocols=[f"cloison.v1.{self.encoding}"],  # type: ignore[list-item]  # a NewType
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,  # looking for one takes longer than to connect
        )
        self._reader = asyncio.create_task(self._read(self._socket))
        return self

    async def hello(self) -> Person:
        """Open the socket, and say hello."""
        await self.connect()
        welcome = await self.call("hello", token=self.token)
        self.me = welcome["member"]
        return self

    async def __aenter__(self) -> Person:
        return self if self._socket is not None else await self.hello()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the socket and wait for the end."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader

    def stop_reading(self) -> None:
        """Leave what the server sends in the socket."""
        assert self._socket is not None
        self._socket.transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        assert self._socket is not None
        self._socket.transport.resume_reading()

    def cut(self) -> None:
        """Drop the line without a word."""
        assert self._socket is not None
        self._socket.transport.abort()

    async def send_raw(self, data: bytes | str) -> None:
        """Send a frame as it is."""
        assert self._socket is not None
        await self._socket.send(data)

    async def send(self, kind: str, **fields: Any) -> int:
        """Send a command; return its id."""
        request = next(self._ids)
        frame = {"type": kind, "id": request}
        frame |= {name: value for name, value in fields.items() if value is not None}
        packed: bytes = msgpack.packb(frame)
        await self.send_raw(packed if self.encoding == "msgpack" else json.dumps(frame))
        return request

    async def answer(self, request: int) -> Frame:
        """Wait for the reply to a request, or its error."""
        return await self.until(lambda frame: frame.get("id") == request)

    async def reply(self, request: int) -> Frame:
        """Wait for the reply to a request. Raises Refused."""
        frame = await self.answer(request)
        if frame["type"] == "error":
            raise Refused(frame["error"])
        return frame

    async def call(self, kind: str, **fields: Any) -> Frame:
        """Send a command, and return its reply. Raises Refused."""
        return await self.reply(await self.send(kind, **fields))

    async def refusal(self, kind: str, **fields: Any) -> Frame:
        """Send a command that must be refused, and return the error."""
        try:
            answer = await self.call(kind, **fields)
        except Refused as refused:
            return refused.error
        raise AssertionError(f"{kind} was not refused: {answer}")

    async def post(
        self, sphere: str, body: str, *, revision: int = 1, client_id: str | None = None
    ) -> Frame:
        """Post a message."""
        client_id = client_id or secrets.token_hex(8)
        return await self.call(
            "post", sphere=sphere, revision=revision, client_id=client_id, body=body
        )

    async def converse(self, sphere: str, *others: str, revision: int = 1) -> str:
        """Begin a private thread, or find the one that there is; return its id."""
        answer = await self.call("converse", sphere=sphere, revision=revision, members=[*others])
        thread: str = answer["thread"]["thread"]
        return thread

    async def whisper(
        self,
        sphere: str,
        thread: str,
        words: str,
        *,
        revision: int = 1,
        client_id: str | None = None,
    ) -> Frame:
        """Post to a private thread."""
        return await self.call(
            "post",
            sphere=sphere,
            thread=thread,
            revision=revision,
            client_id=client_id or secrets.token_hex(8),
            sealed=self.sealed(words),
        )

    def sealed(self, words: str) -> bytes | str:
        """Return words as the body of a private message, in this encoding."""
        if self.encoding == "json":
            return base64.b64encode(words.encode()).decode()
        return words.encode()

    async def event(self, kind: str, **fields: Any) -> Frame:
        """Wait for an event of this type with these values."""
        return await self.until(
            lambda frame: (
                frame["type"] == kind
                and all(frame.get(name) == value for name, value in fields.items())
            )
        )

    async def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Return the first frame that is wanted, received already or not."""
        seen = 0
        async with asyncio.timeout(PATIENCE_S), self._news:
            while True:
                for frame in self.frames[seen:]:
                    if wanted(frame):
                        return frame
                seen = len(self.frames)
                if self.close_code is not None:
                    raise ConnectionError(f"closed with {self.close_code}")
                await self._news.wait()

    async def closed(self) -> int:
        """Wait until the server has closed; return the close code."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: self.close_code is not None)
        assert self.close_code is not None
        return self.close_code

    async def settled(self) -> None:
        """Make sure that whatever the server sent before now has been received."""
        assert self._socket is not None
        await asyncio.wait_for(await self._socket.ping(), PATIENCE_S)

    async def history(self, sphere: str, **fields: Any) -> list[Frame]:
        """Return one page of events."""
        page = await self.call("history", sphere=sphere, **fields)
        events: list[Frame] = page["events"]
        return events

    def heard(self, sphere: str, thread: str | None = None) -> list[Frame]:
        """Return the timeline events of a sphere, or a thread, that were pushed, in order."""
        return [
            frame
            for frame in self.frames
            if frame.get("sphere") == sphere and frame.get("thread") == thread and "seq" in frame
        ]

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                frame = json.loads(data) if isinstance(data, str) else msgpack.unpackb(data)
                async with self._news:
                    self.frames.append(frame)
                    self._news.notify_all()
        except ConnectionClosed:
            pass  # its code is read below, as for a normal end
        async with self._news:
            self.close_code = socket.close_code or 1006
            self._news.notify_all()
