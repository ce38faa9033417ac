"""Sessions: signed-in devices, known by the digest of their token.

Stores when a session began and was last seen; when it ends is the rule of
``server/domain/policy.py``, computed from the organisation's policy as it stands, so that a policy
changed in the store is changed for every session. Invariant: ``seen_at`` never moves backwards,
and nothing here turns a digest back into a token.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from server.domain.facts import Fact, Member
from server.domain.policy import SessionPolicy, session_deadline, session_end
from server.protocol.scalars import MemberRole
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import account, member, organisation, second_factor
from storage.schema import session as table

#: The columns of a session policy, in the order of ``policy_of``.
POLICY = (
    organisation.c.session_lifetime_ms,
    organisation.c.session_idle_ms,
    organisation.c.sessions_max,
)


class Session(Fact, frozen=True, kw_only=True):
    """A session and everything that decides when it ends.

    ``password_age_max_ms`` is that of the session's own organisation: a session obeys one policy.
    """

    id: str
    member: Member
    organisation_name: str
    disabled: bool
    hidden: bool  #: the member wishes not to be seen
    created_at: int
    seen_at: int
    policy: SessionPolicy
    password_set_at: int
    password_age_max_ms: int | None

    @property
    def password_ends_at(self) -> int | None:
        """Return when the password expires, and the session with it; None when it does not."""
        if self.password_age_max_ms is None:
            return None
        return self.password_set_at + self.password_age_max_ms

    @property
    def ends_at(self) -> int:
        """Return when the session ends whatever is done with it."""
        return session_end(
            self.policy, created_at=self.created_at, password_ends_at=self.password_ends_at
        )

    @property
    def deadline(self) -> int:
        """Return when the session ends, as far as the store knows."""
        return session_deadline(
            self.policy,
            created_at=self.created_at,
            seen_at=self.seen_at,
            password_ends_at=self.password_ends_at,
        )


class Opened(Fact, frozen=True, kw_only=True):
    """A new session, and the ids of those that made room for it."""

    session: Session
    evicted: list[str]


def begin(tx: Transaction, *, digest: bytes, member_id: str, now: int) -> Opened:
    """Store a new session of an existing member.

    Beyond the organisation's ``sessions_max`` the least recently seen sessions go: the dead
    before the living, and a device in use last.
    """
    room = tx.execute(_ROOM, {"member": member_id}).scalar_one() - 1
    surplus = (
        select(table.c.id)
        .where(table.c.member == member_id)
        .order_by(table.c.seen_at.desc(), table.c.created_at.desc(), table.c.id)
        .offset(room)
    )
    evicted = _delete(tx, surplus)
    tx.execute(
        insert(table).values(
            id=new_id(), digest=digest, member=member_id, created_at=now, seen_at=now
        )
    )
    made = tx.execute(_BY_DIGEST, {"digest": digest}).one()
    return Opened(session=_session(made), evicted=evicted)


def by_digest(tx: Transaction, digest: bytes) -> Session | None:
    """Return the session of a token's digest, dead or alive, in one query; None when ended."""
    row = tx.execute(_BY_DIGEST, {"digest": digest}).first()
    return None if row is None else _session(row)


def by_digests(tx: Transaction, digests: Collection[bytes]) -> dict[bytes, Session]:
    """Return the sessions of tokens' digests, by digest; those that ended are absent."""
    rows = tx.execute(_BY_DIGESTS, {"digests": list(digests)})
    return {row.digest: _session(row) for row in rows}


def of_member(tx: Transaction, member_id: str) -> list[Session]:
    """Return the sessions of a member that were not ended, the latest first."""
    rows = tx.execute(_OF_MEMBER, {"member": member_id})
    return [_session(row) for row in rows]


def valid(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Return those of ``ids`` that were not ended and whose member is not disabled."""
    rows = tx.execute(
        select(table.c.id)
        .join(member, member.c.id == table.c.member)
        .where(table.c.id.in_(list(ids)), member.c.disabled.is_(False))
    )
    return set(rows.scalars())


def seen(tx: Transaction, moments: Mapping[str, int]) -> None:
    """Note when sessions were last seen; what is older than the note does not count."""
    if moments:
        tx.execute(_SEEN, [{"session": one, "at": at} for one, at in moments.items()])


def end(tx: Transaction, session: str) -> bool:
    """End a session; say whether there was one."""
    return tx.execute(delete(table).where(table.c.id == session)).rowcount > 0


def end_own(tx: Transaction, *, member_id: str, session: str) -> bool:
    """End a session of a member, of nobody else; say whether there was one."""
    own = table.c.id == session, table.c.member == member_id
    return tx.execute(delete(table).where(*own)).rowcount > 0


def end_of_account(tx: Transaction, account_id: str) -> list[str]:
    """End every session of an account, in all its organisations; return their ids."""
    members = select(member.c.id).where(member.c.account == account_id)
    return _delete(tx, select(table.c.id).where(table.c.member.in_(members)))


def end_of_member(tx: Transaction, member_id: str) -> list[str]:
    """End every session of a member; return their ids."""
    return _delete(tx, select(table.c.id).where(table.c.member == member_id))


def end_without_second_factor(tx: Transaction, organisation: str) -> list[str]:
    """End the sessions of an organisation's members who have no second factor in force."""
    without = (
        select(member.c.id)
        .outerjoin(
            second_factor,
            and_(second_factor.c.account == member.c.account, second_factor.c.confirmed.is_(True)),
        )
        .where(member.c.organisation == organisation, second_factor.c.account.is_(None))
    )
    return _delete(tx, select(table.c.id).where(table.c.member.in_(without)))


def bury(tx: Transaction, *, organisation: str, now: int) -> list[str]:
    """End what is dead at ``now`` in one organisation, under its present policy."""
    return _delete(tx, _dead(now).where(member.c.organisation == organisation))


def trim(tx: Transaction, *, organisation: str, keep: int) -> list[str]:
    """End each member's least recently seen sessions beyond ``keep`` in one organisation."""
    rank = func.row_number().over(
        partition_by=table.c.member,
        order_by=(table.c.seen_at.desc(), table.c.created_at.desc(), table.c.id),
    )
    ranked = (
        select(table.c.id, rank.label("rank"))
        .join(member, member.c.id == table.c.member)
        .where(member.c.organisation == organisation)
        .subquery()
    )
    return _delete(tx, select(ranked.c.id).where(ranked.c.rank > keep))


def sweep(tx: Transaction, *, before: int) -> int:
    """Delete the sessions that were dead at ``before``; return how many.

    Housekeeping: a dead session opens nothing. ``before`` lies further back than sessions are
    noted as seen, so that none is swept that lives.
    """
    return len(_delete(tx, _dead(before)))


def _delete(tx: Transaction, ids: Select[str]) -> list[str]:
    deleted = tx.execute(delete(table).where(table.c.id.in_(ids)).returning(table.c.id))
    return list(deleted.scalars())


def _dead(now: int) -> Select[str]:
    """Select the ids of what ``policy.session_deadline`` calls over at ``now``."""
    return _joined(select(table.c.id)).where(or_(*_over(now)))


def _over(now: int) -> Iterable[ColumnElement[bool]]:
    yield table.c.created_at + organisation.c.session_lifetime_ms <= now
    yield table.c.seen_at + organisation.c.session_idle_ms <= now
    yield and_(
        organisation.c.password_age_max_ms.is_not(None),
        account.c.password_set_at + organisation.c.password_age_max_ms <= now,
    )


def _joined(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return (
        query.select_from(table)
        .join(member, member.c.id == table.c.member)
        .join(account, account.c.id == member.c.account)
        .join(organisation, organisation.c.id == member.c.organisation)
    )


def policy_of(row: Iterable[Any]) -> SessionPolicy:
    """Return the policy held by the columns POLICY."""
    lifetime_ms, idle_ms, sessions_max = row
    return SessionPolicy(lifetime_ms=lifetime_ms, idle_ms=idle_ms, sessions_max=sessions_max)


def _session(row: Row[*tuple[Any, ...]]) -> Session:
    return Session(
        id=row.id,
        member=Member(
            id=row.member,
            organisation=row.organisation,
            name=row.name,
            role=MemberRole(row.role),
        ),
        organisation_name=row.organisation_name,
        disabled=row.disabled,
        hidden=row.hidden,
        created_at=row.created_at,
        seen_at=row.seen_at,
        policy=policy_of((row.session_lifetime_ms, row.session_idle_ms, row.sessions_max)),
        password_set_at=row.password_set_at,
        password_age_max_ms=row.password_age_max_ms,
    )


_ROOM = (
    select(organisation.c.sessions_max)
    .join(member, member.c.organisation == organisation.c.id)
    .where(member.c.id == bindparam("member"))
)
_SESSION = _joined(
    select(
        table.c.id,
        table.c.member,
        table.c.created_at,
        table.c.seen_at,
        member.c.organisation,
        member.c.name,
        member.c.role,
        member.c.disabled,
        member.c.hidden,
        account.c.password_set_at,
        organisation.c.name.label("organisation_name"),
        organisation.c.password_age_max_ms,
        *POLICY,
    )
)
_BY_DIGEST = _SESSION.where(table.c.digest == bindparam("digest"))
_BY_DIGESTS = _SESSION.add_columns(table.c.digest).where(
    table.c.digest.in_(bindparam("digests", expanding=True))
)
_OF_MEMBER = _SESSION.where(table.c.member == bindparam("member")).order_by(
    table.c.created_at.desc(), table.c.id
)
_SEEN = (
    update(table)
    .where(table.c.id == bindparam("session"), table.c.seen_at < bindparam("at"))
    .values(seen_at=bindparam("at"))
)
