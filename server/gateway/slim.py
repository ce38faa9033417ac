"""Slim: a uvicorn WebSocket protocol that costs next to nothing while it sleeps.

Decides the life of one connection: handshake, open, closing, draining, lost. An application that
detaches (see ``conversation.py``) leaves a transport, this object and its receiver: no task, no
queue, no timer, no parser. What the bytes mean is decided by ``inflow.py``, when keepalives and
deadlines fall due by ``wheel.py``. Invariants: nothing is written after a close frame; a connection
that is not open has an appointment with the wheel, so that none outlives its peer's patience.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple, cast

from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Close as CloseFrame

from server.gateway.conversation import Conversation
from server.gateway.handshake import HeadTaker
from server.gateway.inflow import (
    CLOSE,
    PING,
    PONG,
    Event,
    Inflow,
    PeerError,
    is_utf8,
    simple_frames,
)
from server.gateway.link import LinkLimits, Parcel, Receiver
from server.gateway.upgrade import RESET, SlimHttpProtocol
from server.gateway.wheel import Member, Wheel, wheel_for
from server.protocol.close import Close
from server.protocol.framing import BINARY, TEXT, frame

NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
INVALID_DATA: Final = 1007
INTERNAL_ERROR: Final = 1011

FRAMES_PER_TURN: Final = 256  #: of one connection: a millisecond or so, then others have theirs
FRAGMENT_COST: Final = 8  #: in frames: what is not simple goes through the parser
REASON_BYTES_MAX: Final = 123  #: RFC 6455, section 5.5: 125 less the code
KEEPALIVE: Final = frame(PING, b"")
UNAVAILABLE: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
#: Linux's ioctl for the bytes of a socket that are not sent (``linux/sockios.h``).
_SIOCOUTQNSD: Final = 0x894B


def not_sent(descriptor: int) -> int:
    """Return how many bytes of a TCP socket the kernel has taken and not sent yet.

    What it has sent is beyond recall, acknowledged or not. 0 where the system does not tell.
    """
    if sys.platform != "linux":
        return 0
    answer = array("i", [0])
    with suppress(OSError):  # a socket that is gone, or not TCP
        fcntl.ioctl(descriptor, _SIOCOUTQNSD, answer)
    return answer[0]


class Phase(Enum):
    """Where a connection stands; it only ever moves down this list."""

    NEW = "the request has not arrived"
    OPENING = "the application has not answered"
    OPEN = "messages flow"
    CLOSING = "a close frame was sent, the peer's has not come"
    DRAINING = "all was said; what still comes is thrown away"
    LOST = "there is no transport"


# As globals they are a third cheaper to look up, on the path of every frame.
_OPEN: Final = Phase.OPEN
_LOST: Final = Phase.LOST


class _Nobody:
    """Receives nothing: in the place of a receiver that was told of the end."""

    def message_received(self, data: bytes, text: bool) -> None:  # noqa: FBT001 - see Receiver
        """Ignore it."""

    def congestion_changed(self, congested: bool) -> None:  # noqa: FBT001 - see Receiver
        """Ignore it."""

    def connection_lost(self, code: int) -> None:
        """Ignore it."""


_NOBODY: Final = _Nobody()


def close_frame(code: int, reason: str) -> bytes:
    """Return a close frame; a reason that is too long is cut between two characters.

    Raises:
        ProtocolError: ``code`` may not be sent (1005, 1006, below 1000).
    """
    words = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")
    return frame(CLOSE, CloseFrame(code, words).serialize())


class SlimProtocol(HeadTaker, asyncio.Protocol):
    """One WebSocket connection, and the Link over it; see ``slim_protocols`` to set its limits."""

    __slots__ = (
        "_heard",
        "_inflow",
        "_paused",
        "_phase",
        "_pinged",
        "_reading",
        "_receiver",
        "_server_state",
        "closed",
        "congested",
        "seat",
        "transport",
    )

    limits: ClassVar[LinkLimits] = SlimHttpProtocol.limits
    wheel: ClassVar[Wheel] = SlimHttpProtocol.wheel

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)  # until connection_made
        self.seat: set[Member] | None = None
        self.closed = False
        self.congested = False
        self._server_state = server_state
        self._phase = Phase.NEW
        self._receiver: Receiver = Conversation(self, config, server_state, app_state)
        self._inflow: Inflow | None = None
        self._paused = False  # by the receiver
        self._reading = True  # what the transport was last told
        self._heard = True  # a byte, since the last ping
        self._pinged = False

    # The link.

    @property
    def buffered(self) -> int:
        """Return how many bytes the kernel has not taken yet."""
        return 0 if self._phase is _LOST else self.transport.get_write_buffer_size()

    @property
    def unsent(self) -> bool:
        """Say whether bytes wait here or in the kernel; only ``abort`` can still call them back."""
        if self._phase is _LOST:
            return False
        if self.transport.get_write_buffer_size():
            return True
        endpoint = self.transport.get_extra_info("socket")
        return endpoint is not None and not_sent(endpoint.fileno()) > 0

    @property
    def raw_write(self) -> Callable[[bytes], None] | None:
        """Return the transport's own ``write``, for framed blobs."""
        return None if self.closed else self.transport.write

    def send(self, parcel: Parcel) -> None:
        """Write ``parcel``; a reader whose outbox is full is cut."""
        if not self.closed:
            self._write(parcel.blob)

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame after what is queued, and wait for the peer's."""
        if self.closed:
            return
        farewell = close_frame(code, reason)
        self._end(Phase.CLOSING, code)
        if self._phase is not _LOST:
            self.transport.write(farewell)
            self.resume_reading()

    def abort(self) -> None:
        """Cut the connection: what neither this process nor the kernel has sent yet is dropped.

        The kernel drops its part when the transport closes the socket, which it does before
        anything else that is scheduled from now on.
        """
        if self._phase is _LOST:
            return
        endpoint = self.transport.get_extra_info("socket")
        if endpoint is not None:
            with suppress(OSError):  # it is broken already
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()  # first: what the receiver still says at the end must not leave
        if not self.closed:
            self._end(_LOST, ABNORMAL)
        self._phase = _LOST

    def pause_reading(self) -> None:
        """Deliver nothing until resumed; what was read already waits."""
        if not self.closed:
            self._paused = True
            self._hold()

    def resume_reading(self) -> None:
        """Deliver what waits in a later turn, then read on."""
        if not self._paused:
            return
        self._paused = False
        self._heard = True  # or a peer that was kept waiting would pass for a silent one
        self._read_on()

    # What the conversation asks.

    def open(self, response: bytes) -> None:
        """Write the response that opens the WebSocket; frames are taken from the next turn on."""
        self._phase = _OPEN
        self.transport.write(response)
        self.wheel.appoint(self, self.wheel.spread(self.limits.ping_interval_s))
        self._read_on()

    def refuse(self, response: bytes) -> None:
        """Write an HTTP response instead, and close."""
        self._end(Phase.DRAINING, ABNORMAL)
        self.transport.write(response)
        self.transport.close()

    def hand_over(self, receiver: Receiver, pending: Sequence[Event]) -> None:
        """Make ``receiver`` hear what comes, after ``pending``, from the next turn on."""
        self._receiver = receiver
        if pending:
            self._inflow = self._inflow or Inflow(self.limits.message_bytes_max)
            self._inflow.precede(pending)
        self._paused = False
        self._read_on()

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport that the HTTP protocol leaves."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=self.limits.outbox_bytes_high)
        self.wheel.appoint(self, self.limits.handshake_timeout_s)
        self._server_state.connections.add(self)  # type: ignore[arg-type]  # its own classes only

    def take_head(self, scope: Scope, target: bytes) -> None:
        """Take the request; what follows it is read from now on."""
        self._heard = True
        self._phase = Phase.OPENING
        cast("Conversation", self._receiver).begin(scope, target)

    def data_received(self, data: bytes) -> None:
        """Take simple frames at once, and what is left of the read through the inflow."""
        self._heard = True
        if self._inflow is not None or self._phase is not _OPEN:
            self._keep([], data)
            return
        events, end = simple_frames(data, 0, self.limits.message_bytes_max)
        left = self._take(events)
        if left or end < len(data):
            self._keep(left, data[end:])

    def eof_received(self) -> None:
        """Note that the peer hung up; the transport then closes by itself."""
        if not self.closed:
            self._end(Phase.DRAINING, ABNORMAL)

    def pause_writing(self) -> None:
        """Note congestion; called from within the very write that causes it."""
        self.congested = True
        self._receiver.congestion_changed(self.congested)

    def resume_writing(self) -> None:
        """Note that the outbox has drained."""
        self.congested = False
        self._receiver.congestion_changed(self.congested)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything."""
        if not self.closed:
            self._end(_LOST, ABNORMAL)
        self._phase = _LOST
        self._inflow = None
        self.wheel.forget(self)
        self._server_state.connections.discard(self)

    # What the server and the wheel say.

    def shutdown(self) -> None:
        """Close because the server stops."""
        if self._phase in {Phase.NEW, Phase.OPENING}:
            self.refuse(UNAVAILABLE)
        else:
            self.close(Close.GOING_AWAY, Close.GOING_AWAY.reason)

    def due(self) -> None:
        """Do what this phase's deadline is for."""
        if self._phase is _OPEN:
            self._keep_alive()
        elif self.closed:
            self.abort()
        else:
            self.refuse(UNAVAILABLE)

    def _keep_alive(self) -> None:
        interval, timeout = self.limits.ping_interval_s, self.limits.ping_timeout_s
        if self._pinged and not self._heard and not self._paused:
            self._fail(INTERNAL_ERROR, "keepalive ping timeout")
        elif self._pinged and interval > timeout:
            self._pinged = False
            self.wheel.appoint(self, interval - timeout)
        else:
            self._pinged, self._heard = True, False
            self.transport.write(KEEPALIVE)
            self.wheel.appoint(self, timeout)

    # Reading.

    def _keep(self, events: Sequence[Event], data: bytes) -> None:
        """Put ``events`` and ``data`` in line, and take what can be taken."""
        if self._phase in {Phase.DRAINING, _LOST}:
            return
        inflow = self._inflow = self._inflow or Inflow(self.limits.message_bytes_max)
        inflow.precede(events)
        inflow.feed(data)
        if self._phase is Phase.OPENING:
            self._hold()  # a client that cannot wait for the response waits here
        else:
            self._advance()

    def _advance(self) -> None:
        """Take what is in line, a turn's worth at most."""
        budget = FRAMES_PER_TURN
        try:
            while self._inflow is not None and not self._paused:
                events = self._inflow.take()
                if events is None:
                    break
                budget -= len(events) or FRAGMENT_COST
                self._inflow.precede(self._take(events))
                if budget <= 0:
                    self._hold()
                    asyncio.get_running_loop().call_later(self.limits.flood_pause_s, self._advance)
                    return
        except PeerError as error:
            self._fail(error.code, error.reason)
        self._settle()

    def _take(self, events: list[Event]) -> list[Event]:
        """Take ``events`` in order; return those that come after the receiver paused."""
        pongs: list[bytes] = []  # a flood of pings costs a system call, not hundreds
        left: list[Event] = []
        for index, (opcode, payload) in enumerate(events):
            if self._paused:
                left = events[index:]
                break
            if opcode == PING:
                pongs.append(frame(PONG, payload))
                continue
            self._write_all(pongs)
            if opcode <= BINARY:
                self._deliver(opcode, payload)
            elif opcode == CLOSE:
                self._take_leave(payload)
        self._write_all(pongs)
        return left

    def _settle(self) -> None:
        if self._paused:
            return
        if self._inflow is not None and self._inflow.idle:
            self._inflow = None
        self._release()

    def _deliver(self, opcode: int, payload: bytes) -> None:
        if self._phase is not _OPEN:
            return
        text = opcode == TEXT
        if text and not is_utf8(payload):
            self._fail(INVALID_DATA, "a text message is not UTF-8")
        else:
            self._receiver.message_received(payload, text)

    def _take_leave(self, payload: bytes) -> None:
        """Answer the peer's close frame, unless it is itself the answer to ours."""
        if not self.closed:
            self._end(Phase.DRAINING, int.from_bytes(payload[:2], "big") or NO_STATUS)
            if self._phase is _LOST:
                return
            self.transport.write(frame(CLOSE, payload))
        self._phase, self._inflow = Phase.DRAINING, None
        self.transport.close()

    def _read_on(self) -> None:
        if self._inflow is None:
            self._release()
        else:
            self._continue_later()

    def _continue_later(self) -> None:
        asyncio.get_running_loop().call_soon(self._advance)

    def _hold(self) -> None:
        if self._reading:
            self._reading = False
            self.transport.pause_reading()

    def _release(self) -> None:
        if not self._reading and self._phase is not _LOST:
            self._reading = True
            self.transport.resume_reading()

    # Writing and ending.

    def _write_all(self, frames: list[bytes]) -> None:
        if frames:
            self._write(b"".join(frames))
            frames.clear()

    def _write(self, frames: bytes) -> None:
        """Write ``frames``, or cut the reader whose outbox they would overfill."""
        if self._phase is not _OPEN:
            return
        if self.congested and self.buffered + len(frames) > self.limits.outbox_bytes_max:
            self.close(Close.SLOW_READER, Close.SLOW_READER.reason)
        else:
            self.transport.write(frames)

    def _fail(self, code: int, reason: str) -> None:
        """Close without waiting for an answer, reading on for the peer to have time to read.

        To close a socket that holds unread bytes resets it, and the close frame would be lost.
        """
        first = not self.closed
        if first:
            self._end(Phase.DRAINING, code)
        if self._phase is _LOST:
            return
        if first:
            self.transport.write(close_frame(code, reason))
        self._phase, self._inflow, self._paused = Phase.DRAINING, None, False
        self._release()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:  # TLS has no half-close
            self.transport.close()

    def _end(self, phase: Phase, code: int) -> None:
        """Tell the receiver, before anything else is written."""
        self.closed = True
        self._phase = phase
        self.wheel.appoint(self, self.limits.close_timeout_s)
        receiver, self._receiver = self._receiver, _NOBODY
        receiver.connection_lost(code)


class SlimProtocols(NamedTuple):
    """The two classes that uvicorn's ``Config`` takes."""

    http: type[SlimHttpProtocol]
    ws: type[SlimProtocol]


def slim_protocols(limits: LinkLimits) -> SlimProtocols:
    """Return protocol classes with ``limits`` and a wheel of their own, for one event loop."""
    bounds, ring = limits, wheel_for(limits)

    class Http(SlimHttpProtocol):
        limits = bounds
        wheel = ring
        sockets: ClassVar[Counter[str]] = Counter()

    class Slim(SlimProtocol):
        __slots__ = ()
        limits = bounds
        wheel = ring

    return SlimProtocols(Http, Slim)
