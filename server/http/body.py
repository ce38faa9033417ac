"""Body: a request's body, bounded in bytes and in time.

Invariant: nothing is held beyond the bound, whatever Content-Length says, and whatever the bytes,
``decode`` returns what was wanted or raises a Refusal.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import Request

from server import errors

T = TypeVar("T")

#: Seconds for a body to arrive: it fits in one packet or a hundred, so a line this slow is a fault.
BODY_TIMEOUT_S = 10.0


async def read_body(
    request: Request, bytes_max: int, *, timeout_s: float = BODY_TIMEOUT_S
) -> bytes:
    """Return the whole body. Raises TooLarge, or MalformedFrame when it does not arrive in time."""
    announced = request.headers.get("content-length", "0")
    if len(announced) > 15 or (announced.isdecimal() and int(announced) > bytes_max):
        raise errors.TooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                body += part
                if len(body) > bytes_max:
                    raise errors.TooLarge
    except TimeoutError:
        raise errors.MalformedFrame("The body did not arrive in time.") from None
    return bytes(body)


def decode(data: bytes, wanted: type[T]) -> T:
    """Return the struct in JSON ``data``. Raises MalformedFrame, or InvalidField that says where.

    Unknown fields are the struct's to forbid. NaN, lone surrogates and what follows the value are
    malformed.
    """
    try:
        return msgspec.json.decode(data, type=wanted)
    except msgspec.ValidationError as error:
        raise errors.InvalidField(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise errors.MalformedFrame("The body is not valid JSON.") from None
