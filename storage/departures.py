"""Departures: what somebody wrote in a sphere, erased or anonymised.

Touches events and dooms keys; ``domain.departure`` decided. The place of an erased event stays, so
that ``seq`` has no gap, and says nothing but that. Invariant: after ``erase`` no column of the
events concerned holds a word, a receipt, an alias or the id of that author.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, select, update

from server.domain.facts import Fact
from server.domain.visibility import Stamp
from server.protocol import codec
from server.protocol.events import Erased, MessagePosted
from storage import sealing, timeline
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import event

_PLACE = event.c.sphere == bindparam("of_sphere"), event.c.seq == bindparam("of_seq")


class Trace(Fact, frozen=True):
    """What one author of the wire had written, now erased."""

    author: str
    concerns: int | None  #: the last seq of it; None when newcomers could see some


def erase(tx: Transaction, sphere_id: str, author: str) -> int:
    """Erase all that ``author`` wrote in a sphere; return how many messages that was."""
    rows = _written_by(tx, sphere_id, author)
    _blank(tx, sphere_id, rows)
    sealing.retire(tx, sphere_id, author)
    return _messages(rows)


def erase_bequeathed(
    tx: Transaction, sphere_id: str, author: str, *, below: int | None
) -> list[Trace]:
    """Erase what ``author`` wrote in stays that are over: below a seq, or everything.

    Return what clients must forget, by the author that they know.
    """
    rows = [row for row in _written_by(tx, sphere_id, author) if below is None or row.seq < below]
    _blank(tx, sphere_id, rows)
    sealing.retire(tx, sphere_id, author, past_only=below is not None)
    traces: dict[str, int | None] = {}
    for row in rows:
        known_as = row.alias or author
        shown = bool(row.stamp & Stamp.NEWCOMERS) or traces.get(known_as, 0) is None
        traces[known_as] = None if shown else row.seq
    return [Trace(author=one, concerns=seq) for one, seq in sorted(traces.items())]


def keep(tx: Transaction, sphere_id: str, author: str) -> int:
    """Keep what ``author`` wrote as it is; return how many messages that is."""
    sealing.lay_by(tx, sphere_id, author)
    return _messages(_written_by(tx, sphere_id, author))


def anonymise(tx: Transaction, sphere_id: str, author: str) -> int:
    """Put an alias in the place of ``author``; return how many messages are kept.

    What is not a message (their arrival, which holds their name) is erased. What bears the alias of
    an earlier stay keeps it.
    """
    rows = _written_by(tx, sphere_id, author)
    _blank(tx, sphere_id, [row for row in rows if row.receipt is None])
    alias = new_id()
    for row in rows:
        if row.receipt is not None and row.alias is None:
            signed = _signed(tx, sphere_id, row, alias)
            tx.execute(
                update(event).where(*_PLACE).values(content=bindparam("signed"), alias=alias),
                {"of_sphere": sphere_id, "of_seq": row.seq, "signed": signed},
            )
    sealing.lay_by(tx, sphere_id, author)
    return _messages(rows)


def _written_by(tx: Transaction, sphere_id: str, author: str) -> list[Row[Any]]:
    return list(
        tx.execute(
            select(
                event.c.seq,
                event.c.at,
                event.c.alias,
                event.c.receipt,
                event.c.stamp,
                event.c.content,
            )
            .where(event.c.sphere == sphere_id, event.c.author == author)
            .order_by(event.c.seq)
        )
    )


def _messages(rows: list[Row[Any]]) -> int:
    return sum(row.receipt is not None for row in rows)


def _blank(tx: Transaction, sphere_id: str, rows: list[Row[Any]]) -> None:
    if not rows:
        return
    tx.execute(
        update(event)
        .where(*_PLACE)
        .values(author=None, alias=None, receipt=None, content=bindparam("blank")),
        [
            {
                "of_sphere": sphere_id,
                "of_seq": row.seq,
                "blank": codec.store(Erased(sphere=sphere_id, seq=row.seq, at=row.at)),
            }
            for row in rows
        ],
    )


def _signed(tx: Transaction, sphere_id: str, row: Row[Any], alias: str) -> bytes:
    words = timeline.read(tx, sphere_id, row.seq, row.content)
    if words is None:
        sealed: bytes = row.content
        return sealed  # its key is gone: nobody reads it any more
    message = codec.restore(words)
    assert isinstance(message, MessagePosted)
    signed = MessagePosted(
        sphere=message.sphere,
        seq=message.seq,
        at=message.at,
        author=alias,
        body=message.body,
    )
    return sealing.reseal(tx, sphere_id, row.seq, row.content, codec.store(signed))
