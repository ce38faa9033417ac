"""Framing: the bytes of a server's WebSocket data frames (RFC 6455, section 5.2).

Server frames are unmasked, so the same bytes serve every reader: an event is framed once.
"""

from __future__ import annotations

from collections.abc import Sequence

TEXT = 0x81  #: a final text frame
BINARY = 0x82  #: a final binary frame


def frame(opcode: int, payload: bytes) -> bytes:
    """Return ``payload`` as one final, unmasked frame; ``opcode`` is TEXT or BINARY."""
    length = len(payload)
    if length < 126:
        return bytes((opcode, length)) + payload
    if length < 65_536:
        return bytes((opcode, 126, length >> 8, length & 0xFF)) + payload
    return bytes((opcode, 127)) + length.to_bytes(8, "big") + payload


class Parcel:
    """Messages in one encoding that leave together, framed once however many the readers.

    Args:
        payloads: One per message.
        opcode: TEXT or BINARY.
    """

    __slots__ = ("_blob", "opcode", "payloads")

    def __init__(self, payloads: Sequence[bytes], opcode: int) -> None:
        self.payloads = payloads
        self.opcode = opcode
        self._blob: bytes | None = None

    @property
    def blob(self) -> bytes:
        """Return the frames, joined."""
        blob = self._blob
        if blob is None:
            frames = [frame(self.opcode, payload) for payload in self.payloads]
            blob = self._blob = frames[0] if len(frames) == 1 else b"".join(frames)
        return blob

    @property
    def size(self) -> int:
        """Return how many bytes it takes on the wire."""
        return sum(map(_framed_size, self.payloads))


def _framed_size(payload: bytes) -> int:
    length = len(payload)
    if length < 126:
        return length + 2
    return length + (4 if length < 65_536 else 10)
