"""Accounts: people, by the address that they sign in with, and the hashes of their passwords.

Touches no password in clear and no clock. Invariant: nothing here prints an address or a hash, and
a password is never set at the same instant as the one before it, so that former ones keep their
order.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from server import errors
from server.domain.facts import Fact, Member
from server.domain.policy import PasswordPolicy
from server.protocol.scalars import MemberRole
from storage.database import Transaction
from storage.identifiers import new_id
from storage.organisations import PASSWORD_POLICY, normalise_handle, password_policy_of
from storage.schema import account as table
from storage.schema import former_password, member, organisation

_COLUMNS = (table.c.id, table.c.address, table.c.password_hash, table.c.password_set_at)


class Account(Fact, frozen=True, kw_only=True):
    """One person. It prints as its id alone."""

    id: str
    address: str
    password_hash: str
    password_set_at: int

    def __repr__(self) -> str:
        """Name the account without saying whose it is."""
        return f"<{type(self).__name__} {self.id}>"


class Credential(Account, frozen=True, kw_only=True):
    """An account as one organisation knows it: what a sign-in is checked against."""

    member: Member
    disabled: bool
    used: int | bytes | None = None  #: the code that proved it too: its step, or a digest


def normalise_address(address: str) -> str:
    """Return the form in which an address is stored and looked up.

    Without outer spaces, case folded as a whole, in NFC: people type one address in many ways, and
    no two may differ by that alone. (Folded in NFD: only then is the result stable.)
    """
    folded = unicodedata.normalize("NFD", address.strip()).casefold()
    return unicodedata.normalize("NFC", folded)


def create(tx: Transaction, *, address: str, password_hash: str, now: int) -> Account:
    """Create an account. Raises Conflict when the address has one."""
    if by_address(tx, address) is not None:
        raise errors.Conflict("This address has an account already.")
    made = Account(
        id=new_id(),
        address=normalise_address(address),
        password_hash=password_hash,
        password_set_at=now,
    )
    tx.execute(
        insert(table).values(
            id=made.id,
            address=made.address,
            password_hash=password_hash,
            password_set_at=now,
            created_at=now,
        )
    )
    return made


def by_address(tx: Transaction, address: str) -> Account | None:
    """Return the account that signs in with ``address``, or None."""
    row = tx.execute(_BY_ADDRESS, {"address": normalise_address(address)}).first()
    return None if row is None else _account(row)


def credential(tx: Transaction, *, handle: str, address: str) -> Credential | None:
    """Return what to check a sign-in against, in one query whatever there is.

    None when there is no such organisation, no such account, or no membership that joins them.
    """
    asked = {"handle": normalise_handle(handle), "address": normalise_address(address)}
    row = tx.execute(_CREDENTIAL, asked).first()
    return None if row is None else _credential(row)


def password_policies(tx: Transaction, account: str) -> list[PasswordPolicy]:
    """Return the password policies of all the organisations of an account."""
    rows = tx.execute(_POLICIES, {"account": account})
    return [password_policy_of(row) for row in rows]


def former_hashes(tx: Transaction, account: str, most: int) -> list[str]:
    """Return the hashes of an account's former passwords, the latest first."""
    rows = tx.execute(
        select(former_password.c.password_hash)
        .where(former_password.c.account == account)
        .order_by(former_password.c.set_at.desc())
        .limit(most)
    )
    return list(rows.scalars())


def set_password(
    tx: Transaction, *, account: str, password_hash: str, history: int, now: int
) -> None:
    """Replace the password; keep the hashes of the latest ``history`` former ones, no more.

    Raises NotFound.
    """
    former = tx.execute(_BY_ID, {"account": account}).first()
    if former is None:
        raise errors.NotFound
    tx.execute(
        insert(former_password).values(
            account=account, set_at=former.password_set_at, password_hash=former.password_hash
        )
    )
    _forget_passwords(tx, account, history)
    tx.execute(
        update(table)
        .where(table.c.id == account)
        .values(password_hash=password_hash, password_set_at=max(now, former.password_set_at + 1))
    )


def rehash(tx: Transaction, *, account: str, former: str, password_hash: str) -> None:
    """Replace the hash of an unchanged password, unless it was changed meanwhile."""
    tx.execute(
        update(table)
        .where(table.c.id == account, table.c.password_hash == former)
        .values(password_hash=password_hash)
    )


def _forget_passwords(tx: Transaction, account: str, history: int) -> None:
    surplus = (
        select(former_password.c.set_at)
        .where(former_password.c.account == account)
        .order_by(former_password.c.set_at.desc())
        .offset(history)
    )
    tx.execute(
        delete(former_password).where(
            former_password.c.account == account, former_password.c.set_at.in_(surplus)
        )
    )


def _account(row: Row[*tuple[Any, ...]]) -> Account:
    return Account(
        id=row.id,
        address=row.address,
        password_hash=row.password_hash,
        password_set_at=row.password_set_at,
    )


def _credential(row: Row[*tuple[Any, ...]]) -> Credential:
    return Credential(
        id=row.id,
        address=row.address,
        password_hash=row.password_hash,
        password_set_at=row.password_set_at,
        member=Member(
            id=row.member,
            organisation=row.organisation,
            name=row.name,
            role=MemberRole(row.role),
        ),
        disabled=row.disabled,
    )


_BY_ADDRESS = select(*_COLUMNS).where(table.c.address == bindparam("address"))
_BY_ID = select(*_COLUMNS).where(table.c.id == bindparam("account"))
_CREDENTIAL = (
    select(
        *_COLUMNS,
        member.c.id.label("member"),
        member.c.organisation,
        member.c.name,
        member.c.role,
        member.c.disabled,
    )
    .join(member, member.c.account == table.c.id)
    .join(organisation, organisation.c.id == member.c.organisation)
    .where(table.c.address == bindparam("address"), organisation.c.handle == bindparam("handle"))
)
_POLICIES = (
    select(*PASSWORD_POLICY)
    .join(member, member.c.organisation == organisation.c.id)
    .where(member.c.account == bindparam("account"))
)
