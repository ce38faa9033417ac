"""Writer: the one queue of writes. Commit, then publish, then answer.

Decides the order of everything that changes a timeline, and how many posts share a commit: whatever
is ready when the writer is free, within bounds. A lone post costs one commit; while one is under
way the next batch gathers, so a flood costs few. Touches no socket and knows no SQL. Invariant:
nothing is published or acknowledged that is not durable, and publications leave in commit order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import msgspec
import structlog

from server import errors
from server.channels.broker import Publisher
from server.channels.outcome import Outcome, Request
from server.channels.posts import AnyDraft, commit_posts
from server.clock import Clock
from storage.database import Database, Transaction
from storage.erasure import Eraser

P = ParamSpec("P")
T = TypeVar("T")

#: What a write came to: its outcome, a refusal, or a bug.
Result = Outcome | BaseException
Done = Callable[[Result], None]

_log = structlog.get_logger(__name__)


#: What is told of a write that was under way when the server had to stop.
OUTCOME_UNKNOWN = (
    "The server is stopping: whether this was done is not known. Connect again, and send it again."
)


class WriterLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the queue and of one transaction; reasons in the settings."""

    writer_queue_max: int = 20_000
    writer_bytes_max: int = 67_108_864
    batch_posts_max: int = 512
    batch_bytes_max: int = 262_144
    drain_s: float = 5.0


class _Post(msgspec.Struct, frozen=True, gc=False):
    draft: AnyDraft
    done: Done


class _Act(msgspec.Struct, frozen=True):
    act: Callable[[Transaction], Outcome]
    done: Done
    size: int


def _size(item: _Post | _Act) -> int:
    return item.draft.size if isinstance(item, _Post) else item.size


def _answer(item: _Post | _Act, result: Result) -> None:
    """Answer one write; a connection that cannot take its answer is its own affair."""
    try:
        item.done(result)
    except Exception as bug:  # noqa: BLE001  # the writer must outlive it
        _log.error("answer_failed", error=type(bug).__name__)


class Writer:
    """Takes writes from every connection of this node, one transaction after the other."""

    def __init__(
        self,
        database: Database,
        eraser: Eraser,
        broker: Publisher,
        clock: Clock,
        limits: WriterLimits,
    ) -> None:
        self._database = database
        self._eraser = eraser
        self._broker = broker
        self._clock = clock
        self._limits = limits
        self._queue: deque[_Post | _Act] = deque()
        self._bytes = 0
        self._turning: list[_Post | _Act] = []  #: taken, not yet answered
        self._wake: asyncio.Future[None] | None = None
        self._settled: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to write, on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="writer")

    async def stop(self) -> None:
        """Finish what is queued, within ``drain_s``; refuse what comes after, and the rest."""
        self._stopping = True
        self._notify()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=self._limits.drain_s)
            if not done:
                self._task.cancel()
                await asyncio.wait([self._task])
        for item in self._turning:
            _answer(item, errors.GoingAway(OUTCOME_UNKNOWN))
        for item in self._take_all():
            _answer(item, errors.GoingAway())

    @property
    def depth(self) -> int:
        """Return how many writes wait."""
        return len(self._queue)

    @property
    def bytes(self) -> int:
        """Return how many bytes of posts wait."""
        return self._bytes

    def post(self, draft: AnyDraft, done: Done) -> None:
        """Queue a message; ``done`` is called once, on the loop, after it was published."""
        self._admit(_Post(draft, done))

    async def act(
        self,
        act: Callable[Concatenate[Transaction, P], Outcome],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Outcome:
        """Queue an action; return its outcome after it was published. Raises its refusal."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(result: Result) -> None:
            if future.cancelled():
                return
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

        size = sum(one.size for one in args if isinstance(one, Request))
        self._admit(_Act(lambda tx: act(tx, *args, **kwargs), done, size))
        return await future

    async def settled(self) -> None:
        """Wait until whatever is committed at this moment is published too."""
        if self._settled is not None:
            await asyncio.shield(self._settled)

    def _admit(self, item: _Post | _Act) -> None:
        if self._stopping:
            item.done(errors.GoingAway())
        elif self._is_full():
            item.done(errors.Busy(retry_after_ms=1_000))
        else:
            self._queue.append(item)
            self._bytes += _size(item)
            self._notify()

    def _is_full(self) -> bool:
        limits = self._limits
        return len(self._queue) >= limits.writer_queue_max or self._bytes >= limits.writer_bytes_max

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not (self._stopping and not self._queue):
            if not self._queue:
                self._wake = loop.create_future()
                await self._wake
                self._wake = None
                continue
            self._settled = loop.create_future()
            try:
                await self._turn()
            finally:
                self._settled.set_result(None)
                self._settled = None

    async def _turn(self) -> None:
        """Commit, publish and answer the next batch of posts, or the next action."""
        items = self._turning = self._next()
        head = items[0]
        if isinstance(head, _Act):
            results = [await self._commit_act(head)]
        else:
            results = await self._commit_posts([item for item in items if isinstance(item, _Post)])
        for result in results:
            if isinstance(result, Outcome):
                self._publish(result)
        if any(isinstance(result, errors.OutcomeUnknown) for result in results):
            self._doubt()
        if any(isinstance(result, Outcome) and result.erased for result in results):
            await self._scrub()
        self._turning = []
        for item, result in zip(items, results, strict=True):
            if isinstance(item, _Act):
                # Not before nobody, on any node, is handed what was taken from them.
                self._broker.after(partial(_answer, item, result))
            else:
                _answer(item, result)

    def _doubt(self) -> None:
        """Have everybody come back, and read what the store holds: here that is not known.

        Somebody may be out of a sphere by now, and still be on its list.
        """
        self._eraser.pending = True  # keys may be doomed
        self._broker.hearing.send_away()

    async def _scrub(self) -> None:
        """Finish an erasure; what cannot be finished now stays pending."""
        try:
            await self._eraser.scrub(retry=False)
        except Exception as bug:  # noqa: BLE001  # the writer must outlive it
            _log.error("erasure_postponed", error=type(bug).__name__)

    def _publish(self, outcome: Outcome) -> None:
        """Publish a commit. It is durable whatever becomes of this: clients see gaps in seq."""
        try:
            self._broker.publish(outcome.publication)
        except Exception as bug:  # noqa: BLE001  # the writer must outlive it
            _log.error("publication_failed", error=type(bug).__name__)

    def _next(self) -> list[_Post | _Act]:
        """Take the next action, or the posts up to it, within the bounds of a batch."""
        taken = [self._pop()]
        if isinstance(taken[0], _Act):
            return taken
        room = self._limits.batch_bytes_max - taken[0].draft.size
        while self._queue and len(taken) < self._limits.batch_posts_max:
            item = self._queue[0]
            if isinstance(item, _Act) or item.draft.size > room:
                break
            room -= item.draft.size
            taken.append(self._pop())
        return taken

    def _pop(self) -> _Post | _Act:
        item = self._queue.popleft()
        self._bytes -= _size(item)
        return item

    async def _commit_act(self, item: _Act) -> Result:
        try:
            return await self._database.write(item.act)
        except errors.Refusal as refusal:
            return refusal
        except Exception as bug:  # noqa: BLE001  # one action's bug must not stop the writer
            _log.error("write_failed", error=type(bug).__name__)
            return bug

    async def _commit_posts(self, items: list[_Post]) -> list[Result]:
        drafts = [item.draft for item in items]
        try:
            return list(await self._database.append(commit_posts, drafts, self._clock.now()))
        except errors.Refusal as refusal:
            return [refusal] * len(items)
        except Exception as bug:  # noqa: BLE001  # see below
            _log.error("batch_failed", error=type(bug).__name__, posts=len(items))
            if len(items) == 1:
                return [bug]
            # One draft that no rule foresaw must not take the others down: each by itself.
            return [result for item in items for result in await self._commit_posts([item])]

    def _take_all(self) -> list[_Post | _Act]:
        items = list(self._queue)
        self._queue.clear()
        self._bytes = 0
        return items
