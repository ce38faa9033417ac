"""Speaker: what a person's and a bot's connection have in common: replies, refusals, the end.

Decides when a frame leaves: with all others of the same turn of the loop, in one write. Invariant:
nothing is handed to a link that is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from server import errors
from server.gateway.link import Link
from server.protocol import replies
from server.protocol.close import Close
from server.protocol.codec import Encoding
from server.protocol.framing import TEXT, Parcel
from server.tallies import Tallies


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one connection; defaults and reasons are the settings'."""

    backlog_max: int = 128
    backlog_bytes_max: int = 131_072
    subscriptions_max: int = 500
    posts_pending_max: int = 64
    commands_per_second: float = 100
    commands_burst: int = 200
    rewrites_per_second: float = 2
    rewrites_burst: int = 50
    posts_per_second: float = 2_000
    refusals_max: int = 1_000
    hello_timeout_s: float = 10.0


class Speaker:
    """A link, an encoding, and the frames of this turn."""

    __slots__ = (
        "_greeting",
        "_outgoing",
        "_refusals",
        "_refusals_max",
        "_release",
        "_tallies",
        "encoding",
        "link",
    )

    link: Link

    def __init__(
        self,
        encoding: Encoding,
        limits: ConnectionLimits,
        release: Callable[[], None],
        tallies: Tallies,
    ) -> None:
        self._tallies = tallies
        self.encoding = encoding
        self._release = release
        self._refusals_max = limits.refusals_max
        self._refusals = 0
        self._outgoing: list[bytes] | None = None
        self._greeting: asyncio.TimerHandle | None = None

    def start(self, link: Link, hello_timeout_s: float, late: Close) -> None:
        """Take the link; the peer has ``hello_timeout_s`` to say who it is."""
        self.link = link
        if link.congested:  # by what was said before the link was handed over
            self._tallies.congested += 1
        self._greeting = asyncio.get_running_loop().call_later(hello_timeout_s, self.end, late)

    def end(self, close: Close) -> None:
        """Say what is to be said, and close."""
        self._flush()
        self.link.close(close, close.reason)

    def _greeted(self) -> None:
        """Stop waiting for hello."""
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None

    def _ended(self, code: int) -> None:
        """Count the end, and give the place back."""
        self._greeted()
        self._release()
        self._tallies.ended(code)
        if self.link.congested:
            self._tallies.congested -= 1

    def _count_congestion(self, *, congested: bool) -> None:
        self._tallies.congested += 1 if congested else -1

    def _check_kind(self, *, text: bool) -> None:
        if text is not (self.encoding.opcode == TEXT):
            raise errors.MalformedFrame("This subprotocol has the other kind of frame.")

    def _reply(self, reply: msgspec.Struct) -> None:
        """Answer; a peer that is understood starts with a clean slate."""
        self._refusals = 0
        self._say(self.encoding.encode(reply))

    def _refuse(self, request: int | None, refusal: errors.Refusal) -> None:
        """Answer with a refusal; a peer that heeds none of them is sent away."""
        self._refusals += 1
        self._tallies.refusals[refusal.code] += 1
        if self._refusals > self._refusals_max:
            fast = isinstance(refusal, errors.TooFast)
            self.end(Close.TOO_FAST if fast else Close.TOO_MANY_ERRORS)
            return
        body = replies.ErrorBody(
            code=refusal.code,
            message=refusal.message,
            temporary=refusal.temporary,
            retry_after_ms=refusal.retry_after_ms,
            destination=refusal.destination,
        )
        self._say(self.encoding.encode(replies.Error(id=request, error=body)))

    def _say(self, payload: bytes) -> None:
        """Queue a frame; all of one turn of the loop leave together."""
        if self._outgoing is None:
            self._outgoing = [payload]
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._outgoing.append(payload)

    def _flush(self) -> None:
        if self._outgoing is not None:
            payloads, self._outgoing = self._outgoing, None
            if not self.link.closed:
                self.link.send(Parcel(payloads, self.encoding.opcode))
