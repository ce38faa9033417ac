"""Errors: every refusal the server can give, with its wire code.

The docstring of a class is the text of ``protocol.md`` and the default message on the wire, so
it speaks to the person who must act on it. A refusal is an expected answer, never a bug: bugs
are assertions, and unexpected exceptions close the connection.

    Refusal
    |-- BadInput            what was sent cannot be read
    |   |-- MalformedFrame, UnknownCommand, InvalidField, TooLarge, PasswordRefused
    |-- Unauthenticated     who you are is not established, or no longer
    |   |-- NotAuthenticated, SignInRefused, InvitationRefused, PasswordExpired, OriginRefused,
    |   |   SecondFactorNeeded, SecondFactorRefused, SecondFactorMissing
    |-- Forbidden           who you are does not allow it
    |   |-- NotFound, NotAllowed
    |-- Conflict            the state of things does not allow it
    |   |-- StaleDestination, ClientIdReused, AlreadyInside, MayJoin, AlreadyGreeted, Full, Declined
    `-- Overloaded          not now: come back
        |-- TooFast, Busy, StorageUnavailable, OutcomeUnknown, GoingAway

Invariant: NotFound is the one answer for an id that is foreign, invisible or nonexistent; no
subclass of it, and no message of its own, may ever tell them apart.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar


class Refusal(Exception):
    """The server refused the request."""

    code: ClassVar[str] = "refused"
    temporary: ClassVar[bool] = False
    status: ClassVar[int] = 400

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_ms: int | None = None,
        destination: Any = None,
    ) -> None:
        self.message = message or self.text()
        self.retry_after_ms = retry_after_ms
        self.destination = destination
        super().__init__(self.message)

    @classmethod
    def text(cls) -> str:
        """Return the docstring as one line: the text of the reference and the default message."""
        return " ".join((inspect.getdoc(cls) or "").split())


class BadInput(Refusal):
    """What was sent cannot be read."""

    code = "bad_input"


class MalformedFrame(BadInput):
    """The frame is not a valid message of the negotiated encoding."""

    code = "malformed_frame"


class UnknownCommand(BadInput):
    """The type of the frame is not a command of this protocol."""

    code = "unknown_command"


class InvalidField(BadInput):
    """A field is missing, unknown, of the wrong type or out of bounds."""

    code = "invalid_field"


class TooLarge(BadInput):
    """The request is larger than the server accepts."""

    code = "too_large"
    status = 413


class Unauthenticated(Refusal):
    """Who you are is not established, or no longer."""

    code = "unauthenticated"
    status = 401


class NotAuthenticated(Unauthenticated):
    """Sign in first: this connection has no valid session."""

    code = "not_authenticated"


class SignInRefused(Unauthenticated):
    """The address, the password or the organisation is wrong."""

    code = "sign_in_refused"


class InvitationRefused(Unauthenticated):
    """The invitation is used, expired or not for this address, or the password is not its own."""

    code = "invitation_refused"


class SecondFactorNeeded(Unauthenticated):
    """The password is right; send the present code of the second factor with it."""

    code = "second_factor_needed"


class SecondFactorRefused(Unauthenticated):
    """The code of the second factor is wrong, or was used before: wait for the next one."""

    code = "second_factor_refused"


class SecondFactorMissing(Unauthenticated):
    """This organisation requires a second factor: set one up, then sign in."""

    code = "second_factor_missing"


class PasswordExpired(Unauthenticated):
    """The password is older than the organisation allows: change it, then sign in."""

    code = "password_expired"


class PasswordRefused(BadInput):
    """The new password does not satisfy the policy."""

    code = "password_refused"


class OriginRefused(Unauthenticated):
    """This web origin may not use the server."""

    code = "origin_refused"
    status = 403


class Forbidden(Refusal):
    """Who you are does not allow it."""

    code = "forbidden"
    status = 403


class NotFound(Forbidden):
    """No such thing, or not for you."""

    code = "not_found"
    status = 404


class NotAllowed(Forbidden):
    """Your role does not allow this here."""

    code = "not_allowed"


class Conflict(Refusal):
    """The state of things does not allow it."""

    code = "conflict"
    status = 409


class StaleDestination(Conflict):
    """The sphere changed since you last saw it: nothing was sent. See where it goes, and decide."""

    code = "stale_destination"


class ClientIdReused(Conflict):
    """This client_id already names another message: draw a new one."""

    code = "client_id_reused"


class AlreadyInside(Conflict):
    """You are already inside this sphere."""

    code = "already_inside"


class MayJoin(Conflict):
    """You need not ask: you may join."""

    code = "may_join"


class AlreadyGreeted(Conflict):
    """This connection has already said hello."""

    code = "already_greeted"


class Full(Conflict):
    """A limit of the server is reached: make room first."""

    code = "full"


class Declined(Conflict):
    """Somebody among them takes part in no new private threads: write to the others, or to all."""

    code = "declined"


class Overloaded(Refusal):
    """Not now: come back."""

    code = "overloaded"
    temporary = True
    status = 503


class TooFast(Overloaded):
    """Too many requests: slow down, and send this one again after the delay."""

    code = "too_fast"
    status = 429


class Busy(Overloaded):
    """The server has too much to do: nothing was done; send it again after the delay."""

    code = "busy"


class StorageUnavailable(Overloaded):
    """The request could not be stored: nothing was done; send it again later."""

    code = "storage_unavailable"


class OutcomeUnknown(Overloaded):
    """Whether the request was stored is not known: look again before you repeat it."""

    code = "outcome_unknown"


class GoingAway(Overloaded):
    """The server is stopping: nothing was done; connect again."""

    code = "going_away"
