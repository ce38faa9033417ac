"""Files: send and fetch attachments in tests, from protocol.md. Real sockets."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from typing import Any
from urllib.parse import urlsplit

from tests.people import PATIENCE_S, Frame, Person, Refused, call_http

Answer = tuple[int, dict[str, str], bytes]


def bearer(token: str | None) -> dict[str, str]:
    """Return the header that carries a token."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


async def announce(person: Person, sphere: str, size: int, **more: Any) -> str:
    """Announce a file; return its id."""
    answer = await person.call("attach", sphere=sphere, size=size, **more)
    found: str = answer["attachment"]
    return found


async def put(person: Person, attachment: str, data: bytes) -> Answer:
    """Send the bytes of a file."""
    return await asyncio.to_thread(
        call_http,
        person.url,
        "PUT",
        f"/v1/attachments/{attachment}",
        body=data,
        headers=bearer(person.token),
    )


async def send(person: Person, sphere: str, data: bytes, **more: Any) -> str:
    """Announce a file, and send its bytes; return its id. Raises Refused."""
    attachment = await announce(person, sphere, len(data), **more)
    status, _, body = await put(person, attachment, data)
    if status != 200:
        raise Refused(json.loads(body)["error"])
    return attachment


async def share(person: Person, sphere: str, data: bytes, **more: Any) -> tuple[int, str]:
    """Share a message that brings a file along; return its seq, and the file's id."""
    revision = more.pop("revision", 1)
    more = {"name": "plan.txt"} | more
    attachment = await send(person, sphere, data, **more)
    posted = await post(person, sphere, attachment, thread=more.get("thread"), revision=revision)
    return posted["seq"], attachment


async def post(
    person: Person,
    sphere: str,
    *attachments: str,
    thread: str | None = None,
    revision: int = 1,
    client_id: str | None = None,
) -> Frame:
    """Share a message that names files."""
    words = {"body": "see the plan"} if thread is None else {"sealed": person.sealed("see")}
    return await person.call(
        "post",
        sphere=sphere,
        thread=thread,
        revision=revision,
        client_id=client_id or secrets.token_hex(8),
        attachments=list(attachments),
        **words,
    )


async def fetch(url: str, token: str | None, attachment: str, method: str = "GET") -> Answer:
    """Fetch a file, or what is answered instead."""
    return await asyncio.to_thread(
        call_http, url, method, f"/v1/attachments/{attachment}", headers=bearer(token)
    )


class Line:
    """One HTTP request whose answer is read when the test says so."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.reset = False  #: cut, so that what was unsent is dropped; not merely closed

    async def head(self) -> bytes:
        """Read the head of the answer."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)

    async def rest(self) -> bytes:
        """Read whatever comes until the end, however it ends."""
        found = b""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while part := await self.reader.read(65_536):
                    found += part
            except ConnectionError:
                self.reset = True
        return found

    def close(self) -> None:
        """Let go of the socket."""
        self.writer.close()


async def ask(url: str, method: str, path: str, headers: dict[str, str]) -> Line:
    """Send the head of a request over a socket whose buffer is small."""
    parts = urlsplit(url)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    narrow.settimeout(0)
    await asyncio.get_running_loop().sock_connect(narrow, (parts.hostname, parts.port))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=16_384)
    lines = [f"{method} {path} HTTP/1.1", f"host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    return Line(reader, writer)
