"""People: invite, import, list, change a role, disable, remove.

Invariant: an invitation's token is printed once and stored as a digest; what is printed says
nothing about whether an address has an account elsewhere.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from server.administration import answers
from server.administration.listed import Person, people
from server.administration.office import Office, Refused
from server.administration.wishes import Dismiss, SetDisabled, SetRole
from server.auth.admission import draw
from server.domain.naming import check_address
from server.progress import bar
from server.protocol.scalars import MemberRole
from storage import admissions, members
from storage.admissions import Admission
from storage.database import Transaction
from storage.erasure import Eraser

_HANDED = "Hand this to {address}, over a channel that only they read. It is shown only now:"


async def invite(office: Office, chosen: argparse.Namespace) -> None:
    """Invite one address; print the invitation."""
    person = Person(check_address(chosen.address), MemberRole(chosen.role))
    (drawn,) = await office.database.write(
        _offer, chosen.handle, [person], office.clock.now() + chosen.valid
    )
    print(_HANDED.format(address=person.address))
    print(drawn[1])


async def bring_in(office: Office, chosen: argparse.Namespace) -> None:
    """Invite everybody in a file; print a line each, as comma-separated values."""
    try:
        with chosen.file.open(encoding="utf-8-sig", newline="") as file:
            listed = people(file)
    except UnicodeDecodeError:
        raise Refused("The file is not text in UTF-8.") from None
    drawn = await office.database.write(
        _offer, chosen.handle, listed, office.clock.now() + chosen.valid, bar()
    )
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("address", "invitation"))
    writer.writerows(drawn)


def _offer(
    tx: Transaction,
    handle: str,
    listed: Sequence[Person],
    expires_at: int,
    moved: Callable[[int, int], None] | None = None,
) -> list[tuple[str, str]]:
    found = answers.organisation(tx, handle)
    drawn: list[tuple[str, str]] = []
    for person in listed:
        admission = Admission(organisation=found.id, address=person.address, role=person.role)
        drawn.append((person.address, draw(tx, admission, expires_at=expires_at)))
        if moved is not None:
            moved(len(listed) - len(drawn), len(listed))
    return drawn


async def uninvite(office: Office, chosen: argparse.Namespace) -> None:
    """Withdraw what an address was offered."""

    def withdraw(tx: Transaction) -> int:
        found = answers.organisation(tx, chosen.handle)
        return admissions.withdraw(tx, organisation=found.id, address=chosen.address)

    withdrawn = await office.database.write(withdraw)
    await Eraser(office.database).scrub()  # the address is out of the journal too
    print(f"Invitations withdrawn: {withdrawn}.")


async def invitations(office: Office, chosen: argparse.Namespace) -> None:
    """List the invitations that stand."""

    def ask(tx: Transaction) -> list[admissions.Pending]:
        found = answers.organisation(tx, chosen.handle)
        return admissions.of_organisation(tx, found.id, office.clock.now())

    found = await office.database.read(ask)
    rows = [(one.address, one.role.value, _day(one.expires_at)) for one in found]
    print(answers.table(("ADDRESS", "ROLE", "UNTIL"), rows))


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def listing(office: Office, chosen: argparse.Namespace) -> None:
    """List the members."""

    def ask(tx: Transaction) -> list[members.Listed]:
        return members.of_organisation(tx, answers.organisation(tx, chosen.handle).id)

    rows = [
        (
            one.address,
            one.member.name,
            one.member.role.value,
            "disabled" if one.disabled else "",
            one.member.id,
        )
        for one in await office.database.read(ask)
    ]
    print(answers.table(("ADDRESS", "NAME", "ROLE", "", "MEMBER"), rows))


async def change_role(office: Office, chosen: argparse.Namespace) -> None:
    """Give a member another role."""
    member = await office.database.read(_member, chosen.handle, chosen.who)
    role = MemberRole(chosen.role)
    answer = await office.wish(SetRole(member=member, role=role))
    print(f"The role is {role.value}. {answers.departures(answer)}")


async def disable(office: Office, chosen: argparse.Namespace) -> None:
    """Shut a member out; nothing of theirs is erased."""
    member = await office.database.read(_member, chosen.handle, chosen.who)
    answer = await office.wish(SetDisabled(member=member, disabled=True))
    print(f"Shut out. Sessions ended: {answer.sessions_ended}.")


async def enable(office: Office, chosen: argparse.Namespace) -> None:
    """Let a member in again."""
    member = await office.database.read(_member, chosen.handle, chosen.who)
    await office.wish(SetDisabled(member=member, disabled=False))
    print("They may sign in again.")


async def remove(office: Office, chosen: argparse.Namespace) -> None:
    """End a membership: what they wrote is erased, unless they bequeathed it."""
    if not chosen.erase:
        raise Refused(
            "This erases everything that they wrote and did not bequeath, and cannot be undone:"
            " say --erase. To shut somebody out and erase nothing, use `member disable`."
        )
    member = await office.database.read(_member, chosen.handle, chosen.who)
    answer = await office.wish(Dismiss(member=member))
    print(f"Removed. {answers.departures(answer)}")


def _member(tx: Transaction, handle: str, who: str) -> str:
    """Return the id of a member named by address or by id. Raises Refused."""
    organisation = answers.organisation(tx, handle).id
    found = members.by_address(tx, organisation, who)
    if found is None:
        named = members.get(tx, who)
        found = named if named is not None and named.organisation == organisation else None
    if found is None:
        raise Refused(f"`{handle}` has no such member.")
    return found.id
