"""Departures: what somebody wrote in a sphere, erased or anonymised.

Touches events and dooms keys; ``domain.departure`` decided. The place of an erased event stays, so
that ``seq`` has no gap, and says nothing but that. Invariant: after ``erase`` no column of the
events concerned holds a word, a receipt, an alias or the id of that author.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, select, update

from server.domain.facts import Fact, Sphere
from server.domain.visibility import Stamp
from server.protocol import codec
from server.protocol.events import MessagePosted, PrivatePosted
from storage import sealing, timeline
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import event
from storage.timeline import About, Kind

_PLACE = event.c.sphere == bindparam("of_sphere"), event.c.seq == bindparam("of_seq")


class Trace(Fact, frozen=True):
    """What one author of the wire had written, now erased."""

    author: str
    about: About


def erase(tx: Transaction, of: Sphere, author: str) -> int:
    """Erase all that ``author`` wrote in a sphere; return how many messages that was."""
    rows = _written_by(tx, of.id, author)
    _blank(tx, of, rows)
    sealing.retire(tx, of.id, author)
    return _messages(rows)


def erase_bequeathed(tx: Transaction, of: Sphere, author: str, *, below: int | None) -> list[Trace]:
    """Erase what ``author`` wrote in stays that are over: below a seq, or everything.

    Return what clients must forget, by the author that they know.
    """
    rows = [row for row in _written_by(tx, of.id, author) if below is None or row.seq < below]
    _blank(tx, of, rows)
    sealing.retire(tx, of.id, author, past_only=below is not None)
    traces: dict[str, About] = {}
    for row in rows:
        known_as = row.alias or author
        stamp = row.stamp | (traces[known_as].stamp if known_as in traces else 0)
        traces[known_as] = About(seq=row.seq, stamp=stamp & Stamp.NEWCOMERS)
    return [Trace(author=one, about=about) for one, about in sorted(traces.items())]


def keep(tx: Transaction, sphere_id: str, author: str) -> int:
    """Keep what ``author`` wrote as it is; return how many messages that is."""
    sealing.lay_by(tx, sphere_id, author)
    return _messages(_written_by(tx, sphere_id, author))


def bears_name(tx: Transaction, sphere_id: str, author: str) -> bool:
    """Say whether something on a timeline stands under an author's own id."""
    asked = event.c.sphere == sphere_id, event.c.author == author, event.c.alias.is_(None)
    return tx.execute(select(event.c.seq).where(*asked).limit(1)).first() is not None


def anonymise(tx: Transaction, of: Sphere, author: str) -> int:
    """Put an alias in the place of ``author``; return how many messages are kept.

    What is not a message (their arrival, which holds their name) is erased. What bears the alias of
    an earlier stay keeps it.
    """
    rows = _written_by(tx, of.id, author)
    _blank(tx, of, [row for row in rows if row.kind != Kind.MESSAGE])
    alias = new_id()
    for row in rows:
        if row.kind == Kind.MESSAGE and row.alias is None:
            signed = _signed(tx, of.id, row, alias)
            tx.execute(
                update(event).where(*_PLACE).values(content=bindparam("signed"), alias=alias),
                {"of_sphere": of.id, "of_seq": row.seq, "signed": signed},
            )
    sealing.lay_by(tx, of.id, author)
    return _messages(rows)


def _written_by(tx: Transaction, sphere_id: str, author: str) -> list[Row[Any]]:
    return list(
        tx.execute(
            select(
                event.c.seq,
                event.c.at,
                event.c.alias,
                event.c.kind,
                event.c.stamp,
                event.c.content,
            )
            .where(event.c.sphere == sphere_id, event.c.author == author)
            .order_by(event.c.seq)
        )
    )


def _messages(rows: list[Row[Any]]) -> int:
    return sum(row.kind == Kind.MESSAGE for row in rows)


def _blank(tx: Transaction, of: Sphere, rows: list[Row[Any]]) -> None:
    if not rows:
        return
    tx.execute(
        update(event)
        .where(*_PLACE)
        .values(author=None, alias=None, receipt=None, kind=Kind.NEWS, content=bindparam("blank")),
        [
            {
                "of_sphere": of.id,
                "of_seq": row.seq,
                "blank": codec.store(timeline.erased(of, row.seq, row.at)),
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
    assert isinstance(message, MessagePosted | PrivatePosted)
    signed = msgspec.structs.replace(message, author=alias)
    return sealing.reseal(tx, sphere_id, row.seq, row.content, codec.store(signed))
