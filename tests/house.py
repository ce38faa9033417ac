"""House: a real server for tests, on a free port of this machine, in the loop of the test.

Real sockets, a real database file, the real application; only the clock may be moved by hand.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from server.app import application, uvicorn_config
from server.auth import tokens
from server.channels import policies
from server.channels.outcome import Outcome
from server.channels.spheres import admit
from server.domain.facts import Member, Sphere
from server.domain.governance import PolicyChange
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.draining import Draining
from server.parts import Parts, compose
from server.protocol.replies import Done
from server.protocol.scalars import MemberRole, SphereRole
from server.settings import Settings
from storage import accounts, connectors, members, organisations, sessions, spheres
from storage.database import Transaction
from tests import engines
from tests.people import Person

#: The cheapest hash that the settings allow.
CHEAP: dict[str, Any] = {"argon2_memory_kib": 19_456, "argon2_time": 2, "argon2_lanes": 1}
PASSWORD = "correct-horse-battery-staple"


class HandClock:
    """A clock that moves when the test says so."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self._now = now

    def now(self) -> int:
        """Return the present."""
        return self._now

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        self._now += milliseconds


class Resident(msgspec.Struct, frozen=True):
    """Somebody with an account, and the means to be them."""

    member: Member
    address: str
    account: str

    @property
    def id(self) -> str:
        """Return the member's id."""
        return self.member.id


class House:
    """A running server, and shortcuts into its store for what a test takes as given."""

    def __init__(self, parts: Parts, url: str, folder: Path) -> None:
        self.parts = parts
        self.url = url
        self.folder = folder
        #: Stops the server in order.
        self.stop: Callable[[], Coroutine[None, None, None]] = _not_running

    @property
    def database_files(self) -> list[Path]:
        """Return every file of the database and of the keyring."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def holds(self, words: str) -> bool:
        """Say whether any file of the database holds these words; on PostgreSQL, any row."""
        url = self.parts.settings.database_url
        if url is not None and engines.holds(url, words):
            return True
        return any(words.encode() in path.read_bytes() for path in self.database_files)

    async def organisation(
        self,
        handle: str = "acme",
        *,
        password: PasswordPolicy | None = None,
        session: SessionPolicy | None = None,
    ) -> str:
        """Make an organisation; return its id."""
        made = await self.parts.database.write(
            organisations.create,
            handle=handle,
            name=handle.title(),
            password_policy=password or PasswordPolicy(),
            session_policy=session or SessionPolicy(),
            now=self.parts.clock.now(),
        )
        return made.id

    async def resident(
        self,
        organisation: str,
        name: str,
        role: MemberRole = MemberRole.MEMBER,
        *,
        password: str | None = None,
    ) -> Resident:
        """Make an account with one membership; without a password it cannot sign in by one."""
        hashed = "!" if password is None else await self.parts.passwords.hash(password)
        return await self.parts.database.write(
            _enrol, organisation, name, role, hashed, self.parts.clock.now()
        )

    async def twin(self, resident: Resident, organisation: str, name: str) -> Resident:
        """Make somebody a member of another organisation too."""
        member = await self.parts.database.write(
            members.create,
            account=resident.account,
            organisation=organisation,
            name=name,
            role=MemberRole.MEMBER,
            now=self.parts.clock.now(),
        )
        return Resident(member=member, address=resident.address, account=resident.account)

    async def demand(self, organisation: str, **change: Any) -> None:
        """Change an organisation's policies, as the command line does beside a server."""
        seen, now = self.parts.services.live.dirty(), self.parts.clock.now()
        wanted = PolicyChange(**change)

        def act(tx: Transaction) -> Outcome:
            publication = policies.replace(tx, organisation, wanted, seen=seen, now=now)
            return Outcome(reply=Done(id=0), publication=publication)

        await self.parts.writer.act(act)

    async def directory(self, organisation: str) -> None:
        """Let the members of an organisation look each other up."""
        await self.parts.database.write(
            organisations.set_directory, organisation=organisation, directory=True
        )

    async def token(self, resident: Resident) -> str:
        """Open a session; return its token."""
        token = tokens.new_session_token()
        await self.parts.database.write(
            sessions.begin,
            digest=tokens.digest(token),
            member_id=resident.id,
            now=self.parts.clock.now(),
        )
        return token

    async def person(self, resident: Resident, *, encoding: str = "msgpack") -> Person:
        """Return an open connection of somebody, greeted."""
        token = await self.token(resident)
        return await Person(self.url, token, encoding=encoding).hello()

    async def sphere(self, *inside: Resident, name: str = "Design team") -> str:
        """Make a sphere whose first member administers it; return its id."""
        now = self.parts.clock.now()
        made: Sphere = await self.parts.database.write(_found, inside, name, now)
        return made.id

    async def connector(self, sphere: str, installer: Resident, name: str = "Builds") -> str:
        """Install a connector; return its token."""
        token = tokens.new_connector_token()
        await self.parts.database.write(
            connectors.install,
            digest=tokens.digest(token),
            sphere_id=sphere,
            name=name,
            by=installer.id,
            now=self.parts.clock.now(),
        )
        return token


async def _not_running() -> None:
    """Stand in where there is no server."""


def _enrol(
    tx: Transaction, organisation: str, name: str, role: MemberRole, hashed: str, now: int
) -> Resident:
    address = f"{name.lower()}.{secrets.token_hex(4)}@example.org"
    account = accounts.create(tx, address=address, password_hash=hashed, now=now)
    member = members.create(
        tx, account=account.id, organisation=organisation, name=name, role=role, now=now
    )
    return Resident(member=member, address=address, account=account.id)


def _found(tx: Transaction, inside: tuple[Resident, ...], name: str, now: int) -> Sphere:
    sphere = spheres.create(tx, organisation=inside[0].member.organisation, name=name, now=now)
    role = SphereRole.ADMINISTRATOR
    for resident in inside:
        sphere, _ = admit(tx, sphere, resident.member, role, now)
        role = SphereRole.MEMBER
    return sphere


@asynccontextmanager
async def serving(
    folder: Path, *, clock: Any = None, fast_links: bool = True, **settings: Any
) -> AsyncIterator[House]:
    """Run a server on a free port until the block ends."""
    parts = compose(settings_for(folder, fast_links=fast_links, **settings), clock)
    async with serving_parts(parts, folder) as house:
        yield house


def compose_only(folder: Path, **settings: Any) -> House:
    """Return the shortcuts into a store that other servers serve."""
    return House(compose(settings_for(folder, **settings)), "", folder)


def settings_for(folder: Path, **settings: Any) -> Settings:
    """Return the settings of a test's server, and lay its database."""
    given = {"port": 0, "data_dir": folder, "drain_s": 2, **CHEAP}
    return Settings(**given | engines.settings(folder) | settings)


@asynccontextmanager
async def serving_parts(parts: Parts, folder: Path) -> AsyncIterator[House]:
    """Run a server that is composed already until the block ends."""
    config = uvicorn_config(parts, application(parts), fast_links=parts.settings.fast_links)
    server = Draining(config, parts)
    serve = asyncio.create_task(server.serve())
    while not server.started:
        assert not serve.done(), "the server did not start"
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    house = House(parts, f"http://127.0.0.1:{port}", folder)

    async def stop() -> None:
        server.should_exit = True
        await asyncio.shield(serve)

    house.stop = stop
    try:
        yield house
    finally:
        await stop()
