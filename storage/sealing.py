"""Sealing: what an author said, readable only while their key in that sphere lives.

Decides which key seals what: one an author and sphere, drawn at their first word there, retired
when they leave. Which key is whose stands in the data, so that it changes in the same transaction
as the stay; the keys stand in the keyring. A retired key is destroyed after the transaction that
retired it (``shred``), or at the next start. Invariant: a retired key seals nothing more, and an
author who comes back has another.
"""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from storage.database import Transaction
from storage.keyring import ID_BYTES, Keyring
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
            author_key.c.sphere == sphere_id,
            author_key.c.author == author,
            author_key.c.current,
        )
    ).scalar_one_or_none()
    ring = keyring(tx)
    if found is not None:
        if ring.has(found):
            return found
        # An older backup of the data was restored: what this key sealed is gone, and stays so.
        lay_by(tx, sphere_id, author)
    drawn = ring.create()
    tx.execute(insert(author_key).values(key=drawn, sphere=sphere_id, author=author, current=True))
    return drawn


def seal(tx: Transaction, sphere_id: str, seq: int, author: str, words: bytes) -> bytes:
    """Return what ``author`` said at a place as it is stored."""
    key = current_key(tx, sphere_id, author)
    return keyring(tx).seal(key, words, place(sphere_id, seq))


def reseal(tx: Transaction, sphere_id: str, seq: int, sealed: bytes, words: bytes) -> bytes:
    """Return other words for a place, sealed with the key that sealed what is there."""
    return keyring(tx).seal(sealed[:ID_BYTES], words, place(sphere_id, seq))


def lay_by(tx: Transaction, sphere_id: str, author: str) -> None:
    """Keep an author's key for what it sealed; what they say when they come back gets another."""
    tx.execute(
        update(author_key)
        .where(author_key.c.sphere == sphere_id, author_key.c.author == author)
        .values(current=False)
    )


def retire(tx: Transaction, sphere_id: str, author: str, *, past_only: bool = False) -> None:
    """Doom an author's keys in a sphere: they are destroyed once this is committed.

    With ``past_only``, those of earlier stays alone.
    """
    doomed_here = delete(author_key).where(
        author_key.c.sphere == sphere_id, author_key.c.author == author
    )
    if past_only:
        doomed_here = doomed_here.where(~author_key.c.current)
    _doom(tx, list(tx.execute(doomed_here.returning(author_key.c.key)).scalars()))


def retire_all(tx: Transaction, sphere_id: str) -> None:
    """Doom every key of a sphere."""
    keys = tx.execute(
        delete(author_key).where(author_key.c.sphere == sphere_id).returning(author_key.c.key)
    ).scalars()
    _doom(tx, list(keys))


def doom(tx: Transaction, sealed: bytes) -> None:
    """Doom the key of something that was sealed under a key of its own."""
    _doom(tx, [sealed[:ID_BYTES]])


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
