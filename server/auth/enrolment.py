"""Enrolment: set up a second factor, and do without it again.

Invariant: a factor comes into force with a code that its owner's device made, and while it is in
force every proof takes a code, the one that drops it included, and every session was opened by one.
"""

from __future__ import annotations

from typing import NamedTuple

from server import errors
from server.auth.proof import Claim, check_unchanged
from server.auth.second_factor import (
    is_confirmed,
    new_recovery_codes,
    new_secret,
    recovery_digest,
    step_of,
)
from storage import members, organisations, second_factors, sessions
from storage.accounts import Credential
from storage.database import Transaction


def draw(tx: Transaction, claim: Claim, proved: Credential) -> str:
    """Draw a secret, in the place of one that was never confirmed. Raises Conflict."""
    check_unchanged(tx, claim, proved)
    if is_confirmed(tx, proved.id):
        raise errors.Conflict("A second factor is in force: drop it first.")
    secret = new_secret()
    second_factors.draw(tx, proved.id, secret)
    return secret


class Confirmed(NamedTuple):
    """The recovery codes, which are shown this once, and the sessions that are over."""

    recovery_codes: list[str]
    ended: list[str]


def confirm(tx: Transaction, claim: Claim, proved: Credential, code: str, now: int) -> Confirmed:
    """Put what was drawn in force, and end every session that a password alone opened.

    Raises Conflict, SecondFactorRefused.
    """
    check_unchanged(tx, claim, proved)
    factor = second_factors.of_account(tx, proved.id)
    if factor is None or factor.confirmed:
        raise errors.Conflict("There is no second factor to be confirmed.")
    step = step_of(factor, code, now)
    if step is None:
        raise errors.SecondFactorRefused
    drawn = new_recovery_codes()
    digests = [recovery_digest(one) for one in drawn]
    second_factors.confirm(tx, proved.id, step=step, recovery=digests)
    return Confirmed(drawn, sessions.end_of_account(tx, proved.id))


def drop(tx: Transaction, claim: Claim, proved: Credential) -> None:
    """Do without a second factor. Raises NotAllowed where an organisation requires one."""
    check_unchanged(tx, claim, proved)
    mine = [member.organisation for member in members.of_account(tx, proved.id)]
    if organisations.requires_second_factor(tx, mine):
        raise errors.NotAllowed("An organisation of yours requires a second factor.")
    second_factors.forget(tx, proved.id)
