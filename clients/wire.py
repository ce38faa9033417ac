"""Wire: frames to bytes and back, and the bounds that ``protocol.md`` gives to a client.

Decides nothing about what a frame means. Invariant: whatever the bytes, ``decode`` returns a frame
with a type or raises ``Incoherent``; no other exception escapes.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
from typing import Any, Final, TypedDict

from clients.failures import Failure, Misuse

#: The longest body of a message, in characters.
BODY_CHARS_MAX: Final = 16_000
#: The largest frame that the server accepts, in bytes: a larger one costs the connection.
FRAME_BYTES_MAX: Final = 65_536
#: The longest page of history, in events.
PAGE_EVENTS_MAX: Final = 500
#: The largest frame that this client accepts, in bytes: what the protocol asks of a client.
HEARD_BYTES_MAX: Final = 16 * 1_048_576

_ID_CHARS: Final = 26
_ID_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyz234567")

Frame = dict[str, Any]


class Sphere(TypedDict):
    """A sphere that I am in, as the server shows it."""

    sphere: str
    name: str
    audience: str
    history: str
    revision: int
    listed: bool
    role: str
    entered: bool
    horizon: int
    head: int


class Incoherent(Failure):
    """The server sent what this client cannot understand."""

    exit_code = 3
    code = "incoherent"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} This client and the server may differ in version.")


class Encoding:
    """One of the two encodings of a frame."""

    name: str

    def __init__(self) -> None:
        self.subprotocol: Final = f"cloison.v1.{self.name}"

    def encode(self, frame: Frame) -> bytes | str:
        """Return the payload of ``frame``: bytes for a binary message, text for a text one."""
        raise NotImplementedError

    def decode(self, data: bytes | str) -> Frame:
        """Return the frame in ``data``. Raises Incoherent."""
        try:
            frame = self._read(data)
        except (ValueError, RecursionError) as error:
            raise Incoherent(f"The server sent a frame that is not {self.name}.") from error
        if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
            raise Incoherent("The server sent a frame without a type.")
        return frame

    def _read(self, data: bytes | str) -> object:
        raise NotImplementedError


class Json(Encoding):
    """Text frames, for debugging and for browsers."""

    name = "json"

    def encode(self, frame: Frame) -> str:
        """Return the frame as text, without escapes: they would cost bytes of the frame."""
        return json.dumps(frame, ensure_ascii=False, separators=(",", ":"), default=as_base64)

    def _read(self, data: bytes | str) -> object:
        return json.loads(data)


class Msgpack(Encoding):
    """Binary frames: the default."""

    name = "msgpack"

    def __init__(self) -> None:
        super().__init__()
        # Untyped, and only for those who speak it: a client that speaks JSON need not have it.
        self._library: Any = importlib.import_module("msgpack")

    def encode(self, frame: Frame) -> bytes:
        """Return the frame as bytes."""
        packed: bytes = self._library.packb(frame)
        return packed

    def _read(self, data: bytes | str) -> object:
        if isinstance(data, str):
            raise ValueError("a text message on a binary conversation")  # noqa: TRY004
        return self._library.unpackb(data)


def as_base64(value: object) -> str:
    """Return bytes as JSON carries them. Raises TypeError for anything else."""
    if not isinstance(value, bytes):
        raise TypeError(f"JSON cannot carry {type(value).__name__}")
    return base64.b64encode(value).decode()


def encoding(name: str) -> Encoding:
    """Return the encoding called ``name``: ``msgpack`` or ``json``."""
    return Json() if name == "json" else Msgpack()


def request(kind: str, request_id: int, fields: Frame) -> Frame:
    """Return a command; fields that are None are left out, as the protocol's defaults."""
    given = {key: value for key, value in fields.items() if value is not None}
    return {"type": kind, "id": request_id, **given}


def draw_client_id() -> str:
    """Return a new id for a message: random, so that two devices never draw the same."""
    return os.urandom(16).hex()


def is_id(text: str) -> bool:
    """Say whether ``text`` has the shape of an id: 128 bits in lower case base32."""
    return len(text) == _ID_CHARS and set(text) <= _ID_ALPHABET


def check_body(text: str) -> str:
    """Return ``text``, fit to be a message's body. Raises Misuse."""
    if not text.strip():
        raise Misuse("There is nothing to share: the message is empty.")
    if len(text) > BODY_CHARS_MAX:
        raise Misuse(
            f"The message has {len(text)} characters and the server takes {BODY_CHARS_MAX}:"
            " shorten it, or send it in parts."
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Misuse("The message is not valid UTF-8: correct its encoding.") from None
    return text
