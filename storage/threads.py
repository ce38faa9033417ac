"""Threads: private conversations between members of a sphere, each with a timeline of its own.

In the store a thread is a sphere with a parent (docs/adr/0012). Decides nothing. Invariant: whoever
asks for a thread names its sphere too; of a thread of another sphere, or one that they are not in,
they learn as much as of one that does not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, insert, select, update

from server.domain.facts import Sphere, Standing
from server.protocol import codec
from server.protocol.events import ThreadStarted
from server.protocol.scalars import Audience, Bequest, History
from server.protocol.views import FormerMember, ThreadView
from storage import sealing, spheres
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import author_key, bequest, event, member, sphere, stay
from storage.spheres import SPHERE, as_sphere, as_standing, standings

_HOME = sphere.alias("home")
#: A thread goes by the name and the revision of its sphere: that is what a sender is shown.
_COLUMNS = (
    sphere.c.id,
    sphere.c.organisation,
    _HOME.c.name,
    sphere.c.audience,
    sphere.c.history,
    sphere.c.listed,
    _HOME.c.revision,
    sphere.c.head,
    sphere.c.parent,
)
_STANDING = (
    standings(_COLUMNS)
    .join(_HOME, _HOME.c.id == sphere.c.parent)
    .where(sphere.c.id == bindparam("thread"), sphere.c.parent == bindparam("sphere"))
)
#: The place of ``thread_started``, on every thread's timeline.
FIRST = 1


def standing(tx: Transaction, sphere_id: str, thread_id: str, member_id: str) -> Standing | None:
    """Return what a member is to a thread of a sphere, or None when they are in no such one."""
    row = tx.execute(
        _STANDING, {"sphere": sphere_id, "thread": thread_id, "member": member_id}
    ).one_or_none()
    if row is None or row.disabled or row.horizon is None:
        return None  # as much work for a thread that they are not in as for none
    home = spheres.get(tx, sphere_id)
    return msgspec.structs.replace(as_standing(row, member_id), home=home)


def standing_in(
    tx: Transaction, sphere_id: str, thread_id: str | None, member_id: str
) -> Standing | None:
    """Return what a member is to a sphere, or to a thread of it when one is named."""
    if thread_id is None:
        return spheres.standing(tx, sphere_id, member_id)
    return standing(tx, sphere_id, thread_id, member_id)


def create(tx: Transaction, home: Sphere, *, now: int) -> Sphere:
    """Found a thread in a sphere: an empty timeline that nobody is on yet."""
    made = Sphere(
        id=new_id(),
        organisation=home.organisation,
        name=home.name,
        audience=Audience.CLOSED,
        history=History.HIDDEN,
        listed=False,
        revision=home.revision,
        head=0,
        parent=home.id,
    )
    stored = msgspec.structs.asdict(msgspec.structs.replace(made, name=_NAMELESS))
    tx.execute(insert(sphere).values(**stored, created_at=now))
    return made


#: What stands in the place of a name in the table: a thread has none of its own.
_NAMELESS = "-"


def between(tx: Transaction, sphere_id: str, members: Collection[str]) -> str | None:
    """Return the thread that began between exactly these, and that nobody left, or None."""
    first, *_ = members
    present = select(func.count()).select_from(stay).where(stay.c.sphere == sphere.c.id)
    those = present.where(stay.c.member.in_(members)).scalar_subquery()
    everybody = present.scalar_subquery()
    found = tx.execute(
        select(sphere.c.id, event.c.content)
        .join(event, and_(event.c.sphere == sphere.c.id, event.c.seq == FIRST))
        .where(_with(first), _of(sphere_id), everybody == len(members), those == len(members))
        .order_by(sphere.c.created_at, sphere.c.id)
    )
    for row in found:
        if set(_started(row.content).members) == set(members):
            thread: str = row.id
            return thread
    return None


def _with(member_id: str) -> ColumnElement[bool]:
    """Return the condition that a member takes part."""
    return sphere.c.id.in_(select(stay.c.sphere).where(stay.c.member == member_id))


def _of(sphere_id: str) -> ColumnElement[bool]:
    """Return the condition that a thread is of a sphere, without the index of parents.

    Threads are found by who takes part: that index would lead through every thread of the sphere.
    """
    return func.coalesce(sphere.c.parent, "") == sphere_id


def most_of(tx: Transaction, sphere_id: str, members: Collection[str]) -> int:
    """Return how many threads of a sphere they take part in who take part in most, of these."""
    rows = tx.execute(
        select(func.count())
        .select_from(stay)
        .join(sphere, sphere.c.id == stay.c.sphere)
        .where(stay.c.member.in_(members), _of(sphere_id))
        .group_by(stay.c.member)
    )
    return max(rows.scalars(), default=0)


def of_stay(tx: Transaction, sphere_id: str, member_id: str) -> list[Sphere]:
    """Return the threads of a sphere that a member takes part in."""
    rows = tx.execute(select(*SPHERE).where(_with(member_id), _of(sphere_id)).order_by(sphere.c.id))
    return [as_sphere(row) for row in rows]


def left_behind(tx: Transaction, sphere_id: str, member_id: str) -> list[Sphere]:
    """Return the threads of a sphere in which a member is no more, and something of theirs is."""
    something = sphere.c.id.in_(select(author_key.c.sphere).where(author_key.c.author == member_id))
    rows = tx.execute(
        select(*SPHERE).where(something, _of(sphere_id), ~_with(member_id)).order_by(sphere.c.id)
    )
    return [as_sphere(row) for row in rows]


def views_of_member(tx: Transaction, member_id: str) -> list[ThreadView]:
    """Return the threads that a member takes part in, in every sphere; the latest first."""
    return _views(tx, sphere.c.parent.is_not(None) & _with(member_id), member_id)


def view(tx: Transaction, thread_id: str, member_id: str | None = None) -> ThreadView:
    """Return a thread that there is; as a member sees it, who is told how far they read."""
    (found,) = _views(tx, (sphere.c.id == thread_id) & sphere.c.parent.is_not(None), member_id)
    return found


def _views(tx: Transaction, wanted: ColumnElement[bool], viewer: str | None) -> list[ThreadView]:
    rows = tx.execute(
        select(sphere.c.id, sphere.c.parent, sphere.c.head, event.c.content)
        .join(event, and_(event.c.sphere == sphere.c.id, event.c.seq == FIRST))
        .where(wanted)
        .order_by(sphere.c.created_at.desc(), sphere.c.id)
    ).all()
    present: dict[str, list[str]] = {row.id: [] for row in rows}
    read: dict[str, int] = {}
    inside = tx.execute(
        select(stay.c.sphere, stay.c.member, stay.c.read_seq)
        .join(sphere, sphere.c.id == stay.c.sphere)
        .where(wanted)
        .order_by(stay.c.member)
    )
    for row in inside:
        present[row.sphere].append(row.member)
        if row.member == viewer:
            read[row.sphere] = row.read_seq
    return [
        ThreadView(
            thread=row.id,
            sphere=row.parent,
            members=present[row.id],
            started_by=_started(row.content).by,
            head=row.head,
            read=read.get(row.id, 0),
        )
        for row in rows
    ]


def _started(content: bytes) -> ThreadStarted:
    found: Any = codec.restore(content)
    assert isinstance(found, ThreadStarted)
    return found


def former(tx: Transaction, of: Sphere) -> list[FormerMember]:
    """Return who left the sphere and has messages under their name in a thread of it.

    The name is the one that they had when they left.
    """
    here = exists().where(
        event.c.sphere == of.id, event.c.author == bequest.c.member, event.c.alias.is_(None)
    )
    rows = tx.execute(
        select(bequest.c.member, bequest.c.name)
        .outerjoin(stay, and_(stay.c.sphere == of.home, stay.c.member == bequest.c.member))
        .where(
            bequest.c.sphere == of.home,
            bequest.c.form == Bequest.NAMED,
            bequest.c.name.is_not(None),
            stay.c.member.is_(None),
            here,
        )
        .order_by(bequest.c.member)
    )
    return [FormerMember(member=row.member, name=row.name) for row in rows]


def declines(tx: Transaction, sphere_id: str, members: Iterable[str]) -> bool:
    """Say whether one of these, who are inside a sphere, takes part in no new threads there."""
    asked = (
        select(stay.c.member)
        .join(member, member.c.id == stay.c.member)
        .where(
            stay.c.sphere == sphere_id,
            stay.c.member.in_(list(members)),
            func.coalesce(stay.c.declines, member.c.declines),
        )
    )
    return tx.execute(asked.limit(1)).first() is not None


def declines_everywhere(tx: Transaction, member_id: str) -> bool:
    """Say whether a member takes part in no new threads, where they say nothing else."""
    chosen = select(member.c.declines).where(member.c.id == member_id)
    return bool(tx.execute(chosen).scalar_one_or_none())


def prefer_everywhere(tx: Transaction, member_id: str, *, declining: bool) -> None:
    """Store whether a member takes part in new threads, where they say nothing else."""
    tx.execute(update(member).where(member.c.id == member_id).values(declines=declining))


def prefer_in(
    tx: Transaction,
    sphere_id: str,
    member_id: str,
    *,
    declining: bool | None,
    default_thread: str | None,
) -> None:
    """Store what a member prefers in a sphere."""
    tx.execute(
        update(stay)
        .where(stay.c.sphere == sphere_id, stay.c.member == member_id)
        .values(declines=declining, default_thread=default_thread)
    )


def forget_default(tx: Transaction, sphere_id: str, thread_id: str, member_id: str) -> None:
    """Let a member's messages go to the sphere first, if they went to this thread."""
    tx.execute(
        update(stay)
        .where(
            stay.c.sphere == sphere_id,
            stay.c.member == member_id,
            stay.c.default_thread == thread_id,
        )
        .values(default_thread=None)
    )


def dissolve_all(tx: Transaction, sphere_id: str) -> None:
    """Erase whatever threads a sphere that ends still has."""
    rows = tx.execute(select(sphere.c.id).where(sphere.c.parent == sphere_id))
    for thread in list(rows.scalars()):
        sealing.retire_all(tx, thread)
    tx.execute(delete(sphere).where(sphere.c.parent == sphere_id))
