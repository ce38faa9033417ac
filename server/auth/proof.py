"""Proof: an address and a password, proved at the same cost whatever the answer.

One query and one hash, for an unknown organisation, an unknown address, a foreign one, a disabled
member and a wrong password alike; then one answer for all of them. Whether the password is too old
is for the callers: only who knows it may learn that. Invariant: no password is looked at that the
throttle did not admit.
"""

from __future__ import annotations

import msgspec

from server import errors
from server.auth.passwords import Passwords
from server.auth.second_factor import check_code
from server.auth.throttle import Attempt, Throttle
from server.clock import Clock
from storage import accounts, second_factors
from storage.accounts import Credential
from storage.database import Database, Transaction


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody says they are, where, and from which network address. It does not print."""

    organisation: str  #: by its handle
    address: str
    password: str
    code: str | None = None  #: of the second factor, where there is one
    source: str | None = None

    def __repr__(self) -> str:
        """Hide all of it."""
        return "<Claim>"


class Prover:
    """Proves claims."""

    def __init__(
        self, database: Database, passwords: Passwords, throttle: Throttle, clock: Clock
    ) -> None:
        self._clock = clock
        self._database = database
        self._passwords = passwords
        self._throttle = throttle

    async def prove(self, claim: Claim) -> Credential:
        """Return the credential that ``claim`` proves.

        Raises SignInRefused, SecondFactorNeeded, SecondFactorRefused, TooFast, Busy,
        StorageUnavailable.
        """
        attempt = self._throttle.admit(claim.address, claim.source)
        try:
            found = await self._database.read(
                accounts.credential, handle=claim.organisation, address=claim.address
            )
            password_hash = None if found is None else found.password_hash
            right = await self._passwords.verify(password_hash, claim.password)
        except errors.Refusal:
            self._throttle.not_tried(attempt)
            raise
        if found is None or found.disabled or not right:
            self._throttle.failed(attempt)
            raise errors.SignInRefused
        used = await self._second(attempt, found, claim.code)
        self._throttle.succeeded(attempt)
        return msgspec.structs.replace(found, used=used)

    async def _second(
        self, attempt: Attempt, found: Credential, code: str | None
    ) -> int | bytes | None:
        """Return which code of the second factor was shown; None where there is no factor."""
        try:
            return await check_code(self._database, found.id, code, self._clock.now())
        except errors.SecondFactorRefused:
            self._throttle.failed(attempt)
            raise
        except errors.Refusal:
            self._throttle.not_tried(attempt)
            raise


def check_unchanged(tx: Transaction, claim: Claim, proved: Credential) -> None:
    """Raise SignInRefused unless what was proved still holds, inside the transaction that acts.

    Another hash of the same password, set at the same time, changes nothing. A code of the second
    factor is used up with it. Raises SecondFactorRefused when it was used meanwhile.
    """
    present = accounts.credential(tx, handle=claim.organisation, address=claim.address)
    if (
        present is None
        or present.disabled
        or present.member.id != proved.member.id
        or present.password_set_at != proved.password_set_at
    ):
        raise errors.SignInRefused
    second_factors.use(tx, proved.id, proved.used)
