"""Members: accounts' memberships of organisations.

Invariant: what leaves this module about somebody never holds their account or their address, so
that two members of one account cannot be linked.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import Row, bindparam, delete, exists, func, insert, select, update

from server import errors
from server.domain.facts import Fact, Member
from server.domain.naming import check_name
from server.protocol.scalars import Bequest, MemberRole
from storage import second_factors, sessions
from storage.accounts import normalise_address
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import account as account_table
from storage.schema import bequest, profile_field
from storage.schema import member as table

#: What is left of the name of somebody who is gone.
NOBODY = "-"

_COLUMNS = (table.c.id, table.c.organisation, table.c.name, table.c.role)


class Enrolled(Fact, frozen=True):
    """A member as the managers of the organisation list them."""

    member: Member
    disabled: bool


class Listed(Fact, frozen=True):
    """A member as the operator lists them, who runs the organisation. It does not print."""

    member: Member
    address: str
    disabled: bool

    def __repr__(self) -> str:
        """Name the member without saying who it is."""
        return f"<Listed {self.member.id}>"


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
            name_folded=folded(made.name),
            role=role.value,
            disabled=False,
            created_at=now,
        )
    )
    return made


def get(tx: Transaction, member_id: str) -> Member | None:
    """Return the member with this id, or None."""
    return _one(tx.execute(_BY_ID, {"member": member_id}).first())


def active(tx: Transaction, member_id: str) -> Member | None:
    """Return the member with this id, unless they are shut out."""
    return _one(tx.execute(_ACTIVE, {"member": member_id}).first())


def managers(tx: Transaction, organisation: str) -> int:
    """Return how many managers an organisation has who are not shut out."""
    chosen = select(func.count()).where(
        table.c.organisation == organisation,
        table.c.account.is_not(None),
        table.c.disabled.is_(False),
        table.c.role == MemberRole.MANAGER.value,
    )
    return tx.execute(chosen).scalar_one()


def page(tx: Transaction, organisation: str, *, after: int, limit: int) -> list[Enrolled]:
    """Return members of an organisation by name, whoever they are: for its managers."""
    rows = tx.execute(
        select(*_COLUMNS, table.c.disabled)
        .where(table.c.organisation == organisation, table.c.account.is_not(None))
        .order_by(table.c.name_folded, table.c.id)
        .offset(after)
        .limit(limit)
    )
    return [Enrolled(member=_member(row), disabled=bool(row.disabled)) for row in rows]


def by_address(tx: Transaction, organisation: str, address: str) -> Member | None:
    """Return the member of ``organisation`` who signs in with ``address``, or None."""
    asked = {"organisation": organisation, "address": normalise_address(address)}
    return _one(tx.execute(_BY_ADDRESS, asked).first())


def of_account(tx: Transaction, account: str) -> list[Member]:
    """Return the memberships of an account: for that account's own eyes only."""
    rows = tx.execute(select(*_COLUMNS).where(table.c.account == account).order_by(table.c.id))
    return [_member(row) for row in rows]


def of_organisation(tx: Transaction, organisation: str) -> list[Listed]:
    """Return the members of an organisation, by name: for the operator."""
    rows = tx.execute(
        select(*_COLUMNS, table.c.disabled, account_table.c.address)
        .join(account_table, account_table.c.id == table.c.account)
        .where(table.c.organisation == organisation)
        .order_by(table.c.name, table.c.id)
    )
    return [
        Listed(member=_member(row), address=row.address, disabled=bool(row.disabled))
        for row in rows
    ]


def folded(name: str) -> str:
    """Return the form of a name that a search looks at."""
    return unicodedata.normalize("NFKD", name).casefold()


def rename(tx: Transaction, *, member_id: str, name: str, now: int) -> None:
    """Give a member another name, which is clean."""
    tx.execute(
        update(table)
        .where(table.c.id == member_id)
        .values(name=name, name_folded=folded(name), renamed_at=now)
    )


def renamed_at(tx: Transaction, member_id: str) -> int:
    """Return when a member last took another name; 0 when never."""
    chosen = select(table.c.renamed_at).where(table.c.id == member_id)
    return tx.execute(chosen).scalar_one_or_none() or 0


def part(tx: Transaction, member_id: str) -> None:
    """Part a member who is inside no sphere from their account; forget both if nothing needs them.

    What is kept under a bequest keeps the row, without a name: that stands with the bequest.
    An account without a membership opens nothing: it goes.
    """
    account = tx.execute(select(table.c.account).where(table.c.id == member_id)).scalar_one()
    forms = set(
        tx.execute(select(bequest.c.form).where(bequest.c.member == member_id)).scalars()
    ) - {Bequest.NONE}
    if forms:
        tx.execute(delete(profile_field).where(profile_field.c.member == member_id))
        tx.execute(
            update(table)
            .where(table.c.id == member_id)
            .values(account=None, disabled=True, name=NOBODY, name_folded=NOBODY)
        )
    else:
        tx.execute(delete(bequest).where(bequest.c.member == member_id))
        tx.execute(delete(table).where(table.c.id == member_id))
    if not _has_other(tx, account, member_id):
        second_factors.forget(tx, account)
    others = exists().where(table.c.account == account)
    tx.execute(delete(account_table).where(account_table.c.id == account, ~others))


def _has_other(tx: Transaction, account: str, member_id: str) -> bool:
    chosen = select(table.c.id).where(table.c.account == account, table.c.id != member_id)
    return tx.execute(chosen.limit(1)).first() is not None


def set_role(tx: Transaction, *, member_id: str, role: MemberRole) -> None:
    """Give a member another role. Raises NotFound."""
    changed = tx.execute(update(table).where(table.c.id == member_id).values(role=role.value))
    if not changed.rowcount:
        raise errors.NotFound


def set_hidden(tx: Transaction, *, member_id: str, hidden: bool) -> bool:
    """Note whether a member wishes not to be seen; say whether that is new."""
    changed = tx.execute(
        update(table)
        .where(table.c.id == member_id, table.c.hidden.is_not(hidden))
        .values(hidden=hidden)
    )
    return bool(changed.rowcount)


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


_BY_ID = select(*_COLUMNS).where(table.c.id == bindparam("member"), table.c.account.is_not(None))
_ACTIVE = _BY_ID.where(table.c.disabled.is_(False))
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
