"""Private: the words of a private message, which the server carries without looking.

One scheme is known here: ``plain``, UTF-8 text that nothing seals. Invariant: what this client
cannot open is said to be so, never shown as if it were words.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from clients.failures import Misuse
from clients.wire import Frame

PLAIN: Final = "plain"
#: The longest private message, in bytes.
SEALED_BYTES_MAX: Final = 48_000


def seal(text: str) -> Frame:
    """Return the fields of a private message. Raises Misuse."""
    sealed = text.encode()
    if len(sealed) > SEALED_BYTES_MAX:
        raise Misuse(
            f"The message has {len(sealed)} bytes and the server takes {SEALED_BYTES_MAX} in"
            " private: shorten it, or send it in parts."
        )
    return {"sealed": sealed, "scheme": PLAIN}


def words(event: Frame) -> str | None:
    """Return what a message says, or None when this client cannot open it."""
    if "sealed" not in event:
        return str(event["body"])
    if event["scheme"] != PLAIN:
        return None
    sealed = event["sealed"]
    try:
        raw = sealed if isinstance(sealed, bytes) else base64.b64decode(sealed, validate=True)
        return raw.decode()
    except (ValueError, TypeError, binascii.Error):
        return None
