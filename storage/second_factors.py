"""Second factors: the secrets of codes, sealed, and the digests of recovery codes.

Decides nothing of which code is right. Invariant: a step is used once, in rising order; a recovery
code is used once; a secret stands nowhere but sealed with a key of its own in the keyring.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, insert, select, update

from server import errors
from server.domain.facts import Fact
from storage import sealing
from storage.database import Transaction
from storage.schema import recovery_code, second_factor

#: Wrong codes in a row, after which only a recovery code helps: NIST SP 800-63B-4, 3.2.2.
FAILURES_MAX = 100


class Factor(Fact, frozen=True):
    """A second factor. It does not print."""

    secret: str
    confirmed: bool
    last_step: int
    exhausted: bool
    recovery: frozenset[bytes]

    def __repr__(self) -> str:
        """Hide all of it."""
        return "<Factor>"


def of_account(tx: Transaction, account: str) -> Factor | None:
    """Return the factor of an account, in force or only drawn."""
    row = tx.execute(select(second_factor).where(second_factor.c.account == account)).first()
    if row is None:
        return None
    secret = sealing.keyring(tx).open(row.secret, _place(account))
    digests = select(recovery_code.c.digest).where(recovery_code.c.account == account)
    return Factor(
        secret="" if secret is None else secret.decode(),
        confirmed=bool(row.confirmed),
        last_step=row.last_step,
        exhausted=secret is None or row.failures >= FAILURES_MAX,
        recovery=frozenset(tx.execute(digests).scalars()),
    )


def draw(tx: Transaction, account: str, secret: str) -> None:
    """Store a secret that is not yet in force, in the place of one that never was."""
    forget(tx, account)
    keyring = sealing.keyring(tx)
    sealed = keyring.seal(keyring.create(), secret.encode(), _place(account))
    values: dict[str, Any] = {"confirmed": False, "last_step": 0, "failures": 0}
    tx.execute(insert(second_factor).values(account=account, secret=sealed, **values))


def confirm(tx: Transaction, account: str, *, step: int, recovery: Iterable[bytes]) -> None:
    """Put a factor in force; ``step`` is used."""
    tx.execute(
        update(second_factor)
        .where(second_factor.c.account == account)
        .values(confirmed=True, last_step=step, failures=0)
    )
    tx.execute(
        insert(recovery_code), [{"account": account, "digest": digest} for digest in recovery]
    )


def use(tx: Transaction, account: str, used: int | bytes | None) -> None:
    """Use a code up. Raises SecondFactorRefused when it was, or when one is needed by now."""
    if used is None:
        chosen = select(second_factor.c.confirmed).where(second_factor.c.account == account)
        if tx.execute(chosen).scalar_one_or_none():
            raise errors.SecondFactorRefused
        return
    own = second_factor.c.account == account
    if isinstance(used, bytes):
        spent = tx.execute(
            delete(recovery_code).where(
                recovery_code.c.account == account, recovery_code.c.digest == used
            )
        )
        tx.execute(update(second_factor).where(own).values(failures=0))
    else:
        spent = tx.execute(
            update(second_factor)
            .where(own, second_factor.c.last_step < used)
            .values(last_step=used, failures=0)
        )
    if not spent.rowcount:
        raise errors.SecondFactorRefused


def failed(tx: Transaction, account: str) -> None:
    """Count a wrong code."""
    tx.execute(
        update(second_factor)
        .where(second_factor.c.account == account)
        .values(failures=second_factor.c.failures + 1)
    )


def forget(tx: Transaction, account: str) -> None:
    """Forget a factor, with its recovery codes; its key is destroyed after the commit."""
    tx.execute(delete(recovery_code).where(recovery_code.c.account == account))
    gone = delete(second_factor).where(second_factor.c.account == account)
    for sealed in tx.execute(gone.returning(second_factor.c.secret)).scalars().all():
        sealing.doom(tx, sealed)


def _place(account: str) -> bytes:
    return f"second-factor:{account}".encode()
