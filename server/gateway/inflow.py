"""Inflow: bytes received to messages and control frames (RFC 6455, section 5).

Decides where frames begin and end, and parses the simplest whole ones itself, because they are
nearly all there is. Whatever else comes (fragments, partial reads, oversize, nonsense) is fed to
the sans-I/O parser of websockets, whose judgement is final. Touches no socket. Invariant: however
the bytes are cut into reads, what comes out is what that parser alone would give; and it comes out
one frame at a time, so that a read full of tiny frames never stands in memory as objects.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import Final, cast

from websockets.frames import CONT, Frame
from websockets.protocol import OPEN, SERVER, Protocol

from server.protocol.framing import BINARY, TEXT

try:
    from websockets.speedups import apply_mask
except ImportError:  # where websockets was installed without its compiled part
    from websockets.utils import apply_mask

CLOSE: Final = 0x88  #: a close frame
PING: Final = 0x89  #: a ping
PONG: Final = 0x8A  #: a pong
SIMPLE: Final = frozenset({TEXT, BINARY, PING, PONG})  #: first bytes: final, no extension

PROTOCOL_ERROR: Final = 1002
INVALID_DATA: Final = 1007

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


def check_text(payload: bytes) -> None:
    """Refuse a text message that is not UTF-8."""
    if payload.isascii():  # by far the most common, and ten times cheaper than decoding
        return
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise PeerError(INVALID_DATA, f"{error.reason} at position {error.start}") from None


def whole_frame(data: bytes, at: int, payload_max: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at ``at`` begins and ends, if it is a simple one.

    Simple: whole, final, masked, no extension, its length in 7 or 16 bits and within
    ``payload_max``, and neither a continuation nor a close. None says nothing of any other frame.
    """
    left = len(data) - at
    if left < 6 or data[at] not in SIMPLE:
        return None
    start, length = at + 6, data[at + 1] - 0x80
    if length == 126 and left >= 8 and data[at] < CLOSE:
        start, length = at + 8, data[at + 2] << 8 | data[at + 3]
    elif not 0 <= length < 126:
        return None
    end = start + length
    return (start, end) if end <= len(data) and length <= payload_max else None


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


def unmask(data: bytes, start: int, end: int) -> bytes:
    """Return the payload at ``start``..``end``, whose mask stands before it."""
    return apply_mask(data[start:end], data[start - 4 : start])


class Inflow:
    """What was received and not yet taken: made when a read is not one simple frame.

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
        self._pending: deque[Event] = deque()
        self._data = b""
        self._at = 0
        self._owed = 0  # bytes that the frame inside the parser still lacks
        self._parser: Protocol | None = None
        self._opcode = 0
        self._message: bytearray | None = None  # the fragments so far

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def precede(self, events: Iterable[Event]) -> None:
        """Give ``events``, already taken once, before what was fed."""
        self._pending.extend(events)

    def take(self) -> Event | None:
        """Return the next message or control frame, None when it is not all here.

        Raises:
            PeerError: The peer broke the protocol; nothing may be taken afterwards.
        """
        if self._pending:
            return self._pending.popleft()
        while True:
            if self._between_frames and (event := self._take_whole()) is not None:
                return event
            if not (chunk := self._chunk()):
                return None
            if (event := self._parse(chunk)) is not None:
                return event

    @property
    def idle(self) -> bool:
        """Say whether nothing is left, so that this object may be dropped."""
        return self._between_frames and self._at == len(self._data) and not self._pending

    @property
    def _between_frames(self) -> bool:
        return not self._owed and self._message is None

    def _take_whole(self) -> Event | None:
        data, at = self._data, self._at
        span = whole_frame(data, at, self._payload_max)
        if span is None:
            return None
        self._at = span[1]
        return data[at], unmask(data, *span)

    def _chunk(self) -> bytes:
        """Return what is here of one frame: the parser never sees the beginning of the next."""
        if not self._owed:
            self._owed = frame_size(self._data, self._at) or 0
        chunk = self._data[self._at : self._at + self._owed]
        self._at += len(chunk)
        self._owed -= len(chunk)
        return chunk

    def _parse(self, chunk: bytes) -> Event | None:
        parser = self._parser
        if parser is None:
            parser = Protocol(SERVER, state=OPEN, max_size=self._payload_max, logger=QUIET)
            self._parser = parser
        parser.receive_data(chunk)
        parser.data_to_send()  # its answers: ours are given where writes are bounded
        if parser.parser_exc is not None:
            refusal = parser.close_sent
            raise PeerError(refusal.code, refusal.reason) if refusal else parser.parser_exc
        frames = cast("list[Frame]", parser.events_received())
        return self._assemble(frames[0]) if frames else None

    def _assemble(self, frame: Frame) -> Event | None:
        opcode, data = 0x80 | frame.opcode, bytes(frame.data)
        if opcode >= CLOSE:
            return opcode, data
        if frame.opcode is not CONT or self._message is None:
            self._opcode, self._message = opcode, bytearray()
        self._message += data
        if not frame.fin:
            return None
        message, self._message = bytes(self._message), None
        return self._opcode, message
