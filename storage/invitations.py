"""Invitations: who is called into a sphere, and by whom."""

from __future__ import annotations

from sqlalchemy import delete, select

from server.protocol.views import InvitationView
from storage import requests
from storage.database import Transaction
from storage.schema import invitation, member, sphere
from storage.upserts import insert


def offer(tx: Transaction, *, sphere_id: str, member_id: str, by: str, now: int) -> bool:
    """Invite a member, which answers their request if they made one; say whether that is news."""
    requests.withdraw(tx, sphere_id, member_id)
    stored = tx.execute(
        insert(tx, invitation)
        .values(sphere=sphere_id, member=member_id, invited_by=by, created_at=now)
        .on_conflict_do_nothing()
    )
    return stored.rowcount == 1


def withdraw(tx: Transaction, sphere_id: str, member_id: str) -> bool:
    """Drop an invitation: it was accepted, declined, or is void. Say whether there was one."""
    dropped = tx.execute(
        delete(invitation).where(invitation.c.sphere == sphere_id, invitation.c.member == member_id)
    )
    return dropped.rowcount == 1


def withdraw_by(tx: Transaction, sphere_id: str, by: str) -> list[str]:
    """Drop the invitations that somebody had made; return who had been invited."""
    rows = tx.execute(
        delete(invitation)
        .where(invitation.c.sphere == sphere_id, invitation.c.invited_by == by)
        .returning(invitation.c.member)
    )
    return list(rows.scalars())


def of_sphere(tx: Transaction, sphere_id: str) -> list[str]:
    """Return who is invited."""
    return list(
        tx.execute(select(invitation.c.member).where(invitation.c.sphere == sphere_id)).scalars()
    )


def trim(tx: Transaction, sphere_id: str, *, keep: int) -> None:
    """Let the oldest invitations of a sphere lapse beyond ``keep``."""
    newest = (
        select(invitation.c.member)
        .where(invitation.c.sphere == sphere_id)
        .order_by(invitation.c.created_at.desc(), invitation.c.member)
        .limit(keep)
    )
    tx.execute(
        delete(invitation).where(
            invitation.c.sphere == sphere_id, invitation.c.member.not_in(newest)
        )
    )


def of_member(tx: Transaction, member_id: str) -> list[InvitationView]:
    """Return the invitations of a member, oldest first."""
    inviter = member.alias("inviter")
    rows = tx.execute(
        select(sphere.c.id, sphere.c.name, inviter.c.name.label("by"))
        .join(invitation, invitation.c.sphere == sphere.c.id)
        .join(inviter, inviter.c.id == invitation.c.invited_by)
        .where(invitation.c.member == member_id)
        .order_by(invitation.c.created_at, sphere.c.id)
    )
    return [InvitationView(sphere=row.id, name=row.name, by=row.by) for row in rows]
