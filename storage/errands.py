"""Errands: what another process asks of the one in charge, and what came of it.

Holds bytes and knows no meaning. Invariant: an errand is answered in the transaction that does it,
so that it is done once or not at all.
"""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from server import errors
from server.domain.facts import Fact
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import errand as table

#: Errands done at one time, before messages get their turn.
PENDING_MAX = 20


class Errand(Fact, frozen=True):
    """Something that is asked."""

    id: str
    wish: bytes


def ask(tx: Transaction, wish: bytes, now: int) -> str:
    """Ask for something; return the errand's id."""
    made = new_id()
    tx.execute(insert(table).values(id=made, wish=wish, created_at=now))
    return made


def pending(tx: Transaction) -> list[Errand]:
    """Return what is asked and not yet answered, the oldest first."""
    rows = tx.execute(
        select(table.c.id, table.c.wish)
        .where(table.c.answer.is_(None))
        .order_by(table.c.created_at, table.c.id)
        .limit(PENDING_MAX)
    )
    return [Errand(id=row.id, wish=row.wish) for row in rows]


def answer(tx: Transaction, errand_id: str, words: bytes) -> None:
    """Note what came of an errand. Raises NotFound when whoever asked gave it up."""
    if not tx.execute(update(table).where(table.c.id == errand_id).values(answer=words)).rowcount:
        raise errors.NotFound


def answer_of(tx: Transaction, errand_id: str) -> bytes | None:
    """Return what came of an errand, or None as long as nothing has."""
    chosen = select(table.c.answer).where(table.c.id == errand_id)
    return tx.execute(chosen).scalar_one_or_none()


def forget(tx: Transaction, errand_id: str) -> None:
    """Drop an errand that is over, or given up."""
    tx.execute(delete(table).where(table.c.id == errand_id))


def sweep(tx: Transaction, *, before: int) -> None:
    """Drop the errands of processes that are gone."""
    tx.execute(delete(table).where(table.c.created_at < before))
