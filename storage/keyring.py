"""Keyring: the secrets that make stored words readable, in a file apart from the data.

One key for each author in each sphere. Decides where keys live and how one is destroyed; which key
is whose stands in the data. A backup of the data alone is useless, and a key destroyed here takes
its words out of every backup of the data taken before. Invariant: a key is durable before anything
that it seals is, and after ``destroy`` no file of the keyring holds it.

Called from the writer's and the readers' threads; never from the event loop.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: Bytes of a key's id: random, so that a file of keys says nothing of how many there were.
ID_BYTES = 16
NONCE_BYTES = 12
#: Keys held in memory: the least recently used is read again from the file.
CACHED_MAX = 10_000

#: Nobody but this process has a reason to open the file; who does is not waited for for long. What
#: ``VACUUM`` copies stays in memory: it would leave keys in a folder of temporary files.
_PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "secure_delete=on",
    "temp_store=memory",
    "busy_timeout=100",
)
#: Keys that are looked for one by one in the file; for more, it is cheaper to write it anew.
SOUGHT_MAX = 8
_TABLE = "CREATE TABLE IF NOT EXISTS secret (id BLOB PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID"


class Keyring:
    """The keys of one database, in a file of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._cached: OrderedDict[bytes, AESGCM] = OrderedDict()
        self._receipt_keys: OrderedDict[bytes, bytes] = OrderedDict()
        # Whoever closes any descriptor of a file lets go of all the locks that their process has on
        # it, SQLite's among them: this one stays open as long as SQLite has the file.
        self._bytes = path.open("rb", buffering=0)
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            for pragma in _PRAGMAS:
                self._file.execute(f"PRAGMA {pragma}")
            self._file.execute(_TABLE)
        except sqlite3.Error:
            self._let_go()
            raise

    def create(self) -> bytes:
        """Draw a key, durably; return its id."""
        key_id, key = secrets.token_bytes(ID_BYTES), AESGCM.generate_key(256)
        with self._lock:
            self._file.execute("INSERT INTO secret (id, key) VALUES (?, ?)", (key_id, key))
            self._remember(key_id, AESGCM(key))
        return key_id

    def lasting(self, key_id: bytes) -> bytes:
        """Return the key that bears this id for ever, drawn durably when it is first asked for."""
        with self._lock:
            key = self._key(key_id)
            if key is None:
                key = secrets.token_bytes(32)
                self._file.execute("INSERT INTO secret (id, key) VALUES (?, ?)", (key_id, key))
            return key

    def count(self) -> int:
        """Return how many keys there are."""
        with self._lock:
            (found,) = self._file.execute("SELECT count(*) FROM secret").fetchone()
        return int(found)

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
        """Destroy keys, in the file and its journal. Raises sqlite3.Error when it could not."""
        doomed = list(key_ids)
        with self._lock:
            keys = [key for key_id in doomed if (key := self._key(key_id)) is not None]
            for key_id in doomed:
                self._cached.pop(key_id, None)
                self._receipt_keys.pop(key_id, None)
            self._file.executemany("DELETE FROM secret WHERE id = ?", [(one,) for one in doomed])
            self._checkpoint()
            if len(keys) > SOUGHT_MAX or self._holds(keys):
                self._file.execute("VACUUM")
                self._checkpoint()

    def _checkpoint(self) -> None:
        (busy, _, _) = self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("the keyring is being read by another process")

    def _holds(self, keys: list[bytes]) -> bool:
        """Say whether the file still holds any of these keys.

        SQLite overwrites what it deletes, not what it left behind when it moved rows between pages.
        """
        self._bytes.seek(0)
        content = self._bytes.readall()
        return any(key in content for key in keys)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        self._file.close()
        self._bytes.close()

    def _cipher(self, key_id: bytes) -> AESGCM | None:
        with self._lock:
            cached = self._cached.get(key_id)
            if cached is not None:
                self._cached.move_to_end(key_id)
                return cached
            key = self._key(key_id)
            return None if key is None else self._remember(key_id, AESGCM(key))

    def _key(self, key_id: bytes) -> bytes | None:
        row = self._file.execute("SELECT key FROM secret WHERE id = ?", (key_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def _remember(self, key_id: bytes, cipher: AESGCM) -> AESGCM:
        self._cached[key_id] = cipher
        if len(self._cached) > CACHED_MAX:
            self._cached.popitem(last=False)
        return cipher
