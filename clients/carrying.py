"""Carrying: the bytes of files, to the server and from it, over HTTP.

Synchronous, with the standard library alone: whoever has an event loop uses a thread. Invariant:
what is handed on as fetched has the length and the digest that its message says, or is a Failure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from clients.failures import Failure, Refused, Stopped, Unreachable
from clients.reconnection import failure_of_status, reason_of
from clients.wire import Frame, is_id

#: Seconds without a byte.
_WAIT: Final = 30.0
_BLOCK: Final = 65_536
_ANSWER_BYTES_MAX: Final = 65_536


class _Measured:
    """A file as it is sent: as long as it was announced at most, and its digest."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size
        self.digest = hashlib.sha256()

    def read(self, amount: int = _BLOCK) -> bytes:
        part = self._file.read(min(amount, self._left))
        self._left -= len(part)
        self.digest.update(part)
        return part


@dataclass(frozen=True, slots=True, repr=False)
class Carrier:
    """The server, and the token of the session that carries files."""

    server: str
    token: str

    def send(self, attachment: str, file: BinaryIO, size: int) -> None:
        """Send the bytes of a file that was announced. Raises Failure."""
        measured = _Measured(file, size)
        with self._connection() as connection:
            # What is refused before its end breaks the pipe: the answer says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    "PUT",
                    self._path(attachment),
                    measured,
                    self._headers() | {"Content-Length": str(size)},
                )
            answer = connection.getresponse()
            stored = _stored(answer)
        if stored.get("digest") != measured.digest.hexdigest():
            raise Stopped("What arrived is not what was sent: send it again.")

    def fetch(self, view: Frame, into: BinaryIO) -> None:
        """Fetch the file that a message describes. Raises Failure."""
        digest, left = hashlib.sha256(), int(view["size"])
        with self._connection() as connection:
            connection.request("GET", self._path(view["attachment"]), headers=self._headers())
            answer = connection.getresponse()
            if answer.status != 200:
                raise _refusal(answer)
            while part := answer.read(_BLOCK):
                left -= len(part)
                if left < 0:
                    break
                digest.update(part)
                into.write(part)
        if left or digest.hexdigest() != view["digest"]:
            raise Stopped("What came is not the file that was shared: nothing was saved.")

    @contextmanager
    def _connection(self) -> Iterator[HTTPConnection]:
        parts = urlsplit(self.server)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(str(parts.hostname), parts.port, timeout=_WAIT)
        try:
            yield connection
        except (HTTPException, ConnectionError, TimeoutError) as error:
            raise Unreachable(
                f"The file was cut off ({reason_of(error)}): try again, if it is still there."
            ) from error
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _path(self, attachment: str) -> str:
        if not is_id(str(attachment)):
            raise Stopped("The server named a file by what is no id.")
        return f"{urlsplit(self.server).path}/v1/attachments/{attachment}"


def _stored(answer: HTTPResponse) -> dict[str, Any]:
    if answer.status != 200:
        raise _refusal(answer)
    parsed = _parsed(answer)
    return parsed if isinstance(parsed, dict) else {}


def _refusal(answer: HTTPResponse) -> Failure:
    body = answer.read(_ANSWER_BYTES_MAX)
    try:
        refusal = json.loads(body)["error"]
        return Refused({str(name): value for name, value in refusal.items()})
    except (ValueError, LookupError, TypeError, AttributeError):
        said = body.decode(errors="replace")
        return failure_of_status(answer.status, answer.headers.get("Retry-After"), said)


def _parsed(answer: HTTPResponse) -> object:
    try:
        return json.loads(answer.read(_ANSWER_BYTES_MAX))
    except ValueError:
        return None
