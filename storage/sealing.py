"""Sealing: what an author said, readable only while their key in that sphere lives.

Decides which key seals what: one an author and sphere, drawn at their first word there, retired
when they leave. Which key is whose stands in the data, so that it changes in the same transaction
as the stay; the keys stand in the keyring. A retired key is destroyed after the transaction that
retired it (``shred``), or at the next start. Invariant: a retired key seals nothing more, and an
author who comes back has another.
"""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from storage.database import Transaction
from storage.keyring import Keyring
from storage.schema import author_key, doomed_key


def keyring(tx: Transaction) -> Keyring:
    """Return the keyring of the database that a transaction belongs to."""
    found = tx.info["keyring"]
    assert isinstance(found, Keyring)
    return found


def place(sphere_id: str, seq: int) -> bytes:
    """Return what binds sealed words to where they were said."""
    return f"{sphere_id}:{seq}".encode()


def current_key(tx: Transaction, sphere_id: str, author: str) -> bytes:
    """Return the id of an author's key in a sphere; draw it at their first word."""
    found: bytes | None = tx.execute(
        select(author_key.c.key).where(
            author_key.c.sphere == sphere_id, author_key.c.author == author
        )
    ).scalar_one_or_none()
    if found is not None:
        return found
    drawn = keyring(tx).create()
    tx.execute(insert(author_key).values(sphere=sphere_id, author=author, key=drawn))
    return drawn


def seal(tx: Transaction, sphere_id: str, seq: int, author: str, words: bytes) -> bytes:
    """Return what ``author`` said at a place as it is stored."""
    key = current_key(tx, sphere_id, author)
    return keyring(tx).seal(key, words, place(sphere_id, seq))


def retire(tx: Transaction, sphere_id: str, author: str) -> None:
    """Doom an author's key in a sphere: it is destroyed once this is committed."""
    keys = tx.execute(
        delete(author_key)
        .where(author_key.c.sphere == sphere_id, author_key.c.author == author)
        .returning(author_key.c.key)
    ).scalars()
    _doom(tx, list(keys))


def retire_all(tx: Transaction, sphere_id: str) -> None:
    """Doom every key of a sphere."""
    keys = tx.execute(
        delete(author_key).where(author_key.c.sphere == sphere_id).returning(author_key.c.key)
    ).scalars()
    _doom(tx, list(keys))


def _doom(tx: Transaction, keys: list[bytes]) -> None:
    if keys:
        tx.execute(insert(doomed_key), [{"key": key} for key in keys])


def doomed(tx: Transaction) -> list[bytes]:
    """Return the keys to be destroyed."""
    return list(tx.execute(select(doomed_key.c.key)).scalars())


def forget_doomed(tx: Transaction, keys: list[bytes]) -> None:
    """Note that keys are destroyed."""
    for key in keys:
        tx.execute(delete(doomed_key).where(doomed_key.c.key == key))
