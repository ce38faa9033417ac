"""Members: accounts' memberships of organisations.

Invariant: what leaves this module about somebody never holds their account or their address, so
that two members of one account cannot be linked.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from server import errors
from server.domain.facts import Member
from server.domain.naming import check_name
from server.protocol.scalars import MemberRole
from storage import sessions
from storage.accounts import normalise_address
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import account as account_table
from storage.schema import member as table

_COLUMNS = (table.c.id, table.c.organisation, table.c.name, table.c.role)


def create(
    tx: Transaction, *, account: str, organisation: str, name: str, role: MemberRole, now: int
) -> Member:
    """Make an account a member. Raises InvalidField for the name, Conflict when it is one."""
    if tx.execute(_OF_BOTH, {"account": account, "organisation": organisation}).first():
        raise errors.Conflict("This account is a member of the organisation already.")
    made = Member(id=new_id(), organisation=organisation, name=check_name(name), role=role)
    tx.execute(
        insert(table).values(
            id=made.id,
            account=account,
            organisation=organisation,
            name=made.name,
            role=role.value,
            disabled=False,
            created_at=now,
        )
    )
    return made


def get(tx: Transaction, member_id: str) -> Member | None:
    """Return the member with this id, or None."""
    return _one(tx.execute(_BY_ID, {"member": member_id}).first())


def by_address(tx: Transaction, organisation: str, address: str) -> Member | None:
    """Return the member of ``organisation`` who signs in with ``address``, or None."""
    asked = {"organisation": organisation, "address": normalise_address(address)}
    return _one(tx.execute(_BY_ADDRESS, asked).first())


def of_account(tx: Transaction, account: str) -> list[Member]:
    """Return the memberships of an account: for that account's own eyes only."""
    rows = tx.execute(select(*_COLUMNS).where(table.c.account == account).order_by(table.c.id))
    return [_member(row) for row in rows]


def set_role(tx: Transaction, *, member_id: str, role: MemberRole) -> None:
    """Give a member another role. Raises NotFound."""
    changed = tx.execute(update(table).where(table.c.id == member_id).values(role=role.value))
    if not changed.rowcount:
        raise errors.NotFound


def set_disabled(tx: Transaction, *, member_id: str, disabled: bool) -> list[str]:
    """Shut a member out, or let them in again; return the ids of the sessions that this ended.

    Raises NotFound.
    """
    changed = tx.execute(update(table).where(table.c.id == member_id).values(disabled=disabled))
    if not changed.rowcount:
        raise errors.NotFound
    return sessions.end_of_member(tx, member_id) if disabled else []


def _one(row: Row[*tuple[Any, ...]] | None) -> Member | None:
    return None if row is None else _member(row)


def _member(row: Row[*tuple[Any, ...]]) -> Member:
    return Member(
        id=row.id, organisation=row.organisation, name=row.name, role=MemberRole(row.role)
    )


_BY_ID = select(*_COLUMNS).where(table.c.id == bindparam("member"))
_BY_ADDRESS = (
    select(*_COLUMNS)
    .join(account_table, account_table.c.id == table.c.account)
    .where(
        table.c.organisation == bindparam("organisation"),
        account_table.c.address == bindparam("address"),
    )
)
_OF_BOTH = select(table.c.id).where(
    table.c.account == bindparam("account"), table.c.organisation == bindparam("organisation")
)
