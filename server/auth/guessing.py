"""Guessing: passwords that an attacker would try first, whatever their length and signs.

Estimates with zxcvbn how many guesses a password withstands: common passwords, names, dates,
walks over the keyboard, repetitions. It is slow and cannot be interrupted, so it runs in the pool
of ``passwords``, and what it is given is bounded: a password is reduced to what it repeats, cut
into parts, and the guesses of distinct parts multiply until they are enough. Invariant: no word
about a person is ever handed to zxcvbn, which keeps its dictionaries.
"""

from __future__ import annotations

from server import errors
from server.domain.policy import normalise

#: Characters handed over at once: the worst sixteen take 0.1 s of a core, thirty-two 0.8 s and
#: seventy-two 5 s (measured).
PART_CHARS = 16
#: Parts looked at, at most: what no four parts defend is not defended by a fifth.
PARTS_MAX = 4
#: Decimal digits of the number of guesses demanded: zxcvbn's highest class, «very unguessable».
GUESSES_LOG10_MIN = 10.0


def check_hard_to_guess(password: str) -> None:
    """Raise PasswordRefused for a password that is common, or put together from what is.

    Takes up to half a second of processor: call it off the loop.
    """
    from zxcvbn import zxcvbn  # noqa: PLC0415  # a tenth of a start, for a change of password

    found = 0.0
    for part in parts_of(normalise(password)):
        found += float(zxcvbn(part)["guesses_log10"])
        if found >= GUESSES_LOG10_MIN:
            return
    raise errors.PasswordRefused(
        "The new password is refused: it is among those that an attacker tries first."
    )


def parts_of(password: str) -> list[str]:
    """Return the distinct parts of what ``password`` repeats, in order."""
    looked_at = password[: PART_CHARS * PARTS_MAX]
    period = next(n for n in range(1, len(looked_at) + 1) if looked_at.startswith(looked_at[n:]))
    unit = looked_at[:period]
    return list(
        dict.fromkeys(unit[start : start + PART_CHARS] for start in range(0, period, PART_CHARS))
    )
