"""Heads: how far timelines are, and what stands on them, for a node that may have missed some.

Decides nothing about who may see it: a node hears timelines whole, and its rooms decide. Invariant:
what is returned of a place is what a page of history would hold there, unveiled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from server.domain.facts import Sphere
from server.protocol import codec
from storage.database import Transaction
from storage.schema import event, sphere
from storage.spheres import SPHERE, as_sphere
from storage.timeline import About, Entry, erased, read

#: Ids in one statement: well below what databases take.
ASKED_MAX = 500


def heads(tx: Transaction, timelines: Iterable[str]) -> dict[str, int]:
    """Return the last seq of each of these timelines that exists."""
    wanted = list(timelines)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), ASKED_MAX):
        some = wanted[start : start + ASKED_MAX]
        rows = tx.execute(select(sphere.c.id, sphere.c.head).where(sphere.c.id.in_(some)))
        found.update({row.id: row.head for row in rows})
    return found


def entries(tx: Transaction, timeline: str, *, above: int, most: int) -> list[Entry]:
    """Return what stands above a seq, in order; nothing where there is no such timeline."""
    found = tx.execute(select(*SPHERE).where(sphere.c.id == timeline)).one_or_none()
    if found is None:
        return []
    of = as_sphere(found)
    rows = tx.execute(
        select(
            event.c.seq,
            event.c.at,
            event.c.author,
            event.c.stamp,
            event.c.concerns,
            event.c.concerns_stamp,
            event.c.content,
        )
        .where(event.c.sphere == timeline, event.c.seq > above)
        .order_by(event.c.seq)
        .limit(most)
    )
    return [_entry(tx, of, row) for row in rows]


def _entry(tx: Transaction, of: Sphere, row: Any) -> Entry:
    content: bytes | None = row.content
    if row.author is not None:
        content = read(tx, of.id, row.seq, row.content)
    if content is None:
        content = codec.store(erased(of, row.seq, row.at))
    about = None if row.concerns is None else About(seq=row.concerns, stamp=row.concerns_stamp)
    return Entry(event=codec.restore(content), content=bytes(content), stamp=row.stamp, about=about)
