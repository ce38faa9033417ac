"""Timeline: a sphere's events, appended and read.

Decides nothing: the caller says what to append, the stamp follows the sphere's settings, and a page
holds what ``domain.visibility`` allows, in SQL. Invariant: ``seq`` rises by one per timeline, in
the order of commits, and a place once taken is never taken again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from server.domain.facts import Fact, Sphere
from server.domain.visibility import Stamp, may_hear_of, stamp_of
from server.protocol import codec
from server.protocol.events import Erased, TimelineEvent
from server.protocol.scalars import PAGE_BYTES_MAX
from server.protocol.views import Purge
from storage import sealing
from storage.database import Transaction
from storage.schema import event, purge, sphere

#: Beyond every seq of the wire.
EVERY_SEQ = 2**53

# Statements of the paths that every resuming client takes are built once: building one at each call
# costs more than running it.
_PURGES = (
    select(purge.c.author, purge.c.before, purge.c.concerns)
    .where(
        purge.c.sphere == bindparam("of_sphere"),
        purge.c.seq > bindparam("above"),
        purge.c.seq >= bindparam("horizon"),
    )
    .order_by(purge.c.seq)
)


class Entry(Fact, frozen=True):
    """An event on its timeline, and the bytes under which it is stored and sent."""

    event: TimelineEvent
    content: bytes
    concerns: int | None = None  #: the last seq that it is about, when it is about earlier ones

    def veiled(self) -> Entry:
        """Return what stands in its place for who may see nothing of what it is about."""
        event = Erased(sphere=self.event.sphere, seq=self.event.seq, at=self.event.at)
        return Entry(event=event, content=codec.store(event))


def append(
    tx: Transaction,
    to: Sphere,
    build: Callable[[int], TimelineEvent],
    *,
    author: str | None = None,
    concerns: int | None = None,
) -> Entry:
    """Append the event that ``build`` makes of its seq; return it.

    ``author`` is the member whose departure erases it; an event without one is never erased.
    ``concerns`` is the last seq that it is about, when it is about earlier ones.
    """
    seq = tx.execute(
        update(sphere).where(sphere.c.id == to.id).values(head=sphere.c.head + 1)
        .returning(sphere.c.head)
    ).scalar_one()  # fmt: skip
    made = build(seq)
    assert made.seq == seq
    content = codec.store(made)
    stored = content if author is None else sealing.seal(tx, to.id, seq, author, content)
    tx.execute(
        insert(event).values(
            sphere=to.id,
            seq=seq,
            at=made.at,
            author=author,
            concerns=concerns,
            stamp=int(stamp_of(to.audience, to.history)),
            content=stored,
        )
    )
    return Entry(event=made, content=content, concerns=concerns)


def page(
    tx: Transaction,
    sphere_id: str,
    *,
    horizon: int,
    entered: bool,
    after: int | None,
    before: int | None,
    limit: int,
) -> tuple[list[bytes], bool]:
    """Return stored events that a member with ``horizon`` may see, in rising order.

    Upwards from ``after`` (exclusive; from the beginning when neither is given), or down from
    ``before`` (exclusive). The second value says whether there are more that way; a page is cut at
    PAGE_BYTES_MAX, though never empty for that.
    """
    rising = before is None
    rows = tx.execute(
        _page(rising=rising, entered=entered),
        {
            "of_sphere": sphere_id,
            "horizon": horizon,
            "above": after or 0,
            "below": EVERY_SEQ if before is None else before,
            "most": limit + 1,
        },
    ).all()
    cut = _fitting([len(row.content) for row in rows[:limit]])
    contents = [_shown(tx, sphere_id, row, horizon) for row in rows[:cut]]
    return (contents if rising else contents[::-1]), cut < len(rows)


def _shown(tx: Transaction, sphere_id: str, row: Any, horizon: int) -> bytes:
    """Return a stored event as a member with ``horizon`` sees it.

    Words whose key is destroyed are an erased place: an older backup was restored.
    """
    if not may_hear_of(row.concerns, horizon):
        return _gone(sphere_id, row.seq, row.at)
    if row.author is None:
        content: bytes = row.content
        return content
    return read(tx, sphere_id, row.seq, row.content) or _gone(sphere_id, row.seq, row.at)


def read(tx: Transaction, sphere_id: str, seq: int, sealed: bytes) -> bytes | None:
    """Return what was said at a place, or None when its key is destroyed."""
    return sealing.keyring(tx).open(sealed, sealing.place(sphere_id, seq))


def _gone(sphere_id: str, seq: int, at: int) -> bytes:
    return codec.store(Erased(sphere=sphere_id, seq=seq, at=at))


@cache
def _page(*, rising: bool, entered: bool) -> Select[tuple[int, int, str | None, int | None, bytes]]:
    return (
        select(event.c.seq, event.c.at, event.c.author, event.c.concerns, event.c.content)
        .where(
            event.c.sphere == bindparam("of_sphere"),
            event.c.seq > bindparam("above"),
            event.c.seq < bindparam("below"),
            seen_by(entered=entered),
        )
        .order_by(event.c.seq if rising else event.c.seq.desc())
        .limit(bindparam("most"))
    )


def seen_by(*, entered: bool) -> ColumnElement[bool]:
    """Return ``visibility.may_member_see`` as a condition on events, for a bound ``horizon``."""
    horizon: BindParameter[int] = bindparam("horizon")
    if entered:
        return event.c.seq >= horizon
    return or_(event.c.seq >= horizon, event.c.stamp.bitwise_and(int(Stamp.NEWCOMERS)) != 0)


def _fitting(sizes: list[int]) -> int:
    """Return how many of the first items fit in a page; one always does."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > PAGE_BYTES_MAX and count:
            return count
    return len(sizes)


def record_purge(
    tx: Transaction,
    sphere_id: str,
    *,
    seq: int,
    author: str,
    before: int,
    concerns: int | None = None,
) -> None:
    """Note at ``seq`` that who comes back must forget what ``author`` wrote below ``before``."""
    tx.execute(
        insert(purge).values(
            sphere=sphere_id, seq=seq, author=author, before=before, concerns=concerns
        )
    )


def purges(tx: Transaction, sphere_id: str, *, horizon: int, after: int) -> list[Purge]:
    """Return what a client that holds the timeline up to ``after`` must forget."""
    rows = tx.execute(_PURGES, {"of_sphere": sphere_id, "above": after, "horizon": horizon})
    return [
        Purge(author=row.author, before=row.before)
        for row in rows
        if may_hear_of(row.concerns, horizon)
    ]
