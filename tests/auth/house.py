"""A house: accounts over a real database file, with a clock that is moved by hand.

Hashes are as cheap as Argon2 allows, so that a flow takes milliseconds; what they cost in earnest
is the settings' floor, which a test of its own checks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from server.auth.accounts import Accounts
from server.auth.live import LiveSessions
from server.auth.passwords import Passwords
from server.auth.proof import Claim
from server.auth.throttle import Throttle
from server.channels import policies
from server.channels.endings import Endings
from server.channels.outcome import Publication
from server.domain.facts import Member
from server.domain.governance import PolicyChange
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.close import Close
from server.protocol.scalars import MemberRole
from storage import accounts, members, organisations
from storage.database import Database, Transaction
from storage.keyring_file import FileKeyring
from storage.organisations import Organisation
from storage.schema import metadata

BIRTH = 1_800_000_000_000
PASSWORD = "plum tarts at half past nine"
OTHER_PASSWORD = "seven owls in the cathedral"


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: int = BIRTH) -> None:
        self.at = at

    def now(self) -> int:
        """Return where the hand was put."""
        return self.at


class Door:
    """A connection that remembers how it was closed."""

    def __init__(self) -> None:
        self.closed: Close | None = None

    def end(self, close: Close) -> None:
        """Remember why."""
        assert self.closed is None, "a connection is closed once"
        self.closed = close


def cheap_passwords(*, time: int = 1, hashers_max: int = 1, waiting_max: int = 64) -> Passwords:
    """Return a pool whose hashes take a tenth of a millisecond."""
    return Passwords(
        memory_kib=8,
        time=time,
        lanes=1,
        hashers_max=hashers_max,
        hashes_waiting_max=waiting_max,
    )


class House:
    """Everything that accounts need, and people who live there."""

    def __init__(self, path: Path, passwords: Passwords | None = None) -> None:
        self.path = path
        self.clock = HandClock()
        self.database = Database(
            f"sqlite+aiosqlite:///{path / 'house.sqlite3'}", FileKeyring(path / "keys.sqlite3")
        )
        self.passwords = passwords or cheap_passwords()
        self.live = LiveSessions()
        self.throttle = Throttle(self.clock)
        self.accounts = Accounts(
            self.database,
            self.clock,
            passwords=self.passwords,
            throttle=self.throttle,
            live=self.live,
            ended=self._ended,
        )

    def _ended(self, sessions: Sequence[str]) -> None:
        Endings(self.live, self.clock).deliver(Publication(ended=tuple(sessions)))

    async def replace_policies(
        self, organisation: str, *, password: PasswordPolicy, session: SessionPolicy
    ) -> None:
        """Replace policies, and tell the sessions that are open, as the writer does."""
        change = PolicyChange(
            password_length_min=password.length_min,
            password_classes=password.classes,
            password_age_max_ms=password.age_max_ms or 0,
            password_reuse_history=password.reuse_history,
            session_lifetime_ms=session.lifetime_ms,
            session_idle_ms=session.idle_ms,
            sessions_max=session.sessions_max,
        )
        publication = await self.database.write(
            policies.replace,
            organisation,
            change,
            seen=self.live.dirty(),
            now=self.clock.now(),
        )
        Endings(self.live, self.clock).deliver(publication)

    def move(self, ms: int) -> None:
        """Let time pass, as the timer of deadlines does."""
        self.clock.at += ms
        self.live.due(self.clock.at)

    async def organisation(
        self,
        handle: str = "demo",
        *,
        password: PasswordPolicy | None = None,
        session: SessionPolicy | None = None,
    ) -> Organisation:
        """Found an organisation."""
        return await self.database.write(
            organisations.create,
            handle=handle,
            name=f"The {handle}",
            password_policy=password or PasswordPolicy(),
            session_policy=session or SessionPolicy(),
            now=self.clock.now(),
        )

    async def person(
        self, *tenants: Organisation, address: str = "ana@demo.example", password: str = PASSWORD
    ) -> Member:
        """Give somebody an account and memberships; return the first of these."""
        password_hash = await self.passwords.hash(password)
        now = self.clock.now()

        def enrol(tx: Transaction) -> Member:
            account = accounts.create(tx, address=address, password_hash=password_hash, now=now)
            made = [
                members.create(
                    tx,
                    account=account.id,
                    organisation=tenant.id,
                    name="Ana",
                    role=MemberRole.MEMBER,
                    now=now,
                )
                for tenant in tenants
            ]
            return made[0]

        return await self.database.write(enrol)

    async def attach(self, token: str) -> Door:
        """Open a connection of a session, as the gateway does."""
        door = Door()
        self.live.attach(await self.accounts.recognise(token), door, self.clock.now())
        return door


def claim(
    organisation: str = "demo",
    address: str = "ana@demo.example",
    password: str = PASSWORD,
    source: str | None = "192.0.2.7",
) -> Claim:
    """Return what somebody says who signs in: by default, the truth."""
    return Claim(organisation=organisation, address=address, password=password, source=source)


@asynccontextmanager
async def open_house(path: Path, passwords: Passwords | None = None) -> AsyncIterator[House]:
    """Open a house, empty; close it at the end."""
    house = House(path, passwords)
    await house.database.write(metadata.create_all)
    try:
        yield house
    finally:
        house.passwords.close()
        await house.database.close()
