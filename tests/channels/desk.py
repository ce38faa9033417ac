"""A desk: the real store and the real writer, and a broker that remembers the order of things.

The store is a file of its own; commits can be held up at the very point where they are durable and
nobody has been told yet.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from server.channels.hearing import Hearing
from server.channels.outcome import Outcome, Publication
from server.channels.posts import Draft
from server.channels.writer import Result, Writer, WriterLimits
from server.parts import compose
from server.settings import Settings
from tests import engines
from tests.house import CHEAP, HandClock, House, Resident


class Desk:
    """A writer at work, and a diary of commits, publications and answers in their order."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.clock = HandClock()
        self.parts = compose(
            Settings(**{"data_dir": folder, **CHEAP, **engines.settings(folder)}), self.clock
        )
        self.database = self.parts.database
        self.house = House(self.parts, "", folder)
        self.diary: list[str] = []
        self.published: list[Publication] = []
        self.batches: list[int] = []  #: how many posts each transaction held; 0 for an action
        self.open = asyncio.Event()
        self.open.set()
        self.committed = asyncio.Event()  #: a commit is durable and held up
        self.failing: Exception | None = None
        self.hearing = Hearing()
        self.writer = Writer(
            self.database, self.parts.eraser, self, self.clock, WriterLimits(**limits)
        )
        self._ids = itertools.count(1)
        self.database.write = self._held(self.database.write)  # type: ignore[method-assign]  # slow
        self.database.append = self._held(self.database.append)  # type: ignore[method-assign]  # slow

    def _held(self, write: Any) -> Any:
        async def held(act: Any, *args: Any, **kwargs: Any) -> Any:
            result = await write(act, *args, **kwargs)
            await self._hold_up(args)
            return result

        return held

    async def _hold_up(self, args: Any) -> None:
        self.diary.append("commit")
        self.batches.append(len(args[0]) if args and isinstance(args[0], list) else 0)
        self.committed.set()
        await self.open.wait()

    def hold(self) -> None:
        """Hold up whoever commits from now on, after the commit."""
        self.open.clear()
        self.committed.clear()

    # -- a broker

    def publish(self, publication: Publication) -> None:
        """Remember a publication, or fail."""
        if self.failing is not None:
            raise self.failing
        self.published.append(publication)
        self.diary.append("publish")

    def after(self, act: Any) -> None:
        """There is no other node."""
        act()

    # -- what a test asks for

    def draft(self, sphere: str, author: Resident, body: str = "hello", **fields: Any) -> Draft:
        """Return a message of its own client id."""
        number = next(self._ids)
        given: dict[str, Any] = {
            "id": number,
            "revision": 1,
            "client_id": f"client-{number:04}",
        } | fields
        return Draft(sphere=sphere, author=author.id, body=body, **given)

    def post(self, draft: Any) -> asyncio.Future[Result]:
        """Queue a message; return what its answer will be."""
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Result) -> None:
            assert not answered.done(), "a write is answered once"
            self.diary.append("answer")
            answered.set_result(result)

        self.writer.post(draft, done)
        return answered

    async def furnished(self) -> tuple[Resident, Resident, str]:
        """Return two members, and a sphere that the first administers."""
        acme = await self.house.organisation()
        ana, bob = await self.house.resident(acme, "Ana"), await self.house.resident(acme, "Bob")
        sphere = await self.house.sphere(ana, bob)
        self.diary.clear()
        self.batches.clear()
        return ana, bob, sphere


@asynccontextmanager
async def desk(folder: Path, **limits: Any) -> AsyncIterator[Desk]:
    """Open a desk whose writer runs; close everything at the end."""
    made = Desk(folder, **limits)
    made.writer.start()
    try:
        yield made
    finally:
        made.open.set()
        await made.writer.stop()
        made.parts.passwords.close()
        await made.database.close()


def seq_of(result: Result) -> int:
    """Return the seq that a post was given. Fails when it was refused."""
    assert isinstance(result, Outcome), result
    seq: int = result.reply.seq  # type: ignore[union-attr]  # of a post
    return seq
