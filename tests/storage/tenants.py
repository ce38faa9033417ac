"""Tenants: organisations, accounts and members for tests of storage.

Everything is built by the storage functions themselves, inside one transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine

from server.domain.facts import Member
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.scalars import MemberRole
from storage import accounts, members, organisations, sessions
from storage.accounts import Account
from storage.database import Transaction
from storage.organisations import Organisation
from storage.schema import metadata
from storage.sessions import Session
from tests import engines

BIRTH = 1_800_000_000_000


@contextmanager
def transaction() -> Iterator[Transaction]:
    """Open a transaction on an empty database: SQLite's is in memory."""
    if not engines.is_sqlite():
        with engines.undone() as tx:
            yield tx
        return
    engine = create_engine("sqlite://")
    with engine.connect() as tx:
        metadata.create_all(tx)
        yield tx
    engine.dispose()


class Tenants:
    """Builds who is needed, with as little said as matters."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx

    def organisation(
        self,
        handle: str = "demo",
        *,
        password: PasswordPolicy | None = None,
        session: SessionPolicy | None = None,
    ) -> Organisation:
        """Found an organisation."""
        return organisations.create(
            self.tx,
            handle=handle,
            name=f"The {handle}",
            password_policy=password or PasswordPolicy(),
            session_policy=session or SessionPolicy(),
            now=BIRTH,
        )

    def account(self, address: str = "ana@demo.example") -> Account:
        """Open an account."""
        return accounts.create(self.tx, address=address, password_hash="hash", now=BIRTH)

    def member(
        self, organisation: Organisation, account: Account | None = None, name: str = "Ana"
    ) -> Member:
        """Make somebody a member."""
        account = account or self.account(f"{name}@demo.example")
        return members.create(
            self.tx,
            account=account.id,
            organisation=organisation.id,
            name=name,
            role=MemberRole.MEMBER,
            now=BIRTH,
        )

    def session(self, member: Member, digest: str = "digest", now: int = BIRTH) -> Session:
        """Open a session."""
        return sessions.begin(self.tx, digest=digest.encode(), member_id=member.id, now=now).session
