"""Admissions: invitations to an organisation, by address; as a visitor, to one of its spheres.

Stored by the digest of a token that is shown once. Invariant: an admission is used once, by the
address that it names, before it expires; nothing here tells whether that address has an account.
"""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select

from server.domain.facts import Fact
from server.protocol.scalars import MemberRole
from storage.accounts import normalise_address
from storage.database import Transaction
from storage.schema import admission as table

#: Admissions of one address to one organisation that stand at one time; the oldest lapses beyond.
PER_ADDRESS_MAX = 5
#: The beginning of a digest names an admission: 128 bits, which open nothing.
ID_BYTES = 16


class Admission(Fact, frozen=True):
    """Who may become what, where. It does not print."""

    organisation: str
    address: str
    role: MemberRole
    sphere: str | None = None
    invited_by: str | None = None

    def __repr__(self) -> str:
        """Hide the address."""
        return "<Admission>"


class Pending(Fact, frozen=True):
    """An admission that stands, of a member or a manager. It does not print."""

    id: str
    address: str
    role: MemberRole
    expires_at: int
    invited_by: str | None

    def __repr__(self) -> str:
        """Hide the address."""
        return f"<Pending {self.id}>"


def offer(tx: Transaction, admission: Admission, *, digest: bytes, expires_at: int) -> None:
    """Store an admission."""
    address = normalise_address(admission.address)
    tx.execute(
        insert(table).values(
            digest=digest,
            organisation=admission.organisation,
            address=address,
            role=admission.role.value,
            sphere=admission.sphere,
            invited_by=admission.invited_by,
            expires_at=expires_at,
        )
    )
    same = table.c.organisation == admission.organisation, table.c.address == address
    newest = (
        select(table.c.digest)
        .where(*same)
        .order_by(table.c.expires_at.desc(), table.c.digest)
        .limit(PER_ADDRESS_MAX)
    )
    tx.execute(delete(table).where(*same, table.c.digest.not_in(newest)))


def find(tx: Transaction, digest: bytes, *, address: str, now: int) -> Admission | None:
    """Return the admission of a token, for the address that it names, if it still stands."""
    return _one(
        tx.execute(
            select(*_COLUMNS).where(
                table.c.digest == digest,
                table.c.address == normalise_address(address),
                table.c.expires_at > now,
            )
        ).first()
    )


def use(tx: Transaction, digest: bytes) -> None:
    """Use an admission up."""
    tx.execute(delete(table).where(table.c.digest == digest))


def trim(tx: Transaction, sphere: str, *, keep: int) -> None:
    """Let the oldest admissions to a sphere lapse beyond ``keep``."""
    newest = (
        select(table.c.digest)
        .where(table.c.sphere == sphere)
        .order_by(table.c.expires_at.desc(), table.c.digest)
        .limit(keep)
    )
    tx.execute(delete(table).where(table.c.sphere == sphere, table.c.digest.not_in(newest)))


def withdraw(tx: Transaction, *, organisation: str, address: str) -> int:
    """Withdraw what an address was offered; return how many admissions that was."""
    return tx.execute(
        delete(table).where(
            table.c.organisation == organisation, table.c.address == normalise_address(address)
        )
    ).rowcount


def withdraw_guest(tx: Transaction, *, sphere: str, address: str) -> None:
    """Withdraw what an address was offered by a sphere."""
    tx.execute(
        delete(table).where(table.c.sphere == sphere, table.c.address == normalise_address(address))
    )


def withdraw_of(tx: Transaction, *, organisation: str, address: str) -> None:
    """Withdraw what an address was offered by the organisation; a sphere's invitations stand."""
    named = table.c.address == normalise_address(address)
    tx.execute(delete(table).where(*_of(organisation), named))


def withdraw_one(tx: Transaction, *, organisation: str, admission: str) -> bool:
    """Withdraw one admission to an organisation; say whether there was one."""
    beginning = base64.b32decode(f"{admission.upper()}======")
    named = table.c.digest.between(beginning + bytes(ID_BYTES), beginning + b"\xff" * ID_BYTES)
    return tx.execute(delete(table).where(*_of(organisation), named)).rowcount > 0


def withdraw_by(tx: Transaction, member_id: str) -> int:
    """Withdraw what a manager offered who is none any more; return how many that was.

    What they offered guests is ``withdraw_guests``.
    """
    return tx.execute(
        delete(table).where(table.c.invited_by == member_id, table.c.sphere.is_(None))
    ).rowcount


def withdraw_guests(tx: Transaction, *, by: str, sphere: str | None = None) -> int:
    """Withdraw what somebody offered guests, of one sphere or of all; return how many that was.

    For good: who administers the sphere again later has not invited them again.
    """
    of_sphere = table.c.sphere.is_not(None) if sphere is None else table.c.sphere == sphere
    return tx.execute(delete(table).where(table.c.invited_by == by, of_sphere)).rowcount


def count(tx: Transaction, organisation: str) -> int:
    """Return how many admissions of members and managers there are, expired ones included."""
    return tx.execute(select(func.count()).where(*_of(organisation))).scalar_one()


def of_organisation(
    tx: Transaction, organisation: str, now: int, *, after: int = 0, limit: int | None = None
) -> list[Pending]:
    """Return the admissions that stand, of members and managers, the first to expire first.

    Those of visitors are a sphere's affair.
    """
    rows = tx.execute(
        select(*_COLUMNS, table.c.digest, table.c.expires_at)
        .where(*_of(organisation), table.c.expires_at > now)
        .order_by(table.c.expires_at, table.c.digest)
        .offset(after)
        .limit(limit)
    )
    return [
        Pending(
            id=base64.b32encode(row.digest[:ID_BYTES]).decode().rstrip("=").lower(),
            address=row.address,
            role=MemberRole(row.role),
            expires_at=row.expires_at,
            invited_by=row.invited_by,
        )
        for row in rows
    ]


def _of(organisation: str) -> tuple[ColumnElement[bool], ...]:
    return table.c.organisation == organisation, table.c.sphere.is_(None)


def sweep(tx: Transaction, *, before: int) -> None:
    """Forget what has expired, with the addresses."""
    tx.execute(delete(table).where(table.c.expires_at <= before))


_COLUMNS = (
    table.c.organisation,
    table.c.address,
    table.c.role,
    table.c.sphere,
    table.c.invited_by,
)


def _one(row: Any) -> Admission | None:
    if row is None:
        return None
    return Admission(
        organisation=row.organisation,
        address=row.address,
        role=MemberRole(row.role),
        sphere=row.sphere,
        invited_by=row.invited_by,
    )
