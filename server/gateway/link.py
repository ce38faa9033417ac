"""Link: the outgoing half of a connection, and who hears of its incoming half.

Decides the contract between what carries frames (``slim.py`` inside uvicorn, ``plain.py`` over any
ASGI server) and who speaks on them, and knows neither sessions nor spheres. Invariant: ``closed``
turns true and ``connection_lost`` is called in one breath, before the close frame is written, so
that whoever writes straight to ``raw_write`` has stopped by then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from server.protocol.framing import Parcel

__all__ = ["Link", "LinkLimits", "Parcel", "Receiver"]


class LinkLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one connection; the settings of the same names say why."""

    message_bytes_max: int = 65_536  #: a larger message closes with 1009, unread
    outbox_bytes_high: int = 65_536  #: beyond it the reader is congested, until a quarter of it
    outbox_bytes_max: int = 1_048_576  #: beyond it the reader is cut with 4001
    http_head_bytes_max: int = 32_768  #: of a request's head; uvicorn would keep it all
    http_connections_per_address_max: int = 500  #: that are no WebSockets (yet)
    flood_pause_s: float = 0.01  #: after a full turn of frames: 25,600 a second are beyond any use
    handshake_timeout_s: float = 10.0  #: for the request to arrive and to be answered
    close_timeout_s: float = 5.0  #: for the peer to take its leave; then it is cut
    ping_interval_s: float = 20.0  #: below the 30 s after which common proxies forget a connection
    ping_timeout_s: float = 20.0  #: without a single byte after a ping: the peer is gone


class Receiver(Protocol):
    """What a link talks to. Its methods may be called from inside the link's own, and never raise.

    A receiver never hears from a link that it has not been given: the first call comes in a later
    turn of the loop than the link itself.
    """

    def message_received(self, data: bytes, text: bool) -> None:  # noqa: FBT001 - the hottest call there is
        """Take one whole message; ``text`` is true when it came as (valid) UTF-8."""
        ...

    def congestion_changed(self, congested: bool) -> None:  # noqa: FBT001 - as above
        """Note that the reader went over its high-water mark, or came back under it."""
        ...

    def connection_lost(self, code: int) -> None:
        """Note the end, with its close code; called exactly once, and nothing is called after."""
        ...


class Link(Protocol):
    """The outgoing half of a connection: never blocks, and never raises."""

    @property
    def congested(self) -> bool:
        """Say whether the reader is over its high-water mark."""
        ...

    @property
    def closed(self) -> bool:
        """Say whether the link is closing or lost: what is written then is dropped."""
        ...

    @property
    def buffered(self) -> int:
        """Return how many bytes were handed over and not yet taken by the kernel."""
        ...

    @property
    def unsent(self) -> bool:
        """Say whether bytes may not have left this machine yet; ``abort`` drops them."""
        ...

    @property
    def raw_write(self) -> Callable[[bytes], None] | None:
        """Return a short cut for framed blobs, to be used while neither congested nor closed."""
        ...

    def send(self, parcel: Parcel) -> None:
        """Queue ``parcel``, or cut the reader with Close.SLOW_READER if its outbox is full.

        A reader that is not congested takes any one parcel, whatever its size.
        """
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, then a close frame, then nothing.

        The peer has ``close_timeout_s`` to take it all and to answer; then it is cut.
        """
        ...

    def abort(self) -> None:
        """Cut the connection now: unsent bytes are dropped, nothing more leaves."""
        ...

    def pause_reading(self) -> None:
        """Deliver no message until ``resume_reading``; the peer feels it as back-pressure."""
        ...

    def resume_reading(self) -> None:
        """Deliver messages again, from a later turn of the loop."""
        ...
