"""Requests: who asks to be let into a closed sphere that shows itself.

Decides nothing. Invariant: a request is of somebody who could discover the sphere when they asked;
it ends with whatever ends that, so that none is ever answered late.
"""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select

from server.protocol.scalars import MemberRole
from server.protocol.views import JoinRequest
from storage.database import Transaction
from storage.schema import join_request, member
from storage.upserts import insert

_OF_BOTH = (
    join_request.c.sphere == bindparam("of_sphere"),
    join_request.c.member == bindparam("of_member"),
)


def make(tx: Transaction, *, sphere_id: str, member_id: str, now: int) -> bool:
    """Note that a member asks to be let in; say whether that is news."""
    stored = tx.execute(
        insert(tx, join_request)
        .values(sphere=sphere_id, member=member_id, created_at=now)
        .on_conflict_do_nothing()
    )
    return stored.rowcount == 1


def stands(tx: Transaction, sphere_id: str, member_id: str) -> bool:
    """Say whether a member asks to be let in."""
    asked = {"of_sphere": sphere_id, "of_member": member_id}
    return tx.execute(select(join_request.c.member).where(*_OF_BOTH), asked).first() is not None


def withdraw(tx: Transaction, sphere_id: str, member_id: str) -> None:
    """Drop a request: it was answered, refused or taken back."""
    asked = {"of_sphere": sphere_id, "of_member": member_id}
    tx.execute(delete(join_request).where(*_OF_BOTH), asked)


def withdraw_all(tx: Transaction, member_id: str) -> None:
    """Drop every request of somebody who may make none any more."""
    tx.execute(delete(join_request).where(join_request.c.member == member_id))


def clear(tx: Transaction, sphere_id: str) -> None:
    """Drop every request to a sphere that takes none any more."""
    tx.execute(delete(join_request).where(join_request.c.sphere == sphere_id))


def trim(tx: Transaction, sphere_id: str, *, keep: int) -> None:
    """Let the oldest requests to a sphere lapse beyond ``keep``."""
    newest = (
        select(join_request.c.member)
        .where(join_request.c.sphere == sphere_id)
        .order_by(join_request.c.created_at.desc(), join_request.c.member)
        .limit(keep)
    )
    tx.execute(
        delete(join_request).where(
            join_request.c.sphere == sphere_id, join_request.c.member.not_in(newest)
        )
    )


def of_sphere(tx: Transaction, sphere_id: str) -> list[JoinRequest]:
    """Return who asks to be let in, the longest first; not who is shut out at present."""
    rows = tx.execute(
        select(member.c.id, member.c.name, join_request.c.created_at)
        .join(join_request, join_request.c.member == member.c.id)
        .where(
            join_request.c.sphere == sphere_id,
            member.c.account.is_not(None),
            ~member.c.disabled,
            member.c.role != MemberRole.VISITOR,
        )
        .order_by(join_request.c.created_at, member.c.id)
    )
    return [JoinRequest(member=row.id, name=row.name, at=row.created_at) for row in rows]


def of_member(tx: Transaction, member_id: str) -> set[str]:
    """Return the spheres that a member asks to be let into."""
    chosen = select(join_request.c.sphere).where(join_request.c.member == member_id)
    return set(tx.execute(chosen).scalars())
