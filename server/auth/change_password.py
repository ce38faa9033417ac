"""Change of password: from a proof to another password; all sessions of the account end.

The former password proves who asks, and works when it has expired: that is all it opens then. The
new one must satisfy the strictest combination of the account's organisations, be hard to guess, and
be none of those that the policy remembers. Invariant: the password changes once for one proof.
"""

from __future__ import annotations

from collections.abc import Iterable

from server import errors
from server.auth.guessing import check_hard_to_guess
from server.auth.passwords import Passwords
from server.auth.proof import Claim, check_unchanged
from server.domain.policy import PasswordPolicy, check_password, normalise, strictest
from storage import accounts, sessions
from storage.accounts import Credential
from storage.database import Transaction


def demands(tx: Transaction, account: str) -> tuple[PasswordPolicy, list[str]]:
    """Return what a new password of an account must satisfy, and the hashes it must not match."""
    policy = strictest(accounts.password_policies(tx, account))
    return policy, accounts.former_hashes(tx, account, policy.reuse_history)


async def new_hash(
    passwords: Passwords, password: str, policy: PasswordPolicy, *, personal: Iterable[str] = ()
) -> str:
    """Return the hash of a password that ``policy`` allows and that is hard to guess.

    Raises PasswordRefused, Busy.
    """

    def check() -> None:
        check_password(password, policy, personal=personal)
        check_hard_to_guess(password)

    await passwords.run(check)
    return await passwords.hash(password)


async def check_not_used(passwords: Passwords, password: str, former: Iterable[str]) -> None:
    """Raise PasswordRefused when one of the ``former`` hashes is of this password, or Busy.

    Each costs a hash: the policy bounds how many there are.
    """
    for password_hash in former:
        if await passwords.verify(password_hash, password):
            raise errors.PasswordRefused("The new password is refused: you have used it before.")


def check_differs(former: str, password: str) -> None:
    """Raise PasswordRefused when the new password is the present one, which was just proved."""
    if normalise(former) == normalise(password):
        raise errors.PasswordRefused("The new password is refused: it is the present one.")


def set_password(
    tx: Transaction, *, claim: Claim, proved: Credential, password_hash: str, now: int
) -> list[str]:
    """Set the password of whoever was proved; return the ids of the sessions that this ended.

    Raises SignInRefused when the proof no longer holds.
    """
    check_unchanged(tx, claim, proved)
    policy = strictest(accounts.password_policies(tx, proved.id))
    accounts.set_password(
        tx,
        account=proved.id,
        password_hash=password_hash,
        history=policy.reuse_history,
        now=now,
    )
    return sessions.end_of_account(tx, proved.id)


def personal_words(proved: Credential) -> list[str]:
    """Return what an attacker who knows somebody tries: their address, its owner, their name."""
    owner, _, _ = proved.address.partition("@")
    return [proved.address, owner, proved.member.name, *proved.member.name.split()]
