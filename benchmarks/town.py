"""Town: an organisation with people and spheres, written straight into a server's database.

Nobody signs in: a session is stored by the digest of a token that is known here, through storage's
own functions, before the server starts. Invariant: everyone is inside exactly one sphere, so that
groups of readers do not overlap.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.auth import tokens
from server.channels.spheres import admit
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.parts import compose
from server.protocol.scalars import MemberRole, SphereRole
from server.settings import Settings
from storage import accounts, members, migrations, organisations, sessions, spheres
from storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Inhabited:
    """A sphere, and a session token of each of its members."""

    id: str
    revision: int
    tokens: list[str]


@dataclass(frozen=True, slots=True)
class Town:
    """A folder that a server can be started on."""

    folder: Path
    spheres: list[Inhabited]


def build(folder: Path, *, spheres: int, members: int, joined: bool = True) -> Town:
    """Make a database with so many spheres of so many members.

    When not ``joined``, everyone but the first has a session and no sphere.
    """
    return asyncio.run(_build(folder, spheres, members, joined=joined))


async def _build(folder: Path, count: int, size: int, *, joined: bool) -> Town:
    chosen: dict[str, Any] = {"data_dir": folder}
    parts = compose(Settings(**chosen))
    database = parts.database
    try:
        await database.write(migrations.upgrade)
        organisation = await database.write(_organisation)
        made = [
            await database.write(_sphere, organisation, size, joined=joined) for _ in range(count)
        ]
    finally:
        parts.passwords.close()
        await database.close()
    return Town(folder, made)


def _organisation(tx: Transaction) -> str:
    return organisations.create(
        tx,
        handle="bench",
        name="Bench",
        password_policy=PasswordPolicy(),
        session_policy=SessionPolicy(),
        now=_now(),
    ).id


def _sphere(tx: Transaction, organisation: str, size: int, *, joined: bool) -> Inhabited:
    now, drawn = _now(), []
    sphere = spheres.create(tx, organisation=organisation, name="Bench", now=now)
    for place in range(size):
        account = accounts.create(
            tx, address=f"{secrets.token_hex(8)}@example.org", password_hash="!", now=now
        )
        member = members.create(
            tx,
            account=account.id,
            organisation=organisation,
            name=f"Resident {place}",
            role=MemberRole.MEMBER,
            now=now,
        )
        token = tokens.new_session_token()
        sessions.begin(tx, digest=tokens.digest(token), member_id=member.id, now=now)
        drawn.append(token)
        if joined or place == 0:
            role = SphereRole.MEMBER if place else SphereRole.ADMINISTRATOR
            sphere, _ = admit(tx, sphere, member, role, now)
    return Inhabited(sphere.id, sphere.revision, drawn)


def _now() -> int:
    return time.time_ns() // 1_000_000
