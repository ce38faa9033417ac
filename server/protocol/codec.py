"""Codec: bytes to commands and structs to bytes, in both encodings.

Decides how a broken frame is refused, and nothing about what a sound one may do. Invariant:
whatever the bytes, ``decode`` returns a command or raises a Refusal; no other exception escapes.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

from server import errors
from server.protocol.commands import AnyCommand
from server.protocol.connector import AnyConnectorCommand
from server.protocol.events import AnyTimelineEvent, TimelineEvent
from server.protocol.framing import BINARY, TEXT, frame
from server.protocol.reader import AnyReaderCommand
from server.protocol.scalars import RequestId

T = TypeVar("T")


class _Envelope(msgspec.Struct):
    """The least that a broken request must hold for its refusal to be addressed."""

    id: RequestId


class Encoding:
    """One of the two encodings: its subprotocol, its frames, its encoder."""

    def __init__(self, name: str, opcode: int, library: Any) -> None:
        self.name: Final = name
        self.subprotocol: Final = f"cloison.v1.{name}"
        self.opcode: Final = opcode
        self._library = library
        self._encoder = library.Encoder()
        self._envelope = library.Decoder(_Envelope)

    def encode(self, message: msgspec.Struct) -> bytes:
        """Return the payload of ``message``."""
        encoded: bytes = self._encoder.encode(message)
        return encoded

    def frame(self, message: msgspec.Struct) -> bytes:
        """Return ``message`` as one whole WebSocket frame."""
        return frame(self.opcode, self._encoder.encode(message))

    def decoder(self, wanted: Any) -> Decoder[Any]:
        """Return a decoder of ``wanted`` (a union of structs) in this encoding."""
        return Decoder(self._library.Decoder(wanted), self._envelope)

    def __repr__(self) -> str:
        """Name the encoding."""
        return f"<Encoding {self.subprotocol}>"


class Decoder(Generic[T]):
    """Bytes to one of the structs wanted, or a Refusal."""

    def __init__(self, decoder: Any, envelope: Any) -> None:
        self._decode = decoder.decode
        self._envelope = envelope

    def decode(self, data: bytes) -> T:
        """Return the struct in ``data``.

        Raises MalformedFrame, UnknownCommand or InvalidField, with a message that says where.
        """
        try:
            decoded: T = self._decode(data)
        except msgspec.ValidationError as error:
            raise _refusal(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise errors.MalformedFrame from None
        return decoded

    def request_id(self, data: bytes) -> int | None:
        """Return the id of a request that could not be decoded, when it can still be read."""
        try:
            envelope: _Envelope = self._envelope.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return envelope.id


def _refusal(error: msgspec.ValidationError) -> errors.BadInput:
    text = str(error)
    if text.endswith("`$.type`"):
        return errors.UnknownCommand()
    return errors.InvalidField(text)


MSGPACK: Final = Encoding("msgpack", BINARY, msgspec.msgpack)
JSON: Final = Encoding("json", TEXT, msgspec.json)
ENCODINGS: Final = {encoding.subprotocol: encoding for encoding in (MSGPACK, JSON)}

#: Commands of people, of bots and of readers, by subprotocol.
COMMANDS: Final[dict[Encoding, Decoder[AnyCommand]]] = {
    encoding: encoding.decoder(AnyCommand) for encoding in (MSGPACK, JSON)
}
CONNECTOR_COMMANDS: Final[dict[Encoding, Decoder[AnyConnectorCommand]]] = {
    encoding: encoding.decoder(AnyConnectorCommand) for encoding in (MSGPACK, JSON)
}
READER_COMMANDS: Final[dict[Encoding, Decoder[AnyReaderCommand]]] = {
    encoding: encoding.decoder(AnyReaderCommand) for encoding in (MSGPACK, JSON)
}

_stored = msgspec.msgpack.Decoder(AnyTimelineEvent)


def store(event: TimelineEvent) -> bytes:
    """Return the bytes under which an event is stored: those of the wire, in msgpack."""
    return MSGPACK.encode(event)


def restore(stored: bytes) -> TimelineEvent:
    """Return a stored event. Raises msgspec.DecodeError when the store is corrupt."""
    event: TimelineEvent = _stored.decode(stored)
    return event


def stored_as(encoding: Encoding, stored: bytes) -> msgspec.Raw:
    """Return a stored event as it stands in a page of ``encoding``: as it is, for msgpack."""
    if encoding is MSGPACK:
        return msgspec.Raw(stored)
    return msgspec.Raw(encoding.encode(restore(stored)))
