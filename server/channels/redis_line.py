"""Redis line: one connection to Redis, in callbacks.

What redis-py opened (TLS, authentication, RESP3) goes on here without a task or a queue a message:
a message costs a microsecond instead of ten (docs/adr/0018). Commands of one turn of the loop leave
in one write. Decides nothing about what is said. Invariant: whatever comes that is not foreseen (an
error, an unsubscription that nobody asked for) ends the line: who is unsure starts over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import hiredis
import structlog

_log = structlog.get_logger(__name__)

_NOTHING: Final = object()
_MESSAGES: Final = frozenset({b"message", b"smessage"})
_SUBSCRIBED: Final = frozenset({b"subscribe", b"ssubscribe"})
_UNSUBSCRIBED: Final = frozenset({b"unsubscribe", b"sunsubscribe"})


class Listener(Protocol):
    """Who hears what the line brings. Neither blocks nor raises."""

    def message(self, channel: bytes, payload: bytes) -> None:
        """Take a message of a channel."""
        ...

    def subscribed(self, channel: bytes) -> None:
        """Take it that whatever is said on a channel from now on will be heard."""
        ...

    def line_lost(self) -> None:
        """Take it that nothing more comes."""
        ...


class RedisLine(asyncio.Protocol):
    """A connection that publishes and listens."""

    def __init__(self, listener: Listener, *, sharded: bool, bytes_max: int) -> None:
        self._listener = listener
        self._bytes_max = bytes_max
        self._publish, self._subscribe, self._unsubscribe = (
            (b"SPUBLISH", b"SSUBSCRIBE", b"SUNSUBSCRIBE")
            if sharded
            else (b"PUBLISH", b"SUBSCRIBE", b"UNSUBSCRIBE")
        )
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._transport: Any = None
        self._kept: Any = None
        self._outgoing: list[bytes] = []
        self._bytes = 0
        self._awaited: deque[Callable[[], None] | None] = deque()
        self._leaving: dict[bytes, int] = {}

    def take_over(self, connection: Any) -> None:
        """Go on with a connection that redis-py has opened, and keep it alive."""
        self._kept = connection
        self._transport = connection._writer.transport  # noqa: SLF001  # no public way to it
        self._transport.set_protocol(self)

    @property
    def open(self) -> bool:
        """Say whether something may come."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def crowded(self) -> bool:
        """Say whether more waits to be sent than may."""
        return not self.open or (
            self._bytes + self._transport.get_write_buffer_size() > self._bytes_max
        )

    def publish(
        self, channel: bytes, payload: bytes, done: Callable[[], None] | None = None
    ) -> None:
        """Send a message; ``done`` is called when Redis has handed it on."""
        self._awaited.append(done)
        self._send(_pack(self._publish, channel, payload))

    def subscribe(self, channel: bytes) -> None:
        """Listen to a channel, from the moment that ``subscribed`` names."""
        self._send(_pack(self._subscribe, channel))

    def unsubscribe(self, channel: bytes) -> None:
        """Listen to a channel no more."""
        self._leaving[channel] = self._leaving.get(channel, 0) + 1
        self._send(_pack(self._unsubscribe, channel))

    def abort(self) -> None:
        """End the line at once."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Send what waits, and end the line."""
        self.flush()
        if self._kept is not None:
            await self._kept.disconnect(nowait=True)

    def flush(self) -> None:
        """Send what this turn of the loop said."""
        if self._outgoing:
            outgoing, self._outgoing, self._bytes = self._outgoing, [], 0
            if self.open:
                self._transport.write(b"".join(outgoing))

    def _send(self, command: bytes) -> None:
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self.flush)
        self._outgoing.append(command)
        self._bytes += len(command)

    # -- what the transport calls

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _NOTHING:
                self._take(reply)
        except hiredis.ProtocolError:
            self._give_up("what came is not Redis's protocol")

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that nothing more comes."""
        self._awaited.clear()
        self._listener.line_lost()

    def _take(self, reply: Any) -> None:
        if type(reply) is hiredis.PushNotification:
            self._pushed(reply)
        elif isinstance(reply, hiredis.ReplyError):
            self._give_up(str(reply).partition(" ")[0])
        elif self._awaited:
            done = self._awaited.popleft()
            if done is not None:
                done()

    def _pushed(self, push: list[Any]) -> None:
        kind, channel = push[0], push[1]
        if kind in _MESSAGES:
            self._listener.message(channel, push[2])
        elif kind in _SUBSCRIBED:
            self._listener.subscribed(channel)
        elif kind in _UNSUBSCRIBED:
            self._left(channel)

    def _left(self, channel: bytes) -> None:
        """Check that it was asked for: a slot that moves to another server ends subscriptions."""
        expected = self._leaving.pop(channel, 0)
        if not expected:
            self._give_up("a subscription ended by itself")
        elif expected > 1:
            self._leaving[channel] = expected - 1

    def _give_up(self, why: str) -> None:
        _log.warning("broker_line_given_up", why=why)
        self.abort()


def _pack(*words: bytes) -> bytes:
    """Return a command as Redis reads it."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its own type says one word
    return packed
