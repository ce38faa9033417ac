"""Failures: every way in which an order to this client can end badly, with its exit code.

    Failure                 exit  what it means
    |-- Misuse               2    the order itself is wrong: nothing was sent
    |-- Refused              1    the server said no (4 when it is about who you are)
    |-- Stopped              1    the server ended the conversation for good
    |-- Unreachable          3    no server, or the connection broke: come back
    |   `-- AnswerLost       3    it was sent, and the connection broke before the answer
    `-- SignInNeeded         4    there is no valid session
        `-- TokenDead        4    the one that this device remembered is over

Decides what a person is told and what a script can test. Invariant: a failure always says what
to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What to do about a refusal, by its wire code: the server says what, a client knows how.
ADVICE: Mapping[str, str] = {
    "not_authenticated": "Sign in first: `sign-in`.",
    "sign_in_refused": "Check --organisation, --address and the password, and try again.",
    "password_expired": "Change it with `password`, then sign in.",
    "password_refused": "Choose another one.",
    "invitation_refused": "Ask whoever invited you for another.",
    "origin_refused": "Ask the operator of the server.",
    "not_found": "`spheres` lists what is there for you.",
    "not_allowed": "Ask an administrator of the sphere.",
    "client_id_reused": "Send it again: a new id is drawn each time.",
    "already_inside": "Nothing is left to do.",
    "invalid_field": "Correct it; if it looks right, this client and the server differ in version.",
    "malformed_frame": "This client and the server may differ in version.",
    "unknown_command": "This client and the server may differ in version.",
    "too_large": "Shorten it, or send it in parts.",
    "too_fast": "Wait, then try again.",
    "busy": "Nothing was done: try again later.",
    "storage_unavailable": "Nothing was done: try again later.",
    "outcome_unknown": "Look whether it was done before you repeat it.",
    "going_away": "Nothing was done: try again later.",
}

#: Refusals that a valid session would cure.
IDENTITY_CODES = frozenset(
    {"not_authenticated", "sign_in_refused", "invitation_refused", "password_expired"}
)


class Failure(Exception):  # a refusal is no error of ours
    """An order could not be carried out."""

    exit_code: int = 1
    code: str = "failure"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        self.message = message
        self.code = code or type(self).code
        super().__init__(message)

    def record(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {"error": {"code": self.code, "message": self.message}}


class Misuse(Failure):
    """The order itself is wrong: nothing was sent."""

    exit_code = 2
    code = "usage"


class Refused(Failure):
    """The server said no; ``destination`` is set when a post named a stale one."""

    code = "refused"

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code = str(error.get("code", "refused"))
        self.temporary = bool(error.get("temporary", False))
        self.retry_after = _seconds(error.get("retry_after_ms"))
        self.destination: Mapping[str, Any] | None = error.get("destination")
        self.error = dict(error)
        said = str(error.get("message", "The server refused."))
        super().__init__(f"{said} {ADVICE.get(self.code, '')}".strip(), code=self.code)
        self.exit_code = SignInNeeded.exit_code if self.code in IDENTITY_CODES else 1

    def record(self) -> dict[str, Any]:
        """Return what the server sent, whole."""
        return {"error": self.error}


class Stopped(Failure):
    """The server ended the conversation, and coming back would not help."""

    code = "stopped"


class Unreachable(Failure):
    """There is no server there, or the connection broke: ``retry_after`` is in seconds."""

    exit_code = 3
    code = "unreachable"

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class AnswerLost(Unreachable):
    """The order was sent, and the connection broke before the answer came."""

    code = "answer_lost"


class SignInNeeded(Failure):
    """There is no valid session, and a person must open one."""

    exit_code = 4
    code = "sign_in_needed"


class TokenDead(SignInNeeded):
    """The session that this device remembered is over; nothing was asked of the server yet."""


def forgotten() -> Refused:
    """Return the refusal that stands for a sphere which was there a moment ago."""
    message = "You are not in this sphere any more: forget what you saw of it."
    return Refused({"code": "not_found", "message": message, "temporary": False})


def _seconds(milliseconds: object) -> float:
    # A server's figure: a broken one must not stop the client, nor make it wait for a day.
    if isinstance(milliseconds, (int, float)) and milliseconds > 0:
        return min(float(milliseconds) / 1000, 3600.0)
    return 0.0
