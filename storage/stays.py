"""Stays: who is inside a sphere now, since when, as what; and what each bequeaths.

Touches the tables stay and bequest. Invariant: one stay for a member and a sphere; its horizon is
the seq of the arrival that opened it and never moves.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from sqlalchemy import (
    Select,
    String,
    and_,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)

from server.domain.facts import Seat, Stay
from server.protocol.scalars import Bequest, SphereRole
from server.protocol.views import FormerMember, MemberView
from storage.database import Transaction
from storage.schema import bequest, event, member, sphere, stay
from storage.timeline import Kind, seen_by
from storage.upserts import insert

#: As they are stored: a look-up in a dictionary costs a fifth of a call to the enumeration.
_ROLES = {role.value: role for role in SphereRole}

# Built once: every client that resumes asks it.
_VIEWS = (
    select(stay.c.member, member.c.name, stay.c.role, stay.c.entered, stay.c.horizon)
    .join(member, member.c.id == stay.c.member)
    .where(stay.c.sphere == bindparam("of_sphere"))
    .order_by(stay.c.horizon)
)


def begin(tx: Transaction, sphere_id: str, opened: Stay) -> None:
    """Record that a member is inside from ``opened.horizon`` on."""
    tx.execute(
        insert(tx, stay).values(
            sphere=sphere_id,
            member=opened.member,
            role=opened.role,
            entered=opened.entered,
            horizon=opened.horizon,
        )
    )


def end(tx: Transaction, sphere_id: str, member_id: str) -> None:
    """Record that a member is out."""
    tx.execute(delete(stay).where(stay.c.sphere == sphere_id, stay.c.member == member_id))


def appoint(tx: Transaction, sphere_id: str, member_id: str) -> None:
    """Make a member of the sphere an administrator of it."""
    tx.execute(
        update(stay)
        .where(stay.c.sphere == sphere_id, stay.c.member == member_id)
        .values(role=SphereRole.ADMINISTRATOR)
    )


def step_down(tx: Transaction, sphere_id: str, member_id: str) -> None:
    """Make an administrator a member like another."""
    tx.execute(
        update(stay)
        .where(stay.c.sphere == sphere_id, stay.c.member == member_id)
        .values(role=SphereRole.MEMBER)
    )


def of_sphere(tx: Transaction, sphere_id: str) -> list[Stay]:
    """Return every present stay."""
    rows = tx.execute(
        select(
            stay.c.member,
            stay.c.role,
            stay.c.entered,
            stay.c.horizon,
            bequest.c.form,
            member.c.disabled,
        )
        .join(member, member.c.id == stay.c.member)
        .outerjoin(
            bequest, and_(bequest.c.sphere == stay.c.sphere, bequest.c.member == stay.c.member)
        )
        .where(stay.c.sphere == sphere_id)
    )
    return [
        Stay(
            member=row.member,
            role=SphereRole(row.role),
            entered=bool(row.entered),
            horizon=row.horizon,
            bequest=Bequest(row.form) if row.form else Bequest.NONE,
            disabled=bool(row.disabled),
        )
        for row in rows
    ]


def one(tx: Transaction, sphere_id: str, member_id: str) -> Stay | None:
    """Return one member's stay."""
    row = tx.execute(
        select(stay.c.role, stay.c.entered, stay.c.horizon, bequest.c.form)
        .outerjoin(
            bequest, and_(bequest.c.sphere == stay.c.sphere, bequest.c.member == stay.c.member)
        )
        .where(stay.c.sphere == sphere_id, stay.c.member == member_id)
    ).one_or_none()
    if row is None:
        return None
    return Stay(
        member=member_id,
        role=SphereRole(row.role),
        entered=bool(row.entered),
        horizon=row.horizon,
        bequest=Bequest(row.form) if row.form else Bequest.NONE,
    )


def inside(tx: Transaction, sphere_id: str, members: Collection[str]) -> bool:
    """Say whether all of these are inside a sphere: one question, however many they are."""
    chosen = select(func.count()).where(stay.c.sphere == sphere_id, stay.c.member.in_(members))
    return tx.execute(chosen).scalar_one() == len(members)


def views(tx: Transaction, sphere_id: str) -> tuple[list[MemberView], dict[str, Seat]]:
    """Return who is inside as its members see them, and the seat of each, by member."""
    shown: list[MemberView] = []
    seats: dict[str, Seat] = {}
    for who, name, role, entered, horizon in tx.execute(_VIEWS, {"of_sphere": sphere_id}).all():
        shown.append(MemberView(member=who, name=name, role=_ROLES[role], entered=bool(entered)))
        seats[who] = Seat(horizon=horizon, entered=bool(entered))
    return shown, seats


def roster(tx: Transaction, sphere_id: str) -> dict[str, Seat]:
    """Return the seat of each who is inside, by member."""
    rows = tx.execute(_VIEWS, {"of_sphere": sphere_id})
    return {
        who: Seat(horizon=horizon, entered=bool(entered)) for who, _, _, entered, horizon in rows
    }


def former(tx: Transaction, sphere_id: str, viewer: Stay) -> list[FormerMember]:
    """Return who left and bequeathed under their name something that ``viewer`` may see.

    The name is the one that they had when they left.
    """
    rows = tx.execute(
        _former(entered=viewer.entered), {"of_sphere": sphere_id, "horizon": viewer.horizon}
    )
    return [FormerMember(member=row.member, name=row.name) for row in rows]


@cache
def _former(*, entered: bool) -> Select[tuple[str, str]]:
    here = bindparam("of_sphere", type_=String)
    visible = exists().where(
        event.c.sphere == here,
        event.c.author == bequest.c.member,
        event.c.alias.is_(None),
        event.c.kind == Kind.MESSAGE,
        seen_by(entered=entered),
    )
    return (
        select(bequest.c.member, bequest.c.name)
        .outerjoin(stay, and_(stay.c.sphere == here, stay.c.member == bequest.c.member))
        .where(
            bequest.c.sphere == here,
            bequest.c.form == Bequest.NAMED,
            bequest.c.name.is_not(None),
            stay.c.member.is_(None),
            visible,
        )
        .order_by(bequest.c.member)
    )


def bequeath(tx: Transaction, sphere_id: str, member_id: str, form: Bequest) -> None:
    """Store what a member will leave behind in a sphere."""
    tx.execute(
        insert(tx, bequest)
        .values(sphere=sphere_id, member=member_id, form=form)
        .on_conflict_do_update(index_elements=["sphere", "member"], set_={"form": form})
    )


def sign_bequest(tx: Transaction, sphere_id: str, member_id: str, *, named: bool) -> None:
    """Put the leaver's present name under what they leave behind; or none, if it is not named.

    Whoever stays behind must not learn of a later name, which would link the two.
    """
    present = select(member.c.name).where(member.c.id == member_id).scalar_subquery()
    tx.execute(
        update(bequest)
        .where(bequest.c.sphere == sphere_id, bequest.c.member == member_id)
        .values(name=present if named else None)
    )


def forget_bequest(tx: Transaction, sphere_id: str, member_id: str) -> None:
    """Drop a bequest that was withdrawn."""
    tx.execute(delete(bequest).where(bequest.c.sphere == sphere_id, bequest.c.member == member_id))


def count_of_sphere(tx: Transaction, sphere_id: str) -> int:
    """Return how many are inside a sphere."""
    return tx.execute(
        select(func.count()).select_from(stay).where(stay.c.sphere == sphere_id)
    ).scalar_one()


def count_of_member(tx: Transaction, member_id: str) -> int:
    """Return how many spheres a member is inside."""
    return tx.execute(
        select(func.count())
        .select_from(stay)
        .join(sphere, sphere.c.id == stay.c.sphere)
        .where(stay.c.member == member_id, sphere.c.parent.is_(None))
    ).scalar_one()
