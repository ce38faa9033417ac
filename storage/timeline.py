"""Timeline: a sphere's events, appended and read.

Decides nothing: the caller says what to append, the stamp follows the sphere's settings, and a page
holds what ``domain.visibility`` allows, in SQL. Invariant: ``seq`` rises by one per timeline, in
the order of commits, and a place once taken is never taken again.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from server.domain.facts import Fact, Seat, Sphere
from server.domain.visibility import Stamp, may_hear_of, stamp_of
from server.protocol import codec
from server.protocol.events import Erased, MessagePosted, PrivatePosted, TimelineEvent
from server.protocol.scalars import PAGE_BYTES_MAX
from server.protocol.views import Purge
from storage import journal, sealing
from storage.database import Transaction
from storage.schema import event, purge, sphere

#: Beyond every seq of the wire.
EVERY_SEQ = 2**53

# Statements of the paths that every resuming client takes are built once: building one at each call
# costs more than running it.
_PURGES = (
    select(
        purge.c.author,
        purge.c.before,
        purge.c.message,
        purge.c.concerns,
        purge.c.concerns_stamp,
    )
    .where(
        purge.c.sphere == bindparam("of_sphere"),
        purge.c.seq > bindparam("above"),
        purge.c.seq >= bindparam("horizon"),
    )
    .order_by(purge.c.seq)
)


class Kind(IntEnum):
    """What an event is to the store: what is counted, hung on a message, kept or erased as one."""

    NEWS = 0
    MESSAGE = 1
    EDIT = 2
    REACTION = 3


class About(Fact, frozen=True):
    """The earlier events that an event is about: the last of them, and their stamp."""

    seq: int
    stamp: int = 0


class Entry(Fact, frozen=True):
    """An event on its timeline, and the bytes under which it is stored and sent."""

    event: TimelineEvent
    content: bytes
    stamp: int = 0
    about: About | None = None

    def is_for(self, seat: Seat) -> bool:
        """Say whether who has this seat may hear what it is about."""
        about = self.about
        return about is None or may_hear_of(
            about.seq, about.stamp, seat.horizon, entered=seat.entered
        )

    def veiled(self) -> Entry:
        """Return what stands in its place for who may see nothing of what it is about."""
        event = veiled(self.event)
        return Entry(event=event, content=codec.store(event), stamp=self.stamp)


def veiled(event: TimelineEvent) -> TimelineEvent:
    """Return what stands in the place of an event for who may see nothing of what it is about."""
    if isinstance(event, MessagePosted | PrivatePosted) and event.reply_to is not None:
        return msgspec.structs.replace(event, reply_to=None)
    return Erased(sphere=event.sphere, thread=event.thread, seq=event.seq, at=event.at)


def append(
    tx: Transaction,
    to: Sphere,
    build: Callable[[int], TimelineEvent],
    *,
    author: str | None = None,
    about: About | None = None,
    kind: Kind = Kind.NEWS,
    receipt: str | None = None,
    stamp: int | None = None,
) -> Entry:
    """Append the event that ``build`` makes of its seq, and its record if it has one; return it.

    Without an ``author``, whose departure erases it, it is never erased. ``stamp`` follows the
    sphere's settings unless it is given.
    """
    if stamp is None:
        stamp = int(stamp_of(to.audience, to.history))
    seq = _next_seq(tx, to)
    made = build(seq)
    assert (made.timeline, made.seq) == (to.id, seq)
    journal.note(tx, to, made)
    content = codec.store(made)
    stored = content if author is None else sealing.seal(tx, to.id, seq, author, content)
    tx.execute(
        insert(event).values(
            sphere=to.id,
            seq=seq,
            at=made.at,
            author=author,
            receipt=receipt,
            stamp=stamp,
            kind=kind,
            content=stored,
            **_earlier(about),
        )
    )
    return Entry(event=made, content=content, stamp=stamp, about=about)


def _next_seq(tx: Transaction, of: Sphere) -> int:
    """Take the next place of a timeline."""
    seq: int = tx.execute(
        update(sphere).where(sphere.c.id == of.id).values(head=sphere.c.head + 1)
        .returning(sphere.c.head)
    ).scalar_one()  # fmt: skip
    return seq


def _earlier(about: About | None) -> dict[str, int | None]:
    """Return the columns that say what an event or a purge is about."""
    if about is None:
        return {"concerns": None, "concerns_stamp": 0}
    return {"concerns": about.seq, "concerns_stamp": about.stamp}


def page(
    tx: Transaction,
    of: Sphere,
    seat: Seat,
    *,
    after: int | None,
    before: int | None,
    limit: int,
) -> tuple[list[bytes], bool]:
    """Return stored events that who has ``seat`` may see, in rising order.

    Upwards from ``after`` (exclusive; from the beginning when neither is given), or down from
    ``before`` (exclusive). The second value says whether there are more that way; a page is cut at
    PAGE_BYTES_MAX, though never empty for that.
    """
    rising = before is None
    rows = tx.execute(
        _page(rising=rising, entered=seat.entered),
        {
            "of_sphere": of.id,
            "horizon": seat.horizon,
            "above": after or 0,
            "below": EVERY_SEQ if before is None else before,
            "most": limit + 1,
        },
    ).all()
    cut = fitting([len(row.content) for row in rows[:limit]])
    contents = [_shown(tx, of, row, seat) for row in rows[:cut]]
    return (contents if rising else contents[::-1]), cut < len(rows)


def _shown(tx: Transaction, of: Sphere, row: Any, seat: Seat) -> bytes:
    """Return a stored event as who has ``seat`` sees it.

    Words whose key is destroyed are an erased place: an older backup was restored.
    """
    content: bytes | None = row.content
    if row.author is not None:
        content = read(tx, of.id, row.seq, row.content)
    if content is None:
        return codec.store(erased(of, row.seq, row.at))
    if not may_hear_of(row.concerns, row.concerns_stamp, seat.horizon, entered=seat.entered):
        return codec.store(veiled(codec.restore(content)))
    return content


def read(tx: Transaction, sphere_id: str, seq: int, sealed: bytes) -> bytes | None:
    """Return what was said at a place, or None when its key is destroyed."""
    return sealing.keyring(tx).open(sealed, sealing.place(sphere_id, seq))


def erased(of: Sphere, seq: int, at: int) -> Erased:
    """Return what stands where something was erased."""
    return Erased(sphere=of.home, thread=of.thread, seq=seq, at=at)


@cache
def _page(*, rising: bool, entered: bool) -> Select[Any]:
    return (
        select(
            event.c.seq,
            event.c.at,
            event.c.author,
            event.c.concerns,
            event.c.concerns_stamp,
            event.c.content,
        )
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


def fitting(sizes: list[int]) -> int:
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
    message: int | None = None,
    about: About | None = None,
) -> None:
    """Note at ``seq`` that who comes back must forget what ``author`` wrote below ``before``.

    With ``message``, that one alone.
    """
    tx.execute(
        insert(purge).values(
            sphere=sphere_id,
            seq=seq,
            author=author,
            before=before,
            message=message,
            **_earlier(about),
        )
    )


def drop_purges(tx: Transaction, sphere_id: str, author: str, *, below: int | None = None) -> None:
    """Drop what says that an author deleted this or that: all of theirs is being purged."""
    tx.execute(
        delete(purge).where(
            purge.c.sphere == sphere_id,
            purge.c.author == author,
            purge.c.message.is_not(None),
            purge.c.message < (EVERY_SEQ if below is None else below),
        )
    )


def purges(tx: Transaction, sphere_id: str, seat: Seat, *, after: int) -> list[Purge]:
    """Return what a client that holds the timeline up to ``after`` must forget."""
    rows = tx.execute(_PURGES, {"of_sphere": sphere_id, "above": after, "horizon": seat.horizon})
    return [
        Purge(author=row.author, before=row.before, message=row.message)
        for row in rows
        if may_hear_of(row.concerns, row.concerns_stamp, seat.horizon, entered=seat.entered)
    ]
