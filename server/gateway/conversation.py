"""Conversation: the ASGI half of a slim connection, from its request to ``detach`` or its end.

Decides what an application may say when (accept, deny, send, close), and turns a link into the
``receive`` and ``send`` that any ASGI application knows. It is a receiver like another: detaching
puts the application's own in its place, after which nothing refers to this object any more.
Invariant: nothing but a handshake response is written before ``websocket.accept``.
"""

from __future__ import annotations

import asyncio
import email.utils
import http
import logging
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import unquote

from starlette.types import Message, Scope
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.http11 import Response

from server.gateway import handshake
from server.gateway.inflow import Event
from server.gateway.link import Link, Parcel, Receiver
from server.protocol.framing import BINARY, TEXT

EXTENSION: Final = "cloison.link"  #: in ``scope["extensions"]``: ``{"detach": callable}``
INBOX_MAX: Final = 32  #: messages an application has not received; then reading stops

logger = logging.getLogger("uvicorn.error")


class Wire(Link, Protocol):
    """What a conversation needs of its connection beyond the link."""

    @property
    def transport(self) -> asyncio.Transport:
        """Return what the connection goes over."""
        ...

    def open(self, response: bytes) -> None:
        """Write the response that opens the WebSocket; from then on frames are taken."""
        ...

    def refuse(self, response: bytes) -> None:
        """Write an HTTP response instead, and close."""
        ...

    def hand_over(self, receiver: Receiver, pending: Sequence[Event]) -> None:
        """Make ``receiver`` hear what comes, after ``pending``, from the next turn on."""
        ...


class Stage(Enum):
    """Where a conversation stands."""

    OPENING = "opening"
    DENYING = "denying"
    OPEN = "open"
    CLOSED = "closed by the application"
    LOST = "lost"
    DETACHED = "detached"


class Conversation:
    """One ASGI application on one connection."""

    def __init__(
        self, wire: Wire, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        self._wire = wire
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._stage = Stage.OPENING
        self._response = Response(101, "", Headers())
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._drained = asyncio.Event()
        self._drained.set()
        self._code = 1006

    def begin(self, head: Scope, target: bytes) -> None:
        """Judge the request of ``head`` for ``target``, and run the application on it."""
        self._response = handshake.judge(head, target)
        if self._response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self._refuse(self._response)
            return
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._start(self._scope(head, target))

    def detach(self, receiver: Receiver) -> Link:
        """Go on in callbacks: ``receiver`` hears what comes, and the application may return."""
        if self._stage is Stage.LOST:
            asyncio.get_running_loop().call_soon(receiver.connection_lost, self._code)
        elif self._stage is Stage.OPEN:
            self._wire.hand_over(receiver, self._unreceived())
        else:
            raise RuntimeError(f"cannot detach a conversation that is {self._stage.value}")
        self._stage = Stage.DETACHED
        return self._wire

    # What the link says.

    def message_received(self, data: bytes, text: bool) -> None:  # noqa: FBT001 - see Receiver
        """Queue a message for ``receive``, and stop reading while many wait."""
        content: dict[str, object] = {"text": data.decode()} if text else {"bytes": data}
        self._inbox.put_nowait({"type": "websocket.receive", **content})
        if self._inbox.qsize() >= INBOX_MAX:
            self._wire.pause_reading()

    def congestion_changed(self, congested: bool) -> None:  # noqa: FBT001 - see Receiver
        """Make ``send`` wait while the reader is congested."""
        if congested:
            self._drained.clear()
        else:
            self._drained.set()

    def connection_lost(self, code: int) -> None:
        """Tell the application, once it has received what came before."""
        self._code = code
        if self._stage is not Stage.CLOSED:
            self._stage = Stage.LOST
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": code})
        self._drained.set()

    # What the application says.

    async def receive(self) -> Message:
        """Return the next ASGI event; after the end, the disconnection again and again."""
        if self._stage is Stage.DETACHED:
            raise RuntimeError("nothing is to be received: the link is detached")
        message = await self._inbox.get()
        if message["type"] == "websocket.disconnect":
            self._inbox.put_nowait(message)
        elif self._inbox.empty():
            self._wire.resume_reading()
        return message

    async def send(self, message: Message) -> None:
        """Take one ASGI event, once the reader has room.

        Raises:
            ClientDisconnected: The connection is lost.
            RuntimeError: The event has no place at this stage.
        """
        await self._drained.wait()
        kind: str = message["type"]
        step = self._STEPS.get((self._stage, kind))
        if step is not None:
            step(self, message)
        elif self._stage is Stage.LOST:
            raise ClientDisconnected
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}: the link is {self._stage.value}")

    def _accept(self, message: Message) -> None:
        headers = self._response.headers
        headers.update(
            handshake.text([*self._server_state.default_headers, *message.get("headers", ())])
        )
        if subprotocol := message.get("subprotocol"):
            headers["Sec-WebSocket-Protocol"] = subprotocol
        self._stage = Stage.OPEN
        self._wire.open(self._response.serialize())

    def _reject(self, _: Message) -> None:
        self._refuse(handshake.refusal(http.HTTPStatus.FORBIDDEN))

    def _begin_denial(self, message: Message) -> None:
        status: int = message["status"]
        if not 200 <= status < 600:
            raise RuntimeError(f"invalid HTTP status {status} in a denial")
        self._stage = Stage.DENYING
        headers = Headers(handshake.text(message.get("headers", ())))
        self._response = Response(status, _phrase(status), headers, bytearray())

    def _continue_denial(self, message: Message) -> None:
        response = self._response
        response.body += message.get("body", b"")
        if message.get("more_body", False):
            return
        response.headers.setdefault("Date", email.utils.formatdate(usegmt=True))
        response.headers.setdefault("Connection", "close")
        response.headers.setdefault("Content-Length", str(len(response.body)))
        response.headers.setdefault("Content-Type", "text/plain; charset=utf-8")
        self._refuse(response)

    def _send(self, message: Message) -> None:
        payload: bytes | None = message.get("bytes")
        if payload is None:
            self._wire.send(Parcel((message["text"].encode(),), TEXT))
        else:
            self._wire.send(Parcel((payload,), BINARY))

    def _close(self, message: Message) -> None:
        self._stage = Stage.CLOSED
        self._wire.close(message.get("code", 1000), message.get("reason") or "")

    # The life of the application.

    def _start(self, scope: Scope) -> None:
        tasks = self._server_state.tasks
        task = asyncio.get_running_loop().create_task(self._run(scope))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _run(self, scope: Scope) -> None:
        ending = 1011  # an error of the server, unless the application returns
        try:
            await self._config.loaded_app(scope, self.receive, self.send)
            ending = 1000
        except ClientDisconnected:
            pass  # the application was writing when the peer left: no error of its own
        except Exception:
            logger.exception("Exception in ASGI application\n")
        finally:
            self._finish(ending)

    def _finish(self, ending: int) -> None:
        if self._stage in {Stage.OPENING, Stage.DENYING}:
            reason = "Internal Server Error"
            self._refuse(handshake.refusal(http.HTTPStatus.INTERNAL_SERVER_ERROR, reason))
        elif self._stage is not Stage.DETACHED or ending != 1000:
            self._wire.close(ending)

    def _refuse(self, response: Response) -> None:
        self._wire.refuse(response.serialize())

    def _unreceived(self) -> list[Event]:
        waiting = [self._inbox.get_nowait() for _ in range(self._inbox.qsize())]
        return [_event(message) for message in waiting if message["type"] == "websocket.receive"]

    def _scope(self, head: Scope, target: bytes) -> Scope:
        path, _, query = target.partition(b"?")
        root = self._config.root_path
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if head["scheme"] == "https" else "ws",
            "server": head["server"],
            "client": head["client"],
            "root_path": root,
            "path": root + unquote(path.decode("ascii")),
            "raw_path": root.encode("ascii") + path,
            "query_string": query,
            "headers": head["headers"],
            "subprotocols": _subprotocols(head["headers"]),
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}, EXTENSION: {"detach": self.detach}},
        }

    _STEPS: ClassVar = {  #: what an application may say at each stage
        (Stage.OPENING, "websocket.accept"): _accept,
        (Stage.OPENING, "websocket.close"): _reject,
        (Stage.OPENING, "websocket.http.response.start"): _begin_denial,
        (Stage.DENYING, "websocket.http.response.body"): _continue_denial,
        (Stage.OPEN, "websocket.send"): _send,
        (Stage.OPEN, "websocket.close"): _close,
    }


def _event(message: Message) -> Event:
    text: str | None = message.get("text")
    return (BINARY, message["bytes"]) if text is None else (TEXT, text.encode())


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:  # HTTP allows statuses that have no name
        return ""


def _subprotocols(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    offered = [value for name, value in headers if name == b"sec-websocket-protocol"]
    return [name.strip() for value in offered for name in value.decode("latin-1").split(",")]
