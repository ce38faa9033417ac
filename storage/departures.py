"""Departures: what somebody wrote in a sphere, erased or anonymised.

Touches events and files, and dooms keys; ``domain.departure`` decided. With a message goes what
others hung on it, and its files. Invariant: after ``erase`` no column of the events concerned holds
a word, a receipt, an alias or the id of that author.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, select, update

from server.domain.facts import Fact, Sphere
from server.domain.visibility import Stamp
from server.protocol import codec
from server.protocol.events import MessagePosted, PrivatePosted
from storage import attachments, messages, sealing, timeline
from storage.database import Transaction
from storage.identifiers import new_id
from storage.places import PLACE, blank, written
from storage.schema import event
from storage.timeline import About, Kind


class Trace(Fact, frozen=True):
    """What one author of the wire had written, now erased."""

    author: str
    about: About


def erase(tx: Transaction, of: Sphere, author: str) -> int:
    """Erase all that ``author`` wrote in a sphere; return how many messages that was."""
    rows = _written_by(tx, of.id, author)
    _blank_all(tx, of, rows)
    timeline.drop_purges(tx, of.id, author)
    attachments.erase_of(tx, of.id, author)
    sealing.retire(tx, of.id, author)
    return _messages(rows)


def erase_bequeathed(tx: Transaction, of: Sphere, author: str, *, below: int | None) -> list[Trace]:
    """Erase what ``author`` wrote in stays that are over: below a seq, or everything.

    Return what clients must forget, by the author that they know.
    """
    rows = [row for row in _written_by(tx, of.id, author) if below is None or row.seq < below]
    _blank_all(tx, of, rows)
    timeline.drop_purges(tx, of.id, author, below=below)
    attachments.erase_of(tx, of.id, author, below=below)
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

    What is not a message is erased: their arrival, which holds their name, their edits (messages
    say by now what these said), their reactions. What bears the alias of an earlier stay keeps it.
    """
    rows = _written_by(tx, of.id, author)
    blank(tx, of, [row for row in rows if row.kind != Kind.MESSAGE])
    timeline.drop_purges(tx, of.id, author)
    alias = new_id()
    for row in rows:
        if row.kind == Kind.MESSAGE and row.alias is None:
            signed = _signed(tx, of.id, row, alias)
            tx.execute(
                update(event).where(*PLACE).values(content=bindparam("signed"), alias=alias),
                {"of_sphere": of.id, "of_seq": row.seq, "signed": signed},
            )
    sealing.lay_by(tx, of.id, author)
    return _messages(rows)


def _written_by(tx: Transaction, sphere_id: str, author: str) -> list[Row[Any]]:
    return list(
        tx.execute(
            written()
            .where(event.c.sphere == sphere_id, event.c.author == author)
            .order_by(event.c.seq)
        )
    )


def _blank_all(tx: Transaction, of: Sphere, rows: list[Row[Any]]) -> None:
    """Leave nothing of these events, nor of what hangs on those that are messages."""
    gone = [row.seq for row in rows if row.kind == Kind.MESSAGE]
    blank(tx, of, messages.hanging(tx, of.id, gone))
    blank(tx, of, rows)


def _messages(rows: list[Row[Any]]) -> int:
    return sum(row.kind == Kind.MESSAGE for row in rows)


def _signed(tx: Transaction, sphere_id: str, row: Row[Any], alias: str) -> bytes:
    words = timeline.read(tx, sphere_id, row.seq, row.content)
    if words is None:
        sealed: bytes = row.content
        return sealed  # its key is gone: nobody reads it any more
    message = codec.restore(words)
    assert isinstance(message, MessagePosted | PrivatePosted)
    others = tuple(member for member in message.mentions if member != message.author)
    signed = msgspec.structs.replace(message, author=alias, mentions=others)
    return sealing.reseal(tx, sphere_id, row.seq, row.content, codec.store(signed))
