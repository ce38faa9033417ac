"""Link: one connection to the server, from the handshake to its close.

Matches each reply with its command and hands everything else to ``hear``. Knows nothing of spheres,
nor of coming back. Invariant: whoever awaits a reply gets it, or the failure that ended the link.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from clients.failures import Failure, Misuse, Refused, SignInNeeded, Unreachable
from clients.reconnection import failure_of_close, failure_of_status, reason_of
from clients.wire import FRAME_BYTES_MAX, HEARD_BYTES_MAX, Encoding, Frame, request

Hear = Callable[[Frame], None]


class Dial(Protocol):
    """How a session obtains a link."""

    async def __call__(self, hear: Hear) -> Link:
        """Connect, and say hello. Raises Unreachable to be called again later."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait for the other side, in seconds."""

    #: The handshake and the hello: the server itself closes after 10.
    opening: float = 10.0
    #: A reply. A commit takes milliseconds; half a minute is a link that is dead.
    reply: float = 30.0
    #: Between pings, and for their pong: a half-open link is noticed within twice this.
    ping: float = 20.0
    #: The closing handshake: nobody waits for a server that does not answer.
    closing: float = 2.0


async def dial(server: str, token: str, encoding: Encoding, waits: Waits, hear: Hear) -> Link:
    """Open a connection to ``server`` (an http or https URL), and say hello on it."""
    bearer = {"Authorization": f"Bearer {token}"}
    link = await _opened(server, "/v1/connect", bearer, encoding, waits, hear)
    return await _greeted(link)


async def dial_reader(
    server: str, sphere: str, encoding: Encoding, waits: Waits, hear: Hear
) -> Link:
    """Open a connection on which a public sphere is read, without an account.

    Raises Refused when there is no such sphere.
    """
    link = await _opened(server, "/v1/read", {}, encoding, waits, hear)
    return await _greeted(link, sphere=sphere)


async def _opened(
    server: str, path: str, headers: dict[str, str], encoding: Encoding, waits: Waits, hear: Hear
) -> Link:
    try:
        socket = await _connect(server, path, headers, encoding, waits)
    except InvalidStatus as error:
        answer = error.response
        body = bytes(answer.body).decode(errors="replace")
        retry_after = answer.headers.get("Retry-After")
        raise failure_of_status(answer.status_code, retry_after, body) from None
    except (OSError, InvalidHandshake, ValueError, EOFError) as error:
        raise Unreachable(f"Cannot reach {server}: {reason_of(error)}.") from error
    return Link(socket, encoding, waits, hear)


async def _greeted(link: Link, **fields: str) -> Link:
    try:
        link.welcome = await link.request("hello", **fields)
    except Refused as refused:
        raise _unwelcome(refused) from None
    finally:
        if not link.welcome:
            await link.close()
    return link


async def _connect(
    server: str, path: str, headers: dict[str, str], encoding: Encoding, waits: Waits
) -> ClientConnection:
    parts = urlsplit(server)
    secure = parts.scheme == "https"
    return await connect(
        f"{'wss' if secure else 'ws'}://{parts.netloc}{parts.path}{path}",
        # Naming host and port forbids a redirection to another origin: the token stays here.
        host=parts.hostname,
        port=parts.port or (443 if secure else 80),
        subprotocols=[Subprotocol(encoding.subprotocol)],
        additional_headers=headers,
        # Compression beside secrets leaks them by length, and costs memory on both sides.
        compression=None,
        proxy=None,
        open_timeout=waits.opening,
        ping_interval=waits.ping,
        ping_timeout=waits.ping,
        close_timeout=waits.closing,
        max_size=HEARD_BYTES_MAX,
    )


def _unwelcome(refused: Refused) -> Failure:
    if refused.temporary:
        return Unreachable(refused.message, retry_after=refused.retry_after)
    if refused.exit_code == SignInNeeded.exit_code:
        return SignInNeeded(refused.message)
    return refused


class Link:
    """An open connection; ``reader`` runs until it ends, and always ends with a Failure."""

    def __init__(
        self, socket: ClientConnection, encoding: Encoding, waits: Waits, hear: Hear
    ) -> None:
        self.welcome: Frame = {}
        self._socket = socket
        self._encoding = encoding
        self._waits = waits
        self._hear = hear
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Frame]] = {}
        self.reader = asyncio.create_task(self._read())

    async def send(self, kind: str, **fields: Any) -> asyncio.Future[Frame]:
        """Send a command; return where its reply, or its failure, will be.

        Raises Misuse when the frame would be too large, Unreachable when the link is gone.
        """
        number = next(self._ids)
        payload = self._encoding.encode(request(kind, number, fields))
        if len(payload.encode() if isinstance(payload, str) else payload) > FRAME_BYTES_MAX:
            raise Misuse("The message is too large for one frame: send it in parts.")
        reply: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            await self._socket.send(payload)
        except ConnectionClosed:
            self._replies.pop(number, None)
            raise self._ending() from None
        return reply

    async def request(self, kind: str, **fields: Any) -> Frame:
        """Send a command and return its reply. Raises Refused, or what ended the link."""
        reply = await self.send(kind, **fields)
        try:
            async with asyncio.timeout(self._waits.reply):
                return await reply
        except TimeoutError:
            await self._socket.close()  # a link without answers is no link: the session dials anew
            raise Unreachable("The server does not answer.") from None

    async def close(self) -> None:
        """Close the connection, and wait for the reader to end."""
        await self._socket.close()
        await asyncio.wait([self.reader])
        if not self.reader.cancelled():
            self.reader.exception()  # it has been told to whoever awaited a reply

    async def _read(self) -> None:
        try:
            async for data in self._socket:
                self._take(self._encoding.decode(data))
        except ConnectionClosed:
            pass  # the code and the reason are kept by the socket
        finally:
            self._fail_replies()
        raise self._ending()

    def _take(self, frame: Frame) -> None:
        number = frame.get("id")
        if number is None:
            self._hear(frame)
            return
        reply = self._replies.pop(number, None)
        if reply is None or reply.done():
            return
        if frame["type"] == "error":
            reply.set_exception(Refused(frame["error"]))
        else:
            reply.set_result(frame)

    def _ending(self) -> Failure:
        return failure_of_close(self._socket.close_code, self._socket.close_reason)

    def _fail_replies(self) -> None:
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            if not reply.done():
                reply.set_exception(self._ending())
