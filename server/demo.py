"""Demo: a small organisation to try things with, made once on an empty database.

Invariant: it is made in one transaction, its passwords are drawn afresh, shown once, and stored
only as hashes.
"""

from __future__ import annotations

import secrets

import msgspec

from server.auth import tokens
from server.auth.passwords import Passwords
from server.channels.spheres import admit
from server.domain.facts import Member
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.scalars import MemberRole, SphereRole
from storage import accounts, connectors, members, organisations, spheres
from storage.database import Database, Transaction

HANDLE = "demo"
SPHERE = "Design team"
#: Without the signs that look like others.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


class Person(msgspec.Struct, frozen=True):
    """Somebody of the demo."""

    name: str
    role: MemberRole
    inside: bool

    @property
    def address(self) -> str:
        """Return the address that they sign in with."""
        return f"{self.name.lower()}@demo.example"


PEOPLE = (
    Person("Ana", MemberRole.MEMBER, inside=True),
    Person("Bob", MemberRole.MEMBER, inside=True),
    Person("Carol", MemberRole.MEMBER, inside=False),
    Person("Max", MemberRole.MANAGER, inside=False),
)


class Demo(msgspec.Struct, frozen=True):
    """What was made, with the secrets that only this object holds."""

    passwords: dict[str, str]
    connector_token: str

    def guide(self, url: str, python: str) -> str:
        """Return the commands to paste, for a server at ``url``."""
        base = f"{python} clients/cli_client.py --server {url}"
        lines = ["", "A demo organisation was made. Open two more terminals here, and paste:", ""]
        for person in PEOPLE:
            told = _TOLD[person.name]
            who = f"--organisation {HANDLE} --address {person.address}"
            command = "chat" + (f' "{SPHERE}"' if person.inside else "")
            lines += [
                f"  # {person.name}: {told}",
                f"  CLOISON_PASSWORD={self.passwords[person.name]} {base} {who} {command}",
                "",
            ]
        lines += [
            "  # A bot, which can only bring in:",
            f"  CLOISON_CONNECTOR_TOKEN={self.connector_token} {base} bring 'The build is green.'",
            "",
            "These secrets are shown only now. `make reset` forgets the demo and all in it.",
            "",
        ]
        return "\n".join(lines)


_TOLD = {
    "Ana": "founded the sphere, and administers it",
    "Bob": "a member of the sphere",
    "Carol": "a member of the organisation, outside the sphere: sees nothing of it",
    "Max": "a manager, outside too: /oversee lists spheres, /enter enters one for all to see",
}


async def make(database: Database, passwords: Passwords, now: int) -> Demo | None:
    """Make the demo, unless the database has an organisation of that handle already."""
    if await database.read(organisations.by_handle, HANDLE) is not None:
        return None
    drawn = {person.name: _password() for person in PEOPLE}
    hashes = {name: await passwords.hash(password) for name, password in drawn.items()}
    token = tokens.new_connector_token()
    await database.write(_store, hashes, tokens.digest(token), now)
    return Demo(passwords=drawn, connector_token=token)


def _store(tx: Transaction, hashes: dict[str, str], digest: bytes, now: int) -> None:
    organisation = organisations.create(
        tx,
        handle=HANDLE,
        name="Demo",
        password_policy=PasswordPolicy(),
        session_policy=SessionPolicy(),
        now=now,
    )
    people = [_enrol(tx, person, organisation.id, hashes, now) for person in PEOPLE]
    sphere = spheres.create(tx, organisation=organisation.id, name=SPHERE, now=now)
    founder = people[0]
    role = SphereRole.ADMINISTRATOR
    for member, person in zip(people, PEOPLE, strict=True):
        if person.inside:
            sphere, _ = admit(tx, sphere, member, role, now)
            role = SphereRole.MEMBER
    connectors.install(
        tx, digest=digest, sphere_id=sphere.id, name="Builds", by=founder.id, now=now
    )


def _enrol(
    tx: Transaction, person: Person, organisation: str, hashes: dict[str, str], now: int
) -> Member:
    account = accounts.create(
        tx, address=person.address, password_hash=hashes[person.name], now=now
    )
    return members.create(
        tx,
        account=account.id,
        organisation=organisation,
        name=person.name,
        role=person.role,
        now=now,
    )


def _password() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
