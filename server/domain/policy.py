"""Policy: what an organisation demands of passwords and sessions, above the server's floor.

Decides; hashing, throttling and storing live in ``server/auth``. Times are milliseconds. Invariant:
the strictest of several policies is at least as strict as each, in every respect, and no policy
goes below the floor.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import IntFlag

import msgspec

from server import errors

#: Longest password taken, in characters after normalisation. NIST SP 800-63B-4 asks for at least
#: 64 and promises.md for 128; the bound only keeps hashing from being fed megabytes.
PASSWORD_CHARS_MAX = 1024
#: CNIL 2022-100: 12 characters at least where a password stands alone.
PASSWORD_LENGTH_FLOOR = 12
#: A policy longer than this could not be typed; promises.md asks that 128 be legal.
PASSWORD_LENGTH_CEILING = 256
SECOND = 1_000
DAY = 86_400 * SECOND
#: A password that must be changed more than once a second could never be used; beyond ten years an
#: age is no policy (and the store's dates stay dates).
PASSWORD_AGE_FLOOR = SECOND
PASSWORD_AGE_CEILING = 3_653 * DAY
#: A session outlives neither its device nor its memory: half a year at most.
SESSION_LIFETIME_CEILING = 180 * DAY


class Classes(IntFlag):
    """Classes of characters that a policy may demand, as a set."""

    NONE = 0
    LOWER = 1
    UPPER = 2
    DIGIT = 4
    OTHER = 8


_EVERY_CLASS = Classes.LOWER | Classes.UPPER | Classes.DIGIT | Classes.OTHER


class PasswordPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What one organisation demands of a password.

    ``age_max_ms`` is None when passwords do not age (the default: NIST SP 800-63B-4 advises
    against expiry unless there is a reason, and an organisation may have one).
    """

    length_min: int = 15
    classes: Classes = Classes.NONE
    age_max_ms: int | None = None
    reuse_history: int = 0


class SessionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long one organisation's sessions live, and how long without a command."""

    lifetime_ms: int = 30 * DAY
    idle_ms: int = 7 * DAY
    sessions_max: int = 20


def check_password_policy(policy: PasswordPolicy) -> None:
    """Raise InvalidField when the policy is below the floor, or beyond what can be met."""
    if policy.length_min < PASSWORD_LENGTH_FLOOR:
        raise errors.InvalidField(
            f"A minimum of {policy.length_min} characters is below the server's floor of"
            f" {PASSWORD_LENGTH_FLOOR}."
        )
    if policy.length_min > PASSWORD_LENGTH_CEILING:
        raise errors.InvalidField(
            f"A minimum of {policy.length_min} characters is above {PASSWORD_LENGTH_CEILING},"
            " which nobody could type."
        )
    if not 0 <= policy.classes <= _EVERY_CLASS:
        raise errors.InvalidField("No password holds a class of characters that there is not.")
    age = policy.age_max_ms
    if age is not None and not PASSWORD_AGE_FLOOR <= age <= PASSWORD_AGE_CEILING:
        raise errors.InvalidField("A password is valid from one second to ten years: in ms.")
    if not 0 <= policy.reuse_history <= 100:
        raise errors.InvalidField("The reuse history goes from 0 to 100 passwords.")


def check_session_policy(policy: SessionPolicy) -> None:
    """Raise InvalidField when the policy has no sense, or outlives the ceiling."""
    if not SECOND <= policy.lifetime_ms <= SESSION_LIFETIME_CEILING:
        raise errors.InvalidField("A session lives from one second to 180 days.")
    if not SECOND <= policy.idle_ms <= policy.lifetime_ms:
        raise errors.InvalidField("The idle limit goes from one second to the lifetime.")
    if not 1 <= policy.sessions_max <= 1000:
        raise errors.InvalidField("A member may have from 1 to 1000 sessions.")


def strictest(policies: Iterable[PasswordPolicy]) -> PasswordPolicy:
    """Return the policy that satisfies each of ``policies``; the default for none at all."""
    every = list(policies)
    if not every:
        return PasswordPolicy()
    classes = Classes.NONE
    for policy in every:
        classes |= policy.classes
    ages = [policy.age_max_ms for policy in every if policy.age_max_ms is not None]
    return PasswordPolicy(
        length_min=max(policy.length_min for policy in every),
        classes=classes,
        age_max_ms=min(ages) if ages else None,
        reuse_history=max(policy.reuse_history for policy in every),
    )


def normalise(password: str) -> str:
    """Return the form that is hashed: NFKC, as NIST SP 800-63B-4 says; nothing is cut off."""
    return unicodedata.normalize("NFKC", password)


def classes_of(password: str) -> Classes:
    """Return the classes of characters in ``password``; letters without case are OTHER."""
    found = Classes.NONE
    for character in password:
        if character.islower():
            found |= Classes.LOWER
        elif character.isupper():
            found |= Classes.UPPER
        elif character.isdigit():
            found |= Classes.DIGIT
        else:
            found |= Classes.OTHER
    return found


def check_password(password: str, policy: PasswordPolicy, *, personal: Iterable[str] = ()) -> None:
    """Raise PasswordRefused with every reason why ``password`` does not satisfy ``policy``.

    ``personal`` holds words that an attacker would try first (the address, the name); words of
    fewer than four characters do not count, because they occur by chance.
    """
    reasons = list(_shortcomings(normalise(password), policy))
    if _holds_any(password, personal):
        reasons.append("it contains your address or name")
    if reasons:
        raise errors.PasswordRefused(f"The new password is refused: {'; '.join(reasons)}.")


def _holds_any(password: str, words: Iterable[str]) -> bool:
    folded = normalise(password).casefold()
    plain = (normalise(word).casefold() for word in words)
    return any(len(word) >= 4 and word in folded for word in plain)


def _shortcomings(password: str, policy: PasswordPolicy) -> Iterable[str]:
    length = len(password)
    if length < policy.length_min:
        yield f"it has {length} characters of the {policy.length_min} demanded"
    if length > PASSWORD_CHARS_MAX:
        yield f"it has more than {PASSWORD_CHARS_MAX} characters"
    missing = policy.classes & ~classes_of(password)
    if missing:
        yield f"it lacks {', '.join(_CLASS_NAMES[one] for one in Classes if one & missing)}"
    if len(set(password)) < 5:
        yield "it repeats fewer than five different characters"
    if any("\ud800" <= character <= "\udfff" for character in password):
        yield "it holds half a character: a lone surrogate is not text"


_CLASS_NAMES = {
    Classes.LOWER: "a lower-case letter",
    Classes.UPPER: "an upper-case letter",
    Classes.DIGIT: "a digit",
    Classes.OTHER: "a sign that is neither a digit nor a letter with case",
}


def may_sign_in_with(policy: PasswordPolicy, *, set_at: int, now: int) -> bool:
    """Say whether a password set at ``set_at`` is still young enough."""
    return policy.age_max_ms is None or now < set_at + policy.age_max_ms


def session_end(policy: SessionPolicy, *, created_at: int, password_ends_at: int | None) -> int:
    """Return when a session ends whatever is done with it: at its age, or its password's.

    An expired password opens nothing, so a session does not outlive the password that opened it.
    """
    end = created_at + policy.lifetime_ms
    return end if password_ends_at is None else min(end, password_ends_at)


def session_deadline(
    policy: SessionPolicy, *, created_at: int, seen_at: int, password_ends_at: int | None
) -> int:
    """Return when a session ends if nothing more is done with it: idle, or at its end."""
    end = session_end(policy, created_at=created_at, password_ends_at=password_ends_at)
    return min(end, seen_at + policy.idle_ms)
