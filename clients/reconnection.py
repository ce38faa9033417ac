"""Reconnection: whether to come back after a connection ended, and when.

Pure: chance is an argument and nothing sleeps here. Invariant: a client told to stop never comes
back by itself, and one told to come back never does so in step with the others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Final

from clients.failures import Failure, SignInNeeded, Stopped, Unreachable
from clients.safe_text import safe_line

#: From here on a close code means «stop until a person acts»; 4000-4499 mean «come back».
STOP_FROM: Final = 4500
#: Close codes about the session itself: signing in again cures them.
SESSION_CODES: Final = frozenset({4500, 4501, 4502})
#: What stands for an HTTP refusal where the server cannot answer a handshake with HTTP: its reason
#: is then the code of the refusal, and these pass.
POLICY_CODE: Final = 1008
_PASSING: Final = frozenset({"busy", "storage_unavailable", "outcome_unknown", "going_away"})
#: RFC 6455 codes that would come again at every attempt: they tell of a fault of this client.
FAULT_CODES: Final = frozenset({1002, 1003, 1007, 1008, 1009, 1010})

#: HTTP's own numbers.
UNAUTHORISED: Final = 401
TOO_MANY_REQUESTS: Final = 429
SERVER_ERRORS_FROM: Final = 500


class Backoff:
    """Exponential backoff with full jitter: each wait is drawn between zero and a ceiling.

    The ceiling doubles from ``first`` up to ``longest`` (seconds; the defaults are those of the
    protocol). Full jitter spreads a crowd
    that lost the same server better than any fixed share of the ceiling does.
    """

    def __init__(
        self,
        first: float = 1.0,
        longest: float = 60.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.first = first
        self.longest = longest
        self._chance = chance
        self._attempts = 0

    def delay(self, at_least: float = 0.0) -> float:
        """Return how long to wait before the next attempt, on top of what the server asked."""
        # 2 ** 60 seconds is past any ceiling: the exponent is bounded so that it stays a float.
        ceiling: float = min(self.longest, self.first * 2.0 ** min(self._attempts, 60))
        self._attempts += 1
        return at_least + self._chance() * ceiling

    def reset(self) -> None:
        """Begin again: the server welcomed us."""
        self._attempts = 0

    def afresh(self) -> Backoff:
        """Return another schedule with the same settings, at its beginning."""
        return Backoff(self.first, self.longest, self._chance)


def failure_of_close(code: int | None, reason: str | None) -> Failure:
    """Return what a close means: Unreachable says come back, anything else says stop."""
    said = safe_line(reason) if reason else f"code {code or 1006}"
    if code == POLICY_CODE and reason in _PASSING:
        return Unreachable(f"The server cannot take this now ({said}).")
    if code in SESSION_CODES or (code == POLICY_CODE and reason == "not_authenticated"):
        return SignInNeeded(f"The server closed the connection ({said}). Sign in again: `sign-in`.")
    if code is not None and (code >= STOP_FROM or code in FAULT_CODES):
        return Stopped(f"The server closed the connection for good ({said}).")
    return Unreachable(f"The connection was lost ({said}).")


def failure_of_status(status: int, retry_after: str | None, body: str) -> Failure:
    """Return what an HTTP answer other than the expected one means; as ``failure_of_close``."""
    said = " ".join(safe_line(line) for line in body.split()[:60])
    if status == UNAUTHORISED:
        return SignInNeeded("The session is not, or no longer, valid. Sign in again: `sign-in`.")
    if status == TOO_MANY_REQUESTS or status >= SERVER_ERRORS_FROM:
        return Unreachable(
            f"The server cannot take this now (HTTP {status}).",
            retry_after=_seconds(retry_after or ""),
        )
    return Stopped(
        f"The server refused (HTTP {status}): {said or 'no reason given'}."
        " Check --server: is it the address of a Cloison server?"
    )


def reason_of(error: Exception) -> str:
    """Return why a connection failed, in the words of the system when it has some."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else safe_line(str(error))


def _seconds(text: str) -> float:
    # Only the form in seconds: a date would need both clocks to agree.
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() else 0.0
