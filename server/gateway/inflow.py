"""Inflow: bytes received to messages and control frames (RFC 6455, section 5).

Decides where frames begin and end, and parses the simplest whole ones itself, because they are
nearly all there is. Whatever else comes (fragments, partial reads, oversize, nonsense) is fed to
the sans-I/O parser of websockets, whose judgement is final. Touches no socket. Invariant: however
the bytes are cut into reads, what comes out is what that parser alone would give; and it comes out
in bounded steps, so that a read full of tiny frames never stands in memory as objects.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from websockets.frames import CONT, Frame
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.protocol import Event as WebSocketEvent

from server.protocol.framing import BINARY, TEXT

try:
    from websockets.speedups import apply_mask
except ImportError:  # where websockets was installed without its compiled part
    from websockets.utils import apply_mask

CLOSE: Final = 0x88  #: a close frame
PING: Final = 0x89  #: a ping
PONG: Final = 0x8A  #: a pong
SIMPLE: Final = frozenset({TEXT, BINARY, PING, PONG})  #: first bytes: final, no extension

BATCH_MAX: Final = 256  #: frames parsed at once: a read full of tiny ones would make thousands

# At DEBUG the parser logs what it reads, at INFO that it reads: neither may ever be enabled.
QUIET: Final = logging.getLogger("server.gateway.inflow")
QUIET.setLevel(logging.ERROR)

Event = tuple[int, bytes]  #: the first byte of a frame, as above, and its whole payload


class PeerError(Exception):
    """The peer broke the protocol; ``code`` and ``reason`` are what it is closed with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def is_utf8(payload: bytes) -> bool:
    """Say whether ``payload`` may be a text message."""
    if payload.isascii():  # by far the most common, and ten times cheaper than decoding
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def simple_frames(data: bytes, at: int, payload_max: int) -> tuple[list[Event], int]:
    """Return the simple frames that stand one after the other from ``at``, and where they end.

    Simple: whole, final, masked, no extension, its length in 7 or 16 bits and within
    ``payload_max``, and neither a continuation nor a close. Of what follows it says nothing.
    """
    events: list[Event] = []
    end = len(data)
    while end - at >= 6 and data[at] in SIMPLE and len(events) < BATCH_MAX:
        opcode, start, length = data[at], at + 6, data[at + 1] - 0x80
        if length == 126 and opcode < CLOSE and end - at >= 8:
            start, length = at + 8, data[at + 2] << 8 | data[at + 3]
        elif not 0 <= length < 126:
            break
        if start + length > end or length > payload_max:
            break
        at = start + length
        events.append((opcode, apply_mask(data[start:at], data[start - 4 : start])))
    return events, at


def frame_size(data: bytes, at: int) -> int | None:
    """Return the size on the wire of the frame at ``at``, or None before that can be known."""
    left = len(data) - at
    if left < 2:
        return None
    masked, length = divmod(data[at + 1], 0x80)
    head = 2 + 4 * masked
    if length < 126:
        return head + length
    width = 2 if length == 126 else 8
    if left < 2 + width:
        return None
    return head + width + int.from_bytes(data[at + 2 : at + 2 + width], "big")


class Inflow:
    """What was received and not yet taken: made when a read is more than a few simple frames.

    Args:
        payload_max: Bytes of the largest message.
    """

    __slots__ = (
        "_at",
        "_data",
        "_message",
        "_opcode",
        "_owed",
        "_parser",
        "_payload_max",
        "_pending",
    )

    def __init__(self, payload_max: int) -> None:
        self._payload_max = payload_max
        self._pending: list[Event] = []
        self._data = b""
        self._at = 0
        self._owed = 0  # bytes that the frame inside the parser still lacks
        self._parser: Protocol | None = None
        self._opcode = 0
        self._message: bytearray | None = None  # the fragments so far

    def precede(self, events: Sequence[Event]) -> None:
        """Give ``events``, which were parsed already, before all that was fed."""
        self._pending = [*events, *self._pending]

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def take(self) -> list[Event] | None:
        """Make one step: return what it gave, often nothing, or None if more must be fed first.

        Raises:
            PeerError: The peer broke the protocol; nothing may be taken afterwards.
        """
        if self._pending:
            pending, self._pending = self._pending, []
            return pending
        if self._between_frames:
            events, self._at = simple_frames(self._data, self._at, self._payload_max)
            if events:
                return events
        chunk = self._chunk()
        return self._parse(chunk) if chunk else None

    @property
    def idle(self) -> bool:
        """Say whether nothing is left, so that this object may be dropped."""
        return self._between_frames and self._at == len(self._data) and not self._pending

    @property
    def _between_frames(self) -> bool:
        return not self._owed and self._message is None

    def _chunk(self) -> bytes:
        """Return what is here of one frame: the parser never sees the beginning of the next."""
        if not self._owed:
            self._owed = frame_size(self._data, self._at) or 0
        chunk = self._data[self._at : self._at + self._owed]
        self._at += len(chunk)
        self._owed -= len(chunk)
        return chunk

    def _parse(self, chunk: bytes) -> list[Event]:
        parser = self._parser
        if parser is None:
            parser = Protocol(SERVER, state=OPEN, max_size=self._payload_max, logger=QUIET)
            self._parser = parser
        parser.receive_data(chunk)
        parser.data_to_send()  # its answers: ours are given where writes are bounded
        if parser.parser_exc is not None:
            refusal = parser.close_sent
            raise PeerError(refusal.code, refusal.reason) if refusal else parser.parser_exc
        return [event for frame in parser.events_received() for event in self._assemble(frame)]

    def _assemble(self, frame: WebSocketEvent) -> list[Event]:
        """Return what ``frame`` completes: a control frame, a message, or nothing yet."""
        if not isinstance(frame, Frame):
            return []
        opcode, data = 0x80 | frame.opcode, bytes(frame.data)
        if opcode >= CLOSE:
            return [(opcode, data)]
        if frame.opcode is not CONT or self._message is None:
            self._opcode, self._message = opcode, bytearray()
        self._message += data
        if not frame.fin:
            return []
        message, self._message = bytes(self._message), None
        return [(self._opcode, message)]
