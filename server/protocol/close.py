"""Close codes: why the server ended a connection, and whether to come back.

Two ranges, so that a client that does not know a code still does right: 4000-4499 come back
(with backoff), 4500-4999 stop until a person acts. Below 4000 the meanings are RFC 6455's.
"""

from __future__ import annotations

from enum import IntEnum


class Close(IntEnum):
    """A close code; ``reason`` is its text in the close frame and in the reference."""

    reason: str

    def __new__(cls, code: int, reason: str) -> Close:
        """Attach the reason to the code."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.reason = reason
        return member

    GOING_AWAY = 4000, "the server is stopping or restarting"
    SLOW_READER = 4001, "this client reads too slowly: connect again and resume"
    TOO_FAST = 4002, "too many requests in spite of the refusals"
    BROKEN = 4003, "an error of the server: connect again and resume"
    READER_TIME_OVER = 4004, "a reader's time is over: connect again and read on"
    CUT_OFF = 4005, "this node does not hear the others: connect again and resume"
    SESSION_EXPIRED = 4500, "the session reached its deadline: sign in again"
    SESSION_ENDED = 4501, "the session was ended: sign in again"
    NOT_AUTHENTICATED = 4502, "no valid hello within the time allowed"
    TOO_MANY_ERRORS = 4503, "too many frames that cannot be read"
    CONNECTOR_REVOKED = 4504, "the connector's token is not, or no longer, valid"
    NOT_PUBLIC = 4505, "the sphere is not public any more: forget it"

    @property
    def come_back(self) -> bool:
        """Say whether the client may connect again by itself."""
        return self < 4500
