"""Veil: what readers without an account are told in the place of the ids of the inside.

A place on a timeline would count what readers may not see, and a member's id would let them ask
after the member, or follow them from sphere to sphere. So a message's place travels encrypted, and
an author's id as a keyed digest, each under a key of the sphere alone (docs/adr/0014). Both are the
same every time, so that a reader who comes back knows them again; neither is stored.

Invariant: without the keyring's key nothing tells which of two messages came first, how far apart
they are, or whether two authors of two spheres are one.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

#: The id, in the keyring, of the key that all others here are derived from.
ROOT_ID = b"cloison's reader"
#: Half of a block is the place; the other is nothing, so that a made-up id is no place.
_NOTHING = bytes(8)


class Veil:
    """Draws a veil over one sphere; ``root`` is the keyring's key ``ROOT_ID``."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def over(self, sphere_id: str) -> SphereVeil:
        """Return the veil over one sphere: not to be shared between threads."""
        return SphereVeil(self._derived(sphere_id, b"place"), self._derived(sphere_id, b"author"))

    def _derived(self, sphere_id: str, purpose: bytes) -> bytes:
        return blake2b(sphere_id.encode(), key=self._root, person=purpose, digest_size=32).digest()


class SphereVeil:
    """The ids that readers of one sphere are told."""

    __slots__ = ("_authors", "_close", "_open")

    def __init__(self, places: bytes, authors: bytes) -> None:
        # One block by itself, and no two alike: the bare block cipher is what is wanted.
        cipher = Cipher(AES(places), modes.ECB())  # noqa: S305  # see above
        self._close = cipher.encryptor()
        self._open = cipher.decryptor()
        self._authors = authors

    def message(self, seq: int) -> str:
        """Return the id of the message at a place."""
        return _written(self._close.update(seq.to_bytes(8) + _NOTHING))

    def seq(self, message: str) -> int | None:
        """Return the place of a message, or None for an id that was never given for this sphere."""
        try:
            block = self._open.update(base64.b32decode(f"{message.upper()}======"))
        except binascii.Error:
            return None
        return int.from_bytes(block[:8]) if block[8:] == _NOTHING else None

    def author(self, author: str) -> str:
        """Return the id of a member, a bot or an alias."""
        return _written(blake2b(author.encode(), key=self._authors, digest_size=16).digest())


def _written(block: bytes) -> str:
    return base64.b32encode(block).decode("ascii").rstrip("=").lower()
