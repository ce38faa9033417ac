"""Admissions: invitations to an organisation, by address; as a visitor, to one of its spheres.

Stored by the digest of a token that is shown once. Invariant: an admission is used once, by the
address that it names, before it expires; nothing here tells whether that address has an account.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select

from server.domain.facts import Fact
from server.protocol.scalars import MemberRole
from storage.accounts import normalise_address
from storage.database import Transaction
from storage.schema import admission as table

#: Admissions of one address to one organisation that stand at one time; the oldest lapses beyond.
PER_ADDRESS_MAX = 5


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
    """An admission as the operator lists it."""

    address: str
    role: MemberRole
    expires_at: int


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


def of_organisation(tx: Transaction, organisation: str, now: int) -> list[Pending]:
    """Return the admissions that stand, of members and managers: for the operator.

    Those of visitors are a sphere's affair.
    """
    rows = tx.execute(
        select(table.c.address, table.c.role, table.c.expires_at)
        .where(
            table.c.organisation == organisation,
            table.c.expires_at > now,
            table.c.sphere.is_(None),
        )
        .order_by(table.c.address, table.c.expires_at)
    )
    return [
        Pending(address=row.address, role=MemberRole(row.role), expires_at=row.expires_at)
        for row in rows
    ]


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
