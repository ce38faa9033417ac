"""Spheres: their settings, and what each member is to them.

Touches the tables sphere, stay and invitation; decides nothing. Invariant: ``standing`` is None
for a sphere of another organisation, exactly as for one that does not exist; and for the id of a
private thread, which is a sphere in this table alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from server.domain.facts import Member, Sphere, Standing, Stay
from server.protocol.scalars import Audience, Bequest, History, MemberRole, SphereRole
from server.protocol.views import SphereName
from storage import sealing
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import bequest, invitation, member, sphere, stay

SPHERE = (
    sphere.c.id,
    sphere.c.organisation,
    sphere.c.name,
    sphere.c.audience,
    sphere.c.history,
    sphere.c.listed,
    sphere.c.revision,
    sphere.c.head,
    sphere.c.parent,
)
PREFERENCES = (stay.c.declines, stay.c.default_thread, stay.c.show_read)


def as_sphere(row: Any) -> Sphere:
    """Return the noun of a row that starts with the columns of ``SPHERE``."""
    return Sphere(
        id=row[0],
        organisation=row[1],
        name=row[2],
        audience=Audience(row[3]),
        history=History(row[4]),
        listed=bool(row[5]),
        revision=row[6],
        head=row[7],
        parent=row[8],
    )


def create(tx: Transaction, *, organisation: str, name: str, now: int) -> Sphere:
    """Found a sphere: closed, unlisted, its history hidden, its timeline empty."""
    made = Sphere(
        id=new_id(),
        organisation=organisation,
        name=name,
        audience=Audience.CLOSED,
        history=History.HIDDEN,
        listed=False,
        revision=1,
        head=0,
    )
    tx.execute(
        insert(sphere).values(
            id=made.id,
            organisation=organisation,
            name=name,
            audience=made.audience,
            history=made.history,
            listed=made.listed,
            revision=made.revision,
            head=made.head,
            created_at=now,
        )
    )
    return made


def get(tx: Transaction, sphere_id: str) -> Sphere | None:
    """Return a sphere as it stands."""
    row = tx.execute(
        select(*SPHERE).where(sphere.c.id == sphere_id, sphere.c.parent.is_(None))
    ).one_or_none()
    return None if row is None else as_sphere(row)


def standing(tx: Transaction, sphere_id: str, member_id: str) -> Standing | None:
    """Return what a member is to a sphere of their organisation, or None if it has no such one.

    None, too, of a sphere that shows itself to no outsider, to a member who has nothing to do with
    it: the store reads and hands out the same for it as for no sphere at all, and takes as long.
    """
    row = tx.execute(_STANDING, {"sphere": sphere_id, "member": member_id}).one_or_none()
    if row is None or row[0] is None or row.disabled:
        return None
    return as_standing(row, member_id)


def as_standing(row: Any, member_id: str) -> Standing:
    """Return the noun of a row of ``standings``."""
    return Standing(
        member=Member(
            id=member_id,
            organisation=row[1],
            name=row.member_name,
            role=MemberRole(row.member_role),
        ),
        sphere=as_sphere(row),
        stay=_stay(member_id, row),
        invited=bool(row.invited),
        bequest=Bequest(row.form) if row.form else None,
    )


def of_member(tx: Transaction, member_id: str) -> list[tuple[Sphere, Stay]]:
    """Return the spheres that a member is inside, by name."""
    rows = tx.execute(
        select(*SPHERE, stay.c.role.label("stay_role"), stay.c.entered, stay.c.horizon,
               stay.c.read_seq, bequest.c.form, *PREFERENCES)
        .join(stay, stay.c.sphere == sphere.c.id)
        .outerjoin(bequest, and_(bequest.c.sphere == sphere.c.id,
                                 bequest.c.member == stay.c.member))
        .where(stay.c.member == member_id, sphere.c.parent.is_(None))
        .order_by(sphere.c.name, sphere.c.id)
    )  # fmt: skip
    return [(as_sphere(row), _inside(member_id, row)) for row in rows]


def open_to(tx: Transaction, asking: Member, *, limit: int) -> list[Sphere]:
    """Return listed spheres of the organisation that a member is outside of."""
    inside = exists().where(stay.c.sphere == sphere.c.id, stay.c.member == asking.id)
    rows = tx.execute(
        select(*SPHERE)
        .where(
            sphere.c.organisation == asking.organisation,
            sphere.c.listed,
            sphere.c.parent.is_(None),
            ~inside,
        )
        .order_by(sphere.c.name, sphere.c.id)
        .limit(limit)
    )
    return [as_sphere(row) for row in rows]


def of_organisation(tx: Transaction, organisation: str) -> list[SphereName]:
    """Return every sphere of an organisation, by id and name."""
    rows = tx.execute(
        select(sphere.c.id, sphere.c.name)
        .where(sphere.c.organisation == organisation, sphere.c.parent.is_(None))
        .order_by(sphere.c.name, sphere.c.id)
    )
    return [SphereName(sphere=row.id, name=row.name) for row in rows]


def change(tx: Transaction, changed: Sphere) -> None:
    """Store a sphere's settings and revision; its head is the timeline's affair."""
    tx.execute(
        update(sphere)
        .where(sphere.c.id == changed.id)
        .values(
            name=changed.name,
            audience=changed.audience,
            history=changed.history,
            listed=changed.listed,
            revision=changed.revision,
        )
    )


def touch(tx: Transaction, sphere_id: str) -> None:
    """Write, and leave all as it is: what has nothing to store must cost as much as what has.

    There and back, because SQLite compares: it writes no page whose bytes would be the same.
    """
    for step in (1, -1):
        tx.execute(
            update(sphere)
            .where(sphere.c.id == sphere_id)
            .values(created_at=sphere.c.created_at + step)
        )


def dissolve(tx: Transaction, sphere_id: str) -> None:
    """Erase a sphere or a thread that nobody is inside any more, with everything of it."""
    sealing.retire_all(tx, sphere_id)
    tx.execute(delete(sphere).where(sphere.c.id == sphere_id))


def _stay(member_id: str, row: Any) -> Stay | None:
    return None if row.horizon is None else _inside(member_id, row)


def _inside(member_id: str, row: Any) -> Stay:
    return Stay(
        member=member_id,
        role=SphereRole(row.stay_role),
        entered=bool(row.entered),
        horizon=row.horizon,
        bequest=Bequest(row.form) if row.form else Bequest.NONE,
        declines=row.declines,
        default_thread=row.default_thread,
        read=row.read_seq,
        show_read=bool(row.show_read),
    )


def _facts(columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    return select(
        *columns,
        member.c.name.label("member_name"),
        member.c.role.label("member_role"),
        member.c.disabled,
        stay.c.role.label("stay_role"),
        stay.c.entered,
        stay.c.horizon,
        stay.c.read_seq,
        bequest.c.form,
        *PREFERENCES,
        invitation.c.member.is_not(None).label("invited"),
    )


def standings(columns: Sequence[ColumnElement[Any]] = SPHERE) -> Select[Any]:
    """Return what the member of a bound id is to spheres, whose columns may be said otherwise."""
    who: Any = bindparam("member")
    return (
        _facts(columns)
        .select_from(sphere)
        .join(member, and_(member.c.organisation == sphere.c.organisation, member.c.id == who))
        .outerjoin(stay, and_(stay.c.sphere == sphere.c.id, stay.c.member == who))
        .outerjoin(bequest, and_(bequest.c.sphere == sphere.c.id, bequest.c.member == who))
        .outerjoin(invitation, and_(invitation.c.sphere == sphere.c.id, invitation.c.member == who))
    )


def _level() -> Select[Any]:
    """Return the standing of a bound member towards a bound sphere: one row, whatever is bound.

    It starts from the member, and what they are to the sphere is looked up by its id before the
    sphere itself, so that an id which names nothing takes the same steps. The columns of a sphere
    that is not for this member are null.
    """
    where: Any = bindparam("sphere")
    concerned = or_(
        sphere.c.listed,
        stay.c.horizon.is_not(None),
        invitation.c.member.is_not(None),
        bequest.c.form.is_not(None),
        member.c.role == MemberRole.MANAGER.value,
    )
    here = and_(
        sphere.c.id == where,
        sphere.c.organisation == member.c.organisation,
        sphere.c.parent.is_(None),
        concerned,
    )
    return (
        _facts(SPHERE)
        .select_from(member)
        .outerjoin(stay, and_(stay.c.sphere == where, stay.c.member == member.c.id))
        .outerjoin(bequest, and_(bequest.c.sphere == where, bequest.c.member == member.c.id))
        .outerjoin(
            invitation, and_(invitation.c.sphere == where, invitation.c.member == member.c.id)
        )
        .outerjoin(sphere, here)
        .where(member.c.id == bindparam("member"))
    )


_STANDING = _level()
