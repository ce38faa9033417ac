"""World: an organisation with a sphere of every kind, and somebody in every position to each.

Written straight into the store, one person a cell, so that no operation under test is what made the
position that it is tried from; but arrivals and departures, which are the real ones.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import msgspec

from server import errors
from server.channels.departures import depart
from server.channels.posts import Draft, commit_posts
from server.channels.spheres import admit
from server.domain.facts import Member, Sphere, Stay
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.events import ManagerEntered
from server.protocol.scalars import Audience, Bequest, MemberRole, Parting, SphereRole
from server.protocol.views import MemberView
from storage import (
    accounts,
    attachments,
    connectors,
    invitations,
    members,
    organisations,
    requests,
    spheres,
    stays,
    timeline,
)
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import sphere as spheres_table

NOW: Final = 1_800_000_000_000
#: A place on a timeline where nothing is.
NOWHERE: Final = 99
#: Who somebody is: their role in the organisation, shut out, or a member of another one.
PEOPLE: Final = ("visitor", "member", "manager", "disabled", "foreign member", "foreign manager")
#: What they are to the sphere.
RELATIONS: Final = (
    "none", "invited", "asked", "former", "member", "administrator", "entered",
)  # fmt: skip


class Kind(msgspec.Struct, frozen=True):
    """A kind of sphere."""

    name: str
    audience: Audience = Audience.CLOSED
    listed: bool = False
    exists: bool = True
    thread: bool = False


KINDS: Final = (
    Kind("closed"),
    Kind("closed, listed", Audience.CLOSED, listed=True),
    Kind("open", Audience.OPEN),
    Kind("open, listed", Audience.OPEN, listed=True),
    Kind("public", Audience.PUBLIC),
    Kind("public, listed", Audience.PUBLIC, listed=True),
    Kind("a private thread", thread=True),
    Kind("nonexistent", exists=False),
)


class Cell(msgspec.Struct, frozen=True):
    """Somebody, what they are to a sphere, and what kind that is."""

    person: str
    relation: str
    kind: Kind

    @property
    def role(self) -> str:
        """Return their role in their own organisation."""
        return "member" if self.person == "disabled" else self.person.removeprefix("foreign ")

    @property
    def position(self) -> str:
        """Return the position of the table."""
        kind = self.kind
        if self.person not in {"visitor", "member", "manager"} or kind.thread or not kind.exists:
            return "nowhere"
        if self.relation == "former":
            # they are outside like anybody else, and may withdraw what they left
            return "former"
        if self.relation != "none":
            return self.relation
        if not kind.listed or self.person == "visitor":
            return "outside"
        return "door" if kind.audience is Audience.CLOSED else "gate"


def cells() -> Iterator[Cell]:
    """Return every cell that there can be."""
    for person, relation, kind in product(PEOPLE, RELATIONS, KINDS):
        outsider = person.startswith("foreign") or not kind.exists
        if outsider and relation != "none":
            continue  # there is nothing that they could be to it
        if relation == "entered" and (person != "manager" or kind.thread):
            continue
        if relation in {"invited", "asked"} and kind.thread:
            continue
        if relation == "asked" and (
            person == "visitor" or not kind.listed or kind.audience is not Audience.CLOSED
        ):
            continue
        if relation == "former" and kind.listed and person != "visitor":
            continue  # it shows itself to them as to anybody: see the test of it
        yield Cell(person, relation, kind)


class Scene(msgspec.Struct, frozen=True):
    """A cell, made: who asks of which sphere, and what is in it."""

    member: Member
    sphere: str
    names: dict[str, Any]


class World:
    """Two organisations, in a transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._organisation = self._found("acme")
        self._elsewhere = self._found("umbrella")

    def _found(self, handle: str) -> str:
        return organisations.create(
            self._tx,
            handle=handle,
            name=handle,
            password_policy=PasswordPolicy(),
            session_policy=SessionPolicy(),
            now=NOW,
        ).id

    def _enrol(self, role: str, organisation: str) -> Member:
        address = f"{secrets.token_hex(8)}@example.org"
        account = accounts.create(self._tx, address=address, password_hash="!", now=NOW)
        return members.create(
            self._tx,
            account=account.id,
            organisation=organisation,
            name="Somebody",
            role=MemberRole(role),
            now=NOW,
        )

    def scene(self, cell: Cell) -> Scene:
        """Make a sphere of this kind with two administrators inside, and the one who asks."""
        foreign = cell.person.startswith("foreign")
        member = self._enrol(cell.role, self._elsewhere if foreign else self._organisation)
        founder, third = (self._enrol("member", self._organisation) for _ in range(2))
        sphere = self._sphere(cell.kind, founder, third)
        bot = connectors.install(
            self._tx, digest=secrets.token_bytes(32), sphere_id=sphere.id, name="Builds",
            by=founder.id, now=NOW,
        )  # fmt: skip
        files = {"file before": self._send(sphere, third)}
        before = self._say(sphere, third, files["file before"])
        getattr(self, f"_{cell.relation}")(sphere, member)
        files |= {"file after": self._send(sphere, third), "their file": self._send(sphere, third)}
        said = {
            "message": self._say(sphere, third, files["file after"]),
            "mine": self._say(sphere, member),
        }
        if said["mine"] != NOWHERE:
            files["file"] = self._send(sphere, member)
        if cell.kind.thread:
            parent = self._sphere(Kind("closed"), founder, third)
            self._tx.execute(
                spheres_table.update()
                .where(spheres_table.c.id == sphere.id)
                .values(parent=parent.id)
            )
        if cell.person == "disabled":
            members.set_disabled(self._tx, member_id=member.id, disabled=True)
        return Scene(
            member=member,
            sphere=sphere.id if cell.kind.exists else new_id(),
            names={
                "me": member.id,
                "third": third.id,
                "connector": bot.id,
                "before": before,
                **said,
                "file": new_id(),
                **files,
            },
        )

    def _send(self, sphere: Sphere, author: Member) -> str:
        """Send a file for a message to come; return its id."""
        said = attachments.Said(name="plan.txt", media_type=None)
        file = attachments.announce(self._tx, sphere, author.id, said, size=5, now=NOW)
        sending = attachments.begin(self._tx, file, author.id)
        assert sending is not None
        assert attachments.add(self._tx, sending, 0, b"bytes")
        assert attachments.finish(self._tx, sending, "0" * 64)
        return file

    def _say(self, sphere: Sphere, author: Member, *files: str) -> int:
        """Say something; return its place, or one where nothing is when they are outside."""
        draft = Draft(
            id=1,
            sphere=sphere.id,
            author=author.id,
            revision=sphere.revision,
            client_id=secrets.token_hex(8),
            body="hello",
            attachments=files,
        )
        (said,) = commit_posts(self._tx, [draft], NOW)
        if isinstance(said, errors.Refusal):
            return NOWHERE
        return said.publication.entries[0].event.seq

    def _sphere(self, kind: Kind, founder: Member, third: Member) -> Sphere:
        made = spheres.create(self._tx, organisation=self._organisation, name="Design", now=NOW)
        made = msgspec.structs.replace(made, audience=kind.audience, listed=kind.listed)
        spheres.change(self._tx, made)
        made, _ = admit(self._tx, made, founder, SphereRole.ADMINISTRATOR, NOW)
        made, _ = admit(self._tx, made, third, SphereRole.MEMBER, NOW)
        self._founder = founder
        return made

    def _none(self, sphere: Sphere, member: Member) -> None:
        pass

    def _invited(self, sphere: Sphere, member: Member) -> None:
        invitations.offer(
            self._tx, sphere_id=sphere.id, member_id=member.id, by=self._founder.id, now=NOW
        )

    def _asked(self, sphere: Sphere, member: Member) -> None:
        requests.make(self._tx, sphere_id=sphere.id, member_id=member.id, now=NOW)

    def _member(self, sphere: Sphere, member: Member) -> None:
        admit(self._tx, sphere, member, SphereRole.MEMBER, NOW)

    def _administrator(self, sphere: Sphere, member: Member) -> None:
        admit(self._tx, sphere, member, SphereRole.ADMINISTRATOR, NOW)

    def _former(self, sphere: Sphere, member: Member) -> None:
        sphere, _ = admit(self._tx, sphere, member, SphereRole.ADMINISTRATOR, NOW)
        stays.bequeath(self._tx, sphere.id, member.id, Bequest.NAMED)
        stay = stays.one(self._tx, sphere.id, member.id)
        assert stay is not None
        depart(self._tx, sphere, stay, Parting.LEFT, NOW)

    def _entered(self, sphere: Sphere, member: Member) -> None:
        role = SphereRole.ADMINISTRATOR
        seen = MemberView(member=member.id, name=member.name, role=role, entered=True)
        entry = timeline.append(
            self._tx,
            sphere,
            lambda seq: ManagerEntered(sphere=sphere.id, seq=seq, at=NOW, member=seen),
        )
        stay = Stay(member=member.id, role=role, entered=True, horizon=entry.event.seq)
        stays.begin(self._tx, sphere.id, stay)
