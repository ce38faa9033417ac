"""Postman: carries messages over whatever link there is, until their fate is known.

The ``outbox`` decides what may be sent now and what again; this sends it, and takes the answers.
Invariant: a message given to ``put`` is acknowledged, refused, or reported as not acknowledged:
never dropped in silence.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from functools import partial

from clients.failures import Failure, Refused, Unreachable
from clients.link import Link
from clients.outbox import Outbox, Parcel
from clients.reconnection import Backoff
from clients.wire import Frame

Fate = asyncio.Future[Frame]


class Postman:
    """Messages on their way: ``window`` at most are unacknowledged at any time.

    ``patience`` is how long to wait for an acknowledgement before giving up the link, in seconds.
    """

    def __init__(self, backoff: Backoff, *, window: int, patience: float) -> None:
        self._backoff = backoff
        self._patience = patience
        self._outbox = Outbox()
        self._room = asyncio.Semaphore(window)
        self._news = asyncio.Event()

    async def room(self) -> None:
        """Wait until one more message may be put."""
        await self._room.acquire()

    def put(self, parcel: Parcel) -> Fate:
        """Take a message, for which there is room; return where its fate will be."""
        fate: Fate = asyncio.get_running_loop().create_future()
        fate.add_done_callback(lambda _fate: self._room.release())
        parcel.fate = fate
        self._outbox.put(parcel)
        self._news.set()
        return fate

    async def carry(self, link: Link) -> None:
        """Send what waits, as long as the link lasts. Raises Unreachable when nobody answers."""
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            while (parcel := self._outbox.next(loop.time())) is not None:
                await self._send(link, parcel)
            if self._outbox.overdue(loop.time(), self._patience):
                raise Unreachable("The server does not acknowledge.")
            # Woken by a message, an answer or a delay; at the latest to look for what is overdue.
            pause = self._outbox.pause(loop.time()) or self._patience / 4
            # Not wait_for: on Python 3.11 it may swallow a cancellation that meets its result.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    def come_back(self) -> None:
        """Take back what was in flight on a link that is gone."""
        self._give_up(self._outbox.lose(), Unreachable("It was sent too often, in vain."))

    def end(self, failure: Failure) -> None:
        """Report that whatever is left is not acknowledged."""
        self._give_up(self._outbox.clear(), failure)

    async def _send(self, link: Link, parcel: Parcel) -> None:
        try:
            reply = await link.send("post", **parcel.fields)
        except Unreachable:
            raise
        except Failure as failure:
            self._give_up([parcel], failure)
        else:
            reply.add_done_callback(partial(self._answered, parcel))

    def _answered(self, parcel: Parcel, reply: Fate) -> None:
        failure = reply.exception()
        if failure is None:
            self._outbox.settle(parcel)
            if not parcel.fate.done():
                parcel.fate.set_result(reply.result())
        elif isinstance(failure, Refused):
            self._refused(parcel, failure)
        # Otherwise the link is gone: the outbox takes the message back in ``come_back``.
        self._news.set()

    def _refused(self, parcel: Parcel, refused: Refused) -> None:
        delay = self._backoff.afresh().delay(refused.retry_after)
        until = asyncio.get_running_loop().time() + delay
        if not refused.temporary or not self._outbox.postpone(parcel, until):
            self._give_up([parcel], refused)

    def _give_up(self, parcels: Iterable[Parcel], failure: Failure) -> None:
        for parcel in parcels:
            self._outbox.settle(parcel)
            if not parcel.fate.done():
                parcel.fate.set_exception(failure)
                parcel.fate.exception()  # retrieved: a sender that left is not an accident
