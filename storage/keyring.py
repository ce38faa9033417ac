"""Keyring: the secrets that make stored words readable, apart from the data.

One key for each author in each sphere. Decides how words are sealed; ``keyring_file`` and
``keyring_postgres`` decide where keys live and how one is destroyed; which key is whose stands in
the data. A backup of the data alone is useless, and a key destroyed here takes its words out of
every backup of the data taken before. Invariant: a key is durable before anything that it seals is,
and after ``destroy`` no file of the keyring holds it.

Called from the writer's and the readers' threads; never from the event loop. Whatever asks the
place where keys live raises StorageUnavailable when that does not answer.
"""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: Bytes of a key's id: random, so that a file of keys says nothing of how many there were.
ID_BYTES = 16
NONCE_BYTES = 12
#: Keys held in memory: the least recently used is read again.
CACHED_MAX = 10_000


class Keyring(ABC):
    """The keys of one database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cached: OrderedDict[bytes, AESGCM] = OrderedDict()
        self._receipt_keys: OrderedDict[bytes, bytes] = OrderedDict()

    def create(self) -> bytes:
        """Draw a key, durably; return its id."""
        key_id, key = secrets.token_bytes(ID_BYTES), AESGCM.generate_key(256)
        with self._lock:
            self._add(key_id, key)
            self._remember(key_id, AESGCM(key))
        return key_id

    def lasting(self, key_id: bytes) -> bytes:
        """Return the key that bears this id for ever, drawn durably when it is first asked for.

        By whichever node is the first: the others have the same.
        """
        with self._lock:
            key = self._key(key_id)
            if key is None:
                self._add(key_id, secrets.token_bytes(32))
                key = self._key(key_id)
            assert key is not None, "a lasting key is never destroyed"
            return key

    def seal(self, key_id: bytes, words: bytes, place: bytes) -> bytes:
        """Return ``words`` sealed for one ``place``; the key's id comes first, in the clear."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = self._cipher(key_id)
        assert cipher is not None, "sealing under a key that was destroyed"
        return key_id + nonce + cipher.encrypt(nonce, words, place)

    def has(self, key_id: bytes) -> bool:
        """Say whether a key is there to seal with."""
        return self._cipher(key_id) is not None

    def receipt(self, key_id: bytes, client_id: str) -> str:
        """Return what stands for a client's id of a message: without the key, it says nothing.

        The hash's key is derived, so that no key serves two purposes.
        """
        with self._lock:
            derived = self._receipt_keys.get(key_id)
            if derived is None:
                key = self._key(key_id)
                assert key is not None, "a receipt under a key that was destroyed"
                derived = blake2b(key, person=b"cloison-receipt").digest()
                self._receipt_keys[key_id] = derived
                if len(self._receipt_keys) > CACHED_MAX:
                    self._receipt_keys.popitem(last=False)
        return blake2b(client_id.encode(), key=derived, digest_size=16).hexdigest()

    def open(self, sealed: bytes, place: bytes) -> bytes | None:
        """Return the words, or None when their key is destroyed, or they were tampered with."""
        key_id, nonce = sealed[:ID_BYTES], sealed[ID_BYTES : ID_BYTES + NONCE_BYTES]
        cipher = self._cipher(key_id)
        if cipher is None:
            return None
        try:
            return cipher.decrypt(nonce, sealed[ID_BYTES + NONCE_BYTES :], place)
        except InvalidTag:
            return None

    def destroy(self, key_ids: Iterable[bytes]) -> None:
        """Destroy keys, wherever they are written. Raises StorageUnavailable when it could not."""
        doomed = list(key_ids)
        self.forget(doomed)
        with self._lock:
            self._destroy(doomed)

    def forget(self, key_ids: Iterable[bytes]) -> None:
        """Let go of what is in memory of keys that are destroyed: another node did that."""
        with self._lock:
            for key_id in key_ids:
                self._cached.pop(key_id, None)
                self._receipt_keys.pop(key_id, None)

    @abstractmethod
    def count(self) -> int:
        """Return how many keys there are."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the place where keys live."""

    @abstractmethod
    def _key(self, key_id: bytes) -> bytes | None:
        """Return a key, or None when it is destroyed; the lock is held."""

    @abstractmethod
    def _add(self, key_id: bytes, key: bytes) -> None:
        """Keep a key durably, unless there is one of that id; the lock is held."""

    @abstractmethod
    def _destroy(self, key_ids: list[bytes]) -> None:
        """Destroy keys; the lock is held."""

    def _cipher(self, key_id: bytes) -> AESGCM | None:
        with self._lock:
            cached = self._cached.get(key_id)
            if cached is not None:
                self._cached.move_to_end(key_id)
                return cached
            key = self._key(key_id)
            return None if key is None else self._remember(key_id, AESGCM(key))

    def _remember(self, key_id: bytes, cipher: AESGCM) -> AESGCM:
        self._cached[key_id] = cipher
        if len(self._cached) > CACHED_MAX:
            self._cached.popitem(last=False)
        return cipher
