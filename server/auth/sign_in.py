"""Sign-in: from a proof to a session, in one transaction.

The age of the password is judged by the strictest of the account's organisations, whatever
organisation is signed in to; the session that results obeys its own organisation alone. Invariant:
every sign-in draws a new token, and ends the session whose token the same client presented.
"""

from __future__ import annotations

import msgspec

from server import errors
from server.auth import tokens
from server.auth.proof import Claim, check_unchanged
from server.auth.second_factor import check_second_factor
from server.domain.policy import may_sign_in_with, strictest
from storage import accounts, sessions
from storage.accounts import Credential
from storage.database import Transaction
from storage.sessions import Session


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A session and its token, which is shown this once and does not print."""

    token: str
    session: Session
    ended: list[str]  #: ids of the sessions that this one replaces

    def __repr__(self) -> str:
        """Name the session alone."""
        return f"<SignedIn {self.session.id}>"


def open_session(
    tx: Transaction,
    *,
    claim: Claim,
    proved: Credential,
    rehashed: str | None,
    replaced: str | None,
    now: int,
) -> SignedIn:
    """Open a session for whoever was proved.

    ``rehashed`` is the same password under the present parameters, ``replaced`` the token of the
    session that the client had. Raises SignInRefused when the proof no longer holds, and
    PasswordExpired.
    """
    check_unchanged(tx, claim, proved)
    policy = strictest(accounts.password_policies(tx, proved.id))
    if not may_sign_in_with(policy, set_at=proved.password_set_at, now=now):
        raise errors.PasswordExpired
    check_second_factor(tx, proved)
    if rehashed is not None:
        accounts.rehash(tx, account=proved.id, former=proved.password_hash, password_hash=rehashed)
    ended = _end_replaced(tx, replaced)
    token = tokens.new_session_token()
    opened = sessions.begin(tx, digest=tokens.digest(token), member_id=proved.member.id, now=now)
    return SignedIn(token=token, session=opened.session, ended=ended + opened.evicted)


def _end_replaced(tx: Transaction, token: str | None) -> list[str]:
    former = None if token is None else sessions.by_digest(tx, tokens.digest(token))
    if former is None:
        return []
    sessions.end(tx, former.id)
    return [former.id]
