"""Organisations: tenants, each with its own password policy and session policy.

Stores what ``server/domain/policy.py`` decides; asks it to check a policy before it is written.
Invariant: a change of policy first buries the sessions that were dead under the former one, so
that a looser policy never revives a session.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from server import errors
from server.domain.facts import Fact
from server.domain.governance import Policies
from server.domain.naming import check_name
from server.domain.policy import (
    Classes,
    PasswordPolicy,
    SessionPolicy,
    check_password_policy,
    check_session_policy,
)
from storage import sessions
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import organisation as table

#: The columns of a password policy, in the order of ``password_policy_of``.
PASSWORD_POLICY = (
    table.c.password_length_min,
    table.c.password_classes,
    table.c.password_age_max_ms,
    table.c.password_reuse_history,
)
_COLUMNS = (
    table.c.id,
    table.c.handle,
    table.c.name,
    table.c.directory,
    table.c.second_factor,
    *PASSWORD_POLICY,
    *sessions.POLICY,
)


class Organisation(Fact, frozen=True, kw_only=True):
    """A tenant; people name it by its handle when they sign in."""

    id: str
    handle: str
    name: str
    password_policy: PasswordPolicy
    session_policy: SessionPolicy
    directory: bool = False
    second_factor: bool = False  #: required of whoever signs in

    @property
    def policies(self) -> Policies:
        """Return everything that it demands."""
        return Policies(
            password=self.password_policy,
            session=self.session_policy,
            directory=self.directory,
            second_factor=self.second_factor,
        )


def normalise_handle(handle: str) -> str:
    """Return the form in which a handle is stored and looked up."""
    return handle.strip().casefold()


def create(
    tx: Transaction,
    *,
    handle: str,
    name: str,
    password_policy: PasswordPolicy,
    session_policy: SessionPolicy,
    now: int,
    directory: bool = False,
    second_factor: bool = False,
) -> Organisation:
    """Create an organisation. Raises InvalidField, or Conflict when the handle is taken."""
    check_password_policy(password_policy)
    check_session_policy(session_policy)
    if by_handle(tx, handle) is not None:
        raise errors.Conflict("Another organisation has this handle.")
    made = Organisation(
        id=new_id(),
        handle=normalise_handle(handle),
        name=check_name(name),
        password_policy=password_policy,
        session_policy=session_policy,
        directory=directory,
        second_factor=second_factor,
    )
    tx.execute(
        insert(table).values(
            id=made.id,
            handle=made.handle,
            name=made.name,
            directory=made.directory,
            second_factor=made.second_factor,
            created_at=now,
            **_values(password_policy, session_policy),
        )
    )
    return made


def by_handle(tx: Transaction, handle: str) -> Organisation | None:
    """Return the organisation with this handle, or None."""
    return _one(tx.execute(_BY_HANDLE, {"handle": normalise_handle(handle)}).first())


def get(tx: Transaction, organisation: str) -> Organisation | None:
    """Return the organisation with this id, or None."""
    return _one(tx.execute(_BY_ID, {"organisation": organisation}).first())


def listing(tx: Transaction) -> list[Organisation]:
    """Return every organisation, by handle: for the operator."""
    return [_organisation(row) for row in tx.execute(select(*_COLUMNS).order_by(table.c.handle))]


def has_directory(tx: Transaction, organisation: str) -> bool:
    """Say whether an organisation's members may look each other up."""
    chosen = select(table.c.directory).where(table.c.id == organisation)
    return bool(tx.execute(chosen).scalar_one_or_none())


def set_directory(tx: Transaction, *, organisation: str, directory: bool) -> None:
    """Open or close an organisation's directory: the next question finds it so."""
    tx.execute(update(table).where(table.c.id == organisation).values(directory=directory))


def set_second_factor(tx: Transaction, *, organisation: str, required: bool) -> list[str]:
    """Require a second factor, or no more; return the ids of the sessions that this ended.

    Those are the sessions of members without one, which opened with a password alone.
    """
    tx.execute(update(table).where(table.c.id == organisation).values(second_factor=required))
    return sessions.end_without_second_factor(tx, organisation) if required else []


def requires_second_factor(tx: Transaction, organisations: Iterable[str]) -> bool:
    """Say whether any of these organisations requires a second factor."""
    asked = table.c.id.in_(list(organisations)), table.c.second_factor.is_(True)
    return tx.execute(select(table.c.id).where(*asked).limit(1)).first() is not None


def every(tx: Transaction, ids: Iterable[str]) -> list[Organisation]:
    """Return those of ``ids`` that exist: what a poll for changed policies asks."""
    rows = tx.execute(select(*_COLUMNS).where(table.c.id.in_(list(ids))))
    return [_organisation(row) for row in rows]


def set_policies(
    tx: Transaction,
    *,
    organisation: str,
    password_policy: PasswordPolicy,
    session_policy: SessionPolicy,
    now: int,
) -> list[str]:
    """Replace both policies; return the ids of the sessions that this ended.

    Those are the sessions beyond a smaller ``sessions_max``, and those already dead. Note what
    was seen of live sessions first, in the same transaction. Raises InvalidField, NotFound.
    """
    check_password_policy(password_policy)
    check_session_policy(session_policy)
    ended = sessions.bury(tx, organisation=organisation, now=now)
    changed = tx.execute(
        update(table)
        .where(table.c.id == organisation)
        .values(**_values(password_policy, session_policy))
    )
    if not changed.rowcount:
        raise errors.NotFound
    return ended + sessions.trim(tx, organisation=organisation, keep=session_policy.sessions_max)


def password_policy_of(row: Iterable[Any]) -> PasswordPolicy:
    """Return the policy held by the columns PASSWORD_POLICY."""
    length_min, classes, age_max_ms, reuse_history = row
    return PasswordPolicy(
        length_min=length_min,
        classes=Classes(classes),
        age_max_ms=age_max_ms,
        reuse_history=reuse_history,
    )


def _values(password: PasswordPolicy, session: SessionPolicy) -> dict[str, Any]:
    return {
        "password_length_min": password.length_min,
        "password_classes": int(password.classes),
        "password_age_max_ms": password.age_max_ms,
        "password_reuse_history": password.reuse_history,
        "session_lifetime_ms": session.lifetime_ms,
        "session_idle_ms": session.idle_ms,
        "sessions_max": session.sessions_max,
    }


def _one(row: Row[*tuple[Any, ...]] | None) -> Organisation | None:
    return None if row is None else _organisation(row)


def _organisation(row: Row[*tuple[Any, ...]]) -> Organisation:
    id_, handle, name, directory, second_factor, *policies = tuple(row)
    return Organisation(
        id=id_,
        handle=handle,
        name=name,
        password_policy=password_policy_of(policies[:4]),
        session_policy=sessions.policy_of(policies[4:]),
        directory=bool(directory),
        second_factor=bool(second_factor),
    )


_BY_HANDLE = select(*_COLUMNS).where(table.c.handle == bindparam("handle"))
_BY_ID = select(*_COLUMNS).where(table.c.id == bindparam("organisation"))
