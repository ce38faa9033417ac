"""Session: a signed-in device talking to the server, over as many connections as it takes.

Comes back by itself, subscribes again, fills what was missed. Decides when; ``reconnection``
decides whether, ``timeline`` what to show, ``postman`` what becomes of messages. Invariant: there
is one link at most, and whoever awaits something of the session gets it or learns why it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from clients.carrying import Carrier
from clients.failures import (
    AnswerLost,
    Failure,
    Refused,
    SignInNeeded,
    TokenDead,
    Unreachable,
)
from clients.following import Following
from clients.link import Dial, Link
from clients.outbox import Parcel
from clients.postman import Postman
from clients.private import seal
from clients.reconnection import Backoff
from clients.wire import Frame, draw_client_id

T = TypeVar("T")

#: Commands that can be sent again when the answer was lost: they change nothing, or the same.
REPEATABLE: Final = frozenset(
    {"list", "subscribe", "unsubscribe", "history", "oversee", "converse", "mark_read", "journal"}
)
#: What happens in a sphere and is not written down.
SIGNALS: Final = frozenset({"presence", "typing", "read_shown"})
_FORGOTTEN: Final = frozenset({"sphere_forgotten", "thread_forgotten"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What this client will do at most; seconds, unless said."""

    #: Unacknowledged messages. The server refuses more than about 64 a connection.
    window: int = 32
    #: Without any connection: before the first one, and after it.
    patience: float = 10.0
    patience_after: float = float("inf")
    #: Over the temporary refusals of one order.
    patience_refused: float = 60.0
    #: An acknowledgement. As for any reply.
    acknowledgement: float = 30.0


def _silent(_said: object) -> None:
    """Say nothing."""


@dataclass(slots=True)
class Hooks:
    """Whom a session tells, and of what."""

    #: A notice of the server.
    notice: Callable[[Frame], None] = field(default=_silent)
    #: Its own troubles, in a sentence.
    tell: Callable[[str], None] = field(default=_silent)
    #: The spheres where I am, each time it comes back: what else is held is to be forgotten.
    inside: Callable[[AbstractSet[str]], None] = field(default=_silent)


class Session:
    """A conversation that outlives its connections; ``ended`` is done when it is over."""

    def __init__(
        self,
        dial: Dial,
        *,
        backoff: Backoff | None = None,
        bounds: Bounds | None = None,
        hooks: Hooks | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        self.carrier = carrier  #: of files; none: this session brings and saves none
        self.hooks = hooks or Hooks()
        self.welcome: Frame = {}
        self._dial = dial
        self._backoff = backoff or Backoff()
        self._bounds = bounds or Bounds()
        self._link: Link | None = None
        self._followings: dict[str, Following] = {}
        self._postman = Postman(
            self._backoff, window=self._bounds.window, patience=self._bounds.acknowledgement
        )
        self._turned = asyncio.Event()
        self._attention = asyncio.Event()

    async def open(self) -> None:
        """Connect. Raises TokenDead, Stopped, or Unreachable once patience is over."""
        self.ended = asyncio.create_task(self._live())
        try:
            await self._linked()
        except SignInNeeded as failure:
            raise TokenDead(failure.message) from None

    async def close(self) -> None:
        """End the conversation; messages still unacknowledged are reported as such."""
        self.ended.cancel()
        with contextlib.suppress(Failure, asyncio.CancelledError):
            await self.ended

    @property
    def connected(self) -> bool:
        """Say whether there is a connection at this moment."""
        return self._link is not None

    async def request(self, kind: str, **fields: Any) -> Frame:
        """Send a command and return its reply, over a later connection if need be.

        Temporary refusals are sent again after the delay that the server asks. Raises Refused, or
        AnswerLost when the connection broke after a command that must not be sent twice.
        """
        while True:
            link = await self._linked()
            try:
                return await self._insist(link, kind, **fields)
            except Unreachable as lost:
                if kind not in REPEATABLE:
                    raise AnswerLost(
                        f"{lost.message} The order may or may not have been carried out:"
                        " look before you repeat it."
                    ) from None
                await self._linked(other_than=link)

    async def follow(self, following: Following) -> None:
        """Show a sphere from now on. Raises Refused when it is not there for me."""
        following.renew()
        self._followings[following.id] = following
        self._attention.set()
        try:
            await self._unless_ended(following.begun)
        except Refused:
            self._followings.pop(following.id, None)
            raise

    def drop(self, following: Following) -> None:
        """Stop showing a sphere that was just left: there is nothing to tell the server."""
        self._followings.pop(following.id, None)
        following.suspend()

    async def unfollow(self, following: Following) -> None:
        """Stop showing a sphere."""
        if self._followings.pop(following.id, None) is None:
            return
        following.suspend()
        if self._link is not None:
            with contextlib.suppress(Refused, Unreachable):
                await self.request("unsubscribe", **following.place)

    async def share(
        self, sphere: str, revision: int, body: str, client_id: str | None = None, **more: Any
    ) -> asyncio.Future[Frame]:
        """Post a message; return where its acknowledgement, or its refusal, will be.

        ``more`` fields: the message that it answers, whom it mentions, the thread that it is for.
        Waits for room first: no more than the window is unacknowledged at any time.
        """
        await self._unless_ended(self._postman.room())
        fields = {"sphere": sphere, "revision": revision, **more}
        fields |= {"body": body} if "thread" not in more else seal(body)
        fields["client_id"] = client_id or draw_client_id()
        return self._postman.put(Parcel(fields))

    async def _live(self) -> None:
        try:
            while True:
                link = await self._reach()
                try:
                    await self._attend_to(link)
                except Unreachable as lost:
                    self.hooks.tell(lost.message)
        except Failure as failure:
            self._postman.end(failure)
            raise
        finally:
            self._postman.end(Unreachable("It was not acknowledged."))

    async def _reach(self) -> Link:
        loop = asyncio.get_running_loop()
        since = loop.time()
        patience = self._bounds.patience_after if self.welcome else self._bounds.patience
        delay = self._backoff.delay() if self.welcome else 0.0
        told = False
        while True:
            await asyncio.sleep(delay)
            try:
                link = await self._dial(self._hear)
            except Unreachable as failure:
                delay = self._backoff.delay(failure.retry_after)
                if loop.time() + delay - since > patience:
                    raise
                if not told:
                    self.hooks.tell(f"{failure.message} Trying again")
                    told = True
            else:
                if self.welcome:
                    self.hooks.tell("Connected again")
                return link

    async def _attend_to(self, link: Link) -> None:
        back, self.welcome = bool(self.welcome), link.welcome
        self._backoff.reset()
        self._turn(link)
        duties = [
            link.reader,
            asyncio.create_task(self._keep_up(link, back=back)),
            asyncio.create_task(self._postman.carry(link)),
        ]
        try:
            await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._part_from(link, duties)
        self._raise_why(duties)

    async def _part_from(self, link: Link, duties: list[asyncio.Task[None]]) -> None:
        self._turn(None)
        for duty in duties[1:]:
            duty.cancel()
        await link.close()
        await asyncio.wait(duties)
        for following in self._followings.values():
            following.suspend()
        self._postman.come_back()

    def _raise_why(self, duties: list[asyncio.Task[None]]) -> None:
        failures = [duty.exception() for duty in duties if not duty.cancelled()]
        # A bug, or a pipe that broke, must be heard; then, a reason to stop; then to come back.
        for kinds in ((Failure,), (Unreachable,), ()):
            for failure in failures:
                if failure is not None and not isinstance(failure, kinds):
                    raise failure

    async def _keep_up(self, link: Link, *, back: bool) -> None:
        """Subscribe to what is followed, and ask for what is missing, as long as the link lasts."""
        if back:
            listed = await self._insist(link, "list")
            threads = {view["thread"] for view in listed.get("threads", ())}
            self.hooks.inside({view["sphere"] for view in listed["spheres"]} | threads)
        while True:
            self._attention.clear()
            for following in list(self._followings.values()):
                try:
                    await self._advance(link, following)
                except Refused as refused:
                    self._followings.pop(following.id, None)
                    following.end(refused)
            await self._attention.wait()

    async def _advance(self, link: Link, following: Following) -> None:
        if not following.subscribed:
            after = following.timeline.shown
            reply = await self._insist(link, "subscribe", **following.place, after=after)
            following.begin(reply)
        while (ask := following.timeline.ask()) is not None:
            page = await self._insist(
                link, "history", **following.place, after=ask.after, limit=ask.limit
            )
            following.take(ask, page)

    async def _insist(self, link: Link, kind: str, **fields: Any) -> Frame:
        backoff, since = self._backoff.afresh(), asyncio.get_running_loop().time()
        while True:
            try:
                return await link.request(kind, **fields)
            except Refused as refused:
                delay = backoff.delay(refused.retry_after)
                waited = asyncio.get_running_loop().time() - since
                if not refused.temporary or waited + delay > self._bounds.patience_refused:
                    raise
                await asyncio.sleep(delay)

    def _hear(self, frame: Frame) -> None:
        following = self._followings.get(str(frame.get("thread") or frame.get("sphere")))
        if frame["type"] in _FORGOTTEN:
            self._forget(frame)
        elif following is not None and frame["type"] in SIGNALS:
            following.signal(frame)
        elif "seq" in frame and "at" in frame and following is not None:
            following.hear(frame)
            self._attention.set()
        if frame["type"] == "error":
            self.hooks.tell(Refused(frame["error"]).message)
        elif "at" not in frame:
            self.hooks.notice(frame)

    def _forget(self, frame: Frame) -> None:
        """End what follows a thread that was left; or a sphere, and every thread in it."""
        thread = frame.get("thread")
        for following in tuple(self._followings.values()):
            place = following.place
            if place["sphere"] == frame["sphere"] and thread in {None, place.get("thread")}:
                del self._followings[following.id]
                following.end(None)

    def _turn(self, link: Link | None) -> None:
        self._link = link
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def _linked(self, other_than: Link | None = None) -> Link:
        while self._link is None or self._link is other_than:
            await self._unless_ended(self._turned.wait())
        return self._link

    async def _unless_ended(self, awaited: Awaitable[T]) -> T:
        """Return what ``awaited`` gives; raise why the session ended, if that comes first."""
        task = asyncio.ensure_future(awaited)
        try:
            await asyncio.wait({task, self.ended}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            task.cancel()
        if not self.ended.cancelled():
            self.ended.result()
        raise Unreachable("The conversation is over.")
