"""Publicity: what of a sphere anyone may read without an account, in SQL.

Decides nothing: a page holds what ``visibility.may_reader_see`` allows, messages alone. Invariant:
whatever a reader's statement finds, the sphere is public in the same snapshot; for a sphere that is
not, for a thread and for an id that nothing has, the same statement finds the same nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select, text

from server.domain.facts import Fact, Sphere
from server.protocol import codec
from server.protocol.events import TimelineEvent
from server.protocol.scalars import Audience
from storage import timeline
from storage.database import Transaction
from storage.schema import member, sphere, stay
from storage.spheres import SPHERE, as_sphere

_SPHERE = select(*SPHERE).where(
    sphere.c.id == bindparam("sphere"),
    sphere.c.parent.is_(None),
    sphere.c.audience == Audience.PUBLIC,
)
_NAMES = (
    select(stay.c.member, member.c.name)
    .join(member, member.c.id == stay.c.member)
    .where(stay.c.sphere == bindparam("sphere"))
)
# The index holds ``Kind.MESSAGE`` with ``Stamp.READERS`` and nothing else; its condition stands
# here letter by letter. SQLite would walk the primary key, over all that is not for readers, unless
# it is told. A message goes by the name of a member who is inside, or of one who bequeathed it
# under their name; a bot's stands in its message.
_FOUND = """
SELECT e.seq, e.content, CASE
         WHEN e.alias IS NOT NULL THEN NULL
         WHEN t.member IS NOT NULL THEN m.name
         WHEN b.member IS NOT NULL THEN coalesce(b.name, m.name)
       END AS known_as
FROM event AS e {hint}
LEFT JOIN stay AS t ON t.sphere = e.sphere AND t.member = e.author
LEFT JOIN bequest AS b ON b.sphere = e.sphere AND b.member = e.author AND b.form = 'named'
LEFT JOIN member AS m ON m.id = e.author
WHERE e.sphere = :sphere AND e.seq > :above AND e.seq < :below
  AND e.kind = 1 AND (e.stamp & 2) != 0
"""
_HINTS = {"sqlite": "INDEXED BY ix_event_sphere_seq", "postgresql": ""}
_UPWARDS, _DOWNWARDS = (
    {
        dialect: text(f"{_FOUND.format(hint=hint)}ORDER BY e.seq {way} LIMIT :most")
        for dialect, hint in _HINTS.items()
    }
    for way in ("", "DESC")
)


class Published(Fact, frozen=True):
    """A message as it is stored, and the name that its author goes by now."""

    event: TimelineEvent
    name: str | None


def sphere_of(tx: Transaction, sphere_id: str) -> Sphere | None:
    """Return a sphere if it is public."""
    row = tx.execute(_SPHERE, {"sphere": sphere_id}).one_or_none()
    return None if row is None else as_sphere(row)


def names(tx: Transaction, sphere_id: str) -> dict[str, str]:
    """Return the name of everybody inside, for the server itself: a reader is shown authors."""
    return {row.member: row.name for row in tx.execute(_NAMES, {"sphere": sphere_id})}


def page(
    tx: Transaction, of: Sphere, *, after: int | None, before: int | None, limit: int
) -> tuple[list[Published], bool]:
    """Return messages for readers, in rising order: down from ``before``, or up from ``after``.

    Without either, down from the last one. The second value says whether there are more that way;
    bounds as those of ``timeline.page``.
    """
    rising = after is not None and before is None
    rows = tx.execute(
        (_UPWARDS if rising else _DOWNWARDS)[tx.dialect.name],
        {
            "sphere": of.id,
            "above": after or 0,
            "below": timeline.EVERY_SEQ if before is None else before,
            "most": limit + 1,
        },
    ).all()
    cut = timeline.fitting([len(row.content) for row in rows[:limit]])
    found = [one for row in rows[:cut] if (one := _published(tx, of, row)) is not None]
    return (found if rising else found[::-1]), cut < len(rows)


def _published(tx: Transaction, of: Sphere, row: Any) -> Published | None:
    """Return a message, or None when its key is destroyed: an older backup was restored."""
    content = timeline.read(tx, of.id, row.seq, row.content)
    return None if content is None else Published(event=codec.restore(content), name=row.known_as)
