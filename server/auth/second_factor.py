"""Second factor: codes that change every half minute (RFC 6238), and recovery codes.

Decides which code is right. A code counts for the half minute before and after its own, once; a
recovery code holds 80 random bits, so that nobody guesses it, and is used once. Invariant: a code
at or before the latest that was used is wrong.
"""

from __future__ import annotations

import base64
import secrets

import pyotp

from server import errors
from server.auth import tokens
from storage import organisations, second_factors
from storage.accounts import Credential
from storage.database import Database, Transaction
from storage.second_factors import Factor

RECOVERY_CODES = 10
STEP_S = 30
#: How far a device's clock may be off, in steps.
STEPS_OFF_MAX = 1


def new_secret() -> str:
    """Return a new secret: 160 random bits, as RFC 4226 recommends."""
    return pyotp.random_base32()


def new_recovery_codes() -> list[str]:
    """Return the codes to keep for when the device is lost."""
    return [_grouped(base64.b32encode(secrets.token_bytes(10)).decode().lower())
            for _ in range(RECOVERY_CODES)]  # fmt: skip


def _grouped(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def recovery_digest(code: str) -> bytes:
    """Return what is stored of a recovery code, however it was typed."""
    return tokens.digest(code.strip().lower().replace("-", "").replace(" ", ""))


def matching(factor: Factor, code: str, now: int) -> int | bytes | None:
    """Return the step of a code, or the digest of a recovery code; None when it is wrong."""
    digest = recovery_digest(code)
    if digest in factor.recovery:
        return digest
    return None if factor.exhausted else step_of(factor, code, now)


async def check_code(
    database: Database, account: str, code: str | None, now: int
) -> int | bytes | None:
    """Return which code of an account's second factor was shown; None where there is no factor.

    Only for who has proved the password. Raises SecondFactorNeeded, SecondFactorRefused.
    """
    factor = await database.read(second_factors.of_account, account)
    if factor is None or not factor.confirmed:
        return None
    if code is None:
        raise errors.SecondFactorNeeded
    used = matching(factor, code, now)
    if used is None:
        await database.write(second_factors.failed, account)
        raise errors.SecondFactorRefused
    return used


def step_of(factor: Factor, code: str, now: int) -> int | None:
    """Return the step that a code of the device is of, unless it or a later one was used."""
    totp = pyotp.TOTP(factor.secret, interval=STEP_S)
    present = now // 1000 // STEP_S
    typed = code.replace(" ", "")
    for step in range(present - STEPS_OFF_MAX, present + STEPS_OFF_MAX + 1):
        right = totp.generate_otp(step)
        if secrets.compare_digest(right.encode(), typed.encode()) and step > factor.last_step:
            return step
    return None


def check_second_factor(tx: Transaction, proved: Credential) -> None:
    """Raise SecondFactorMissing where the organisation requires one, and there is none."""
    required = organisations.requires_second_factor(tx, [proved.member.organisation])
    if required and proved.used is None:
        raise errors.SecondFactorMissing


def is_confirmed(tx: Transaction, account: str) -> bool:
    """Say whether an account has a second factor in force."""
    factor = second_factors.of_account(tx, account)
    return factor is not None and factor.confirmed
