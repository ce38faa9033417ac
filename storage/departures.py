"""Departures: what somebody wrote in a sphere, erased or anonymised.

Touches events and dooms keys; ``domain.departure`` decided. The place of an erased event stays, so
that ``seq`` has no gap, and says nothing but that. Invariant: after ``erase`` no column of any
event of the sphere holds a word, a client id or the id of that author.
"""

from __future__ import annotations

from sqlalchemy import Row, bindparam, select, update

from server.protocol import codec
from server.protocol.events import Erased, MessagePosted
from storage import sealing, timeline
from storage.database import Transaction
from storage.schema import event

_PLACE = event.c.sphere == bindparam("of_sphere"), event.c.seq == bindparam("of_seq")


def erase(tx: Transaction, sphere_id: str, author: str) -> int:
    """Erase all that ``author`` wrote in a sphere; return how many messages that was."""
    rows = _written_by(tx, sphere_id, author)
    _blank(tx, sphere_id, rows)
    sealing.retire(tx, sphere_id, author)
    return sum(row.client_id is not None for row in rows)


def anonymise(tx: Transaction, sphere_id: str, author: str, pseudonym: str) -> int:
    """Put ``pseudonym`` in the place of ``author``; return how many messages are kept.

    What is not a message (their arrival, which holds their name) is erased.
    """
    rows = _written_by(tx, sphere_id, author)
    messages = [row for row in rows if row.client_id is not None]
    _blank(tx, sphere_id, [row for row in rows if row.client_id is None])
    for row in messages:
        tx.execute(
            update(event)
            .where(*_PLACE)
            .values(content=_signed(tx, sphere_id, author, row, pseudonym)),
            {"of_sphere": sphere_id, "of_seq": row.seq},
        )
    return len(messages)


def count(tx: Transaction, sphere_id: str, author: str) -> int:
    """Return how many messages ``author`` has in a sphere."""
    return sum(row.client_id is not None for row in _written_by(tx, sphere_id, author))


def _written_by(
    tx: Transaction, sphere_id: str, author: str
) -> list[Row[tuple[int, int, str | None, bytes]]]:
    return list(
        tx.execute(
            select(event.c.seq, event.c.at, event.c.client_id, event.c.content)
            .where(event.c.sphere == sphere_id, event.c.author == author)
            .order_by(event.c.seq)
        )
    )


def _blank(
    tx: Transaction, sphere_id: str, rows: list[Row[tuple[int, int, str | None, bytes]]]
) -> None:
    if not rows:
        return
    tx.execute(
        update(event)
        .where(*_PLACE)
        .values(author=None, client_id=None, content=bindparam("blank")),
        [
            {
                "of_sphere": sphere_id,
                "of_seq": row.seq,
                "blank": codec.store(Erased(sphere=sphere_id, seq=row.seq, at=row.at)),
            }
            for row in rows
        ],
    )


def _signed(
    tx: Transaction,
    sphere_id: str,
    author: str,
    row: Row[tuple[int, int, str | None, bytes]],
    pseudonym: str,
) -> bytes:
    words = timeline.read(tx, sphere_id, row.seq, row.content)
    if words is None:
        sealed: bytes = row.content
        return sealed  # its key is gone: nobody reads it any more
    message = codec.restore(words)
    assert isinstance(message, MessagePosted)
    signed = codec.store(
        MessagePosted(
            sphere=message.sphere,
            seq=message.seq,
            at=message.at,
            author=pseudonym,
            body=message.body,
        )
    )
    return sealing.seal(tx, sphere_id, row.seq, author, signed)
