"""Places: where an event stood whose words are erased.

The place stays, so that ``seq`` has no gap, and says nothing but that. Decides nothing. Invariant:
after ``blank`` no column of a place holds a word, a receipt, an alias, an author, or what the event
was about.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, bindparam, select, update

from server.domain.facts import Sphere
from server.protocol import codec
from storage import timeline
from storage.database import Transaction
from storage.schema import event
from storage.timeline import Kind

PLACE = event.c.sphere == bindparam("of_sphere"), event.c.seq == bindparam("of_seq")


def written() -> Select[Any]:
    """Return the columns of events that were written by somebody."""
    return select(
        event.c.seq,
        event.c.at,
        event.c.alias,
        event.c.kind,
        event.c.stamp,
        event.c.content,
    ).select_from(event)


def blank(tx: Transaction, of: Sphere, rows: list[Row[Any]]) -> None:
    """Leave of these events their places alone."""
    if not rows:
        return
    tx.execute(
        update(event)
        .where(*PLACE)
        .values(
            author=None,
            alias=None,
            receipt=None,
            kind=Kind.NEWS,
            concerns=None,
            concerns_stamp=0,
            content=bindparam("blank"),
        ),
        [
            {
                "of_sphere": of.id,
                "of_seq": row.seq,
                "blank": codec.store(timeline.erased(of, row.seq, row.at)),
            }
            for row in rows
        ],
    )
