"""Messages: one that is there, other words in its place, or none; and what hangs on it.

What hangs on a message are its edits and the reactions to it, events of their own, and its files:
they go when it goes. Replies are messages themselves, and stay. Decides nothing. Invariant: the
words that stood at a place before are in no row any more.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select, update

from server.domain.facts import Fact, Message, Sphere
from server.protocol import codec
from server.protocol.events import ReactionAdded, TimelineEvent
from storage import attachments, sealing, timeline
from storage.database import Transaction
from storage.places import blank, written
from storage.schema import event
from storage.timeline import Kind
from storage.wanted import each


class Placed(Fact, frozen=True):
    """A message as it is stored."""

    message: Message
    event: TimelineEvent
    sealed: bytes


def find(tx: Transaction, of: Sphere, seq: int) -> Placed | None:
    """Return the message at a place, or None when there is none (any more)."""
    row = tx.execute(
        select(event.c.author, event.c.alias, event.c.stamp, event.c.content).where(
            event.c.sphere == of.id, event.c.seq == seq, event.c.kind == Kind.MESSAGE
        )
    ).one_or_none()
    words = None if row is None else timeline.read(tx, of.id, seq, row.content)
    if row is None or words is None:
        return None
    message = Message(seq=seq, stamp=row.stamp, author=row.alias or row.author)
    return Placed(message=message, event=codec.restore(words), sealed=row.content)


def rewrite(tx: Transaction, of: Sphere, placed: Placed, edited: TimelineEvent) -> None:
    """Put other words in the place of a message; former edits of it are erased."""
    seq = placed.message.seq
    blank(tx, of, hanging(tx, of.id, [seq], Kind.EDIT))
    words = sealing.reseal(tx, of.id, seq, placed.sealed, codec.store(edited))
    tx.execute(
        update(event).where(event.c.sphere == of.id, event.c.seq == seq).values(content=words)
    )


def erase(tx: Transaction, of: Sphere, placed: Placed) -> None:
    """Erase a message with all that hangs on it.

    Its place keeps its author and the receipt of its client id, so that a post that is sent again
    is not posted again; both go when the author does.
    """
    seq = placed.message.seq
    blank(tx, of, hanging(tx, of.id, [seq]))
    attachments.erase_at(tx, of.id, seq)
    gone = codec.store(timeline.erased(of, seq, placed.event.at))
    tx.execute(
        update(event)
        .where(event.c.sphere == of.id, event.c.seq == seq)
        .values(
            kind=Kind.NEWS,
            concerns=None,
            concerns_stamp=0,
            content=sealing.reseal(tx, of.id, seq, placed.sealed, gone),
        )
    )


def hanging(tx: Transaction, sphere_id: str, seqs: list[int], *kinds: Kind) -> list[Row[Any]]:
    """Return what hangs on these messages: edits and reactions, or one of the two."""
    if not seqs:
        return []
    wanted = each(tx, seqs)
    return list(
        tx.execute(
            written()
            .join(wanted, event.c.concerns == wanted.c.value)
            .where(
                event.c.sphere == sphere_id,
                event.c.kind.in_(kinds or (Kind.EDIT, Kind.REACTION)),
            )
        )
    )


def reactions(tx: Transaction, of: Sphere, seq: int, by: str) -> dict[str, Row[Any]]:
    """Return what somebody reacted to a message, with the place of each.

    Only a reaction that was not taken back has a receipt.
    """
    rows = tx.execute(
        written().where(
            event.c.sphere == of.id,
            event.c.concerns == seq,
            event.c.kind == Kind.REACTION,
            event.c.author == by,
            event.c.receipt.is_not(None),
        )
    )
    found: dict[str, Row[Any]] = {}
    for row in rows:
        words = timeline.read(tx, of.id, row.seq, row.content)
        said = None if words is None else codec.restore(words)
        if isinstance(said, ReactionAdded):
            found[said.reaction] = row
    return found


def receipt(tx: Transaction, of: Sphere, by: str, seq: int, reaction: str) -> str:
    """Return what stands for a reaction: no client id can look like it."""
    key = sealing.current_key(tx, of.id, by)
    return sealing.keyring(tx).receipt(key, f"reaction {seq} {reaction}")
