"""Membership: what becomes of somebody when their membership ends, or their role changes.

For whoever asks: the command line, a manager, or the member. Invariant: nobody is inside a sphere
without being a member of its organisation, nobody who entered as a manager stays inside when they
are none, and no invitation of a manager stands who is none any more, or is shut out.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from server import errors
from server.auth.proof import Claim, check_unchanged
from server.channels.departures import depart
from server.channels.outcome import Publication, together
from server.domain.facts import Member, Sphere, Stay
from server.domain.policy import may_sign_in_with, strictest
from server.protocol.scalars import MemberRole, Parting
from server.protocol.views import Certificate
from storage import accounts, admissions, connectors, members, requests, sessions, spheres
from storage.accounts import Credential
from storage.database import Transaction


class Parted(msgspec.Struct, frozen=True, kw_only=True):
    """What the end of a membership, or of an office, did."""

    certificates: list[Certificate] = []
    publication: Publication = Publication()
    erased: bool = False  #: words, a name or an address


def dismiss(tx: Transaction, member_id: str, how: Parting, now: int) -> Parted:
    """End a membership: the member leaves every sphere, and takes along what they wrote.

    Raises NotFound.
    """
    _present(tx, member_id)
    parted = _depart(tx, spheres.of_member(tx, member_id), how, now)
    requests.withdraw_all(tx, member_id)
    ended = sessions.end_of_member(tx, member_id)
    admissions.withdraw_by(tx, member_id)
    members.part(tx, member_id)
    return msgspec.structs.replace(_ending(parted, ended), erased=True)


def change_role(tx: Transaction, member_id: str, role: MemberRole, now: int) -> Parted:
    """Give a member another role; their sessions end, so that every device learns of it.

    Who is a manager no more is out of the spheres that they entered as one. Raises NotFound.
    """
    before = _present(tx, member_id)
    if before.role is role:
        return Parted()
    entered: list[tuple[Sphere, Stay]] = []
    withdrawn = 0
    if before.role is MemberRole.MANAGER:
        withdrawn = admissions.withdraw_by(tx, member_id)
        entered = [pair for pair in spheres.of_member(tx, member_id) if pair[1].entered]
    parted = _depart(tx, entered, Parting.REMOVED, now)
    members.set_role(tx, member_id=member_id, role=role)
    if role is MemberRole.VISITOR:
        requests.withdraw_all(tx, member_id)  # who discovers nothing asks for nothing
    parted = _ending(parted, sessions.end_of_member(tx, member_id))
    return msgspec.structs.replace(parted, erased=bool(parted.certificates or withdrawn))


def set_disabled(tx: Transaction, member_id: str, *, disabled: bool) -> Parted:
    """Shut a member out, with the bots that they installed, or let them in again.

    They stay inside their spheres, and nothing that they wrote is erased. Raises NotFound.
    """
    _present(tx, member_id)
    ended = members.set_disabled(tx, member_id=member_id, disabled=disabled)
    if not disabled:
        return Parted()
    silenced = Publication(revoked=tuple(connectors.of_installer(tx, member_id)))
    withdrawn = admissions.withdraw_by(tx, member_id)
    withdrawn += admissions.withdraw_guests(tx, by=member_id)
    return _ending(Parted(publication=silenced, erased=withdrawn > 0), ended)


def _present(tx: Transaction, member_id: str) -> Member:
    member = members.get(tx, member_id)
    if member is None:
        raise errors.NotFound
    return member


def _depart(
    tx: Transaction, inside: Iterable[tuple[Sphere, Stay]], how: Parting, now: int
) -> Parted:
    gone = [depart(tx, sphere, stay, how, now) for sphere, stay in inside]
    return Parted(
        certificates=[one.certificate for one in gone],
        publication=together(one.publication for one in gone),
    )


def _ending(parted: Parted, ended: list[str]) -> Parted:
    """Add the sessions that are over."""
    publication = together((parted.publication, Publication(ended=tuple(ended))))
    return msgspec.structs.replace(parted, publication=publication)


def close(
    tx: Transaction, *, claim: Claim, proved: Credential, everywhere: bool, now: int
) -> Parted:
    """End a membership by will, or every membership of the account, which goes with the last.

    Raises SignInRefused when the proof no longer holds, and PasswordExpired.
    """
    check_unchanged(tx, claim, proved)
    policy = strictest(accounts.password_policies(tx, proved.id))
    if not may_sign_in_with(policy, set_at=proved.password_set_at, now=now):
        raise errors.PasswordExpired
    mine = members.of_account(tx, proved.id) if everywhere else [proved.member]
    gone = [dismiss(tx, member.id, Parting.LEFT, now) for member in mine]
    return Parted(
        certificates=[certificate for one in gone for certificate in one.certificates],
        publication=together(one.publication for one in gone),
        erased=True,
    )
