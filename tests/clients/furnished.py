"""Furnished: a real server with two people in a sphere, and the client's session with it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from clients.carrying import Carrier
from clients.failures import Failure
from clients.following import Following
from clients.link import Waits, dial
from clients.reconnection import Backoff
from clients.session import Bounds, Hooks, Session
from clients.timeline import Purge
from clients.wire import encoding
from tests.clients.gate import Gate
from tests.house import House, Resident
from tests.people import PATIENCE_S, Person

Frame = dict[str, Any]


@dataclass
class Furnished:
    """A server, its people, and the sphere where they are."""

    house: House
    organisation: str
    ana: Resident
    bob: Resident
    sphere: str

    async def person(self, resident: Resident) -> Person:
        """Return a connection of somebody that is not the client under test."""
        return await self.house.person(resident)


async def furnish(house: House) -> Furnished:
    """Put two people into a sphere."""
    organisation = await house.organisation()
    ana = await house.resident(organisation, "Ana")
    bob = await house.resident(organisation, "Bob")
    return Furnished(house, organisation, ana, bob, await house.sphere(ana, bob))


class News:
    """Something that changes, and somebody who waits for it, with a bound."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Wake whoever waits."""
        self._changed.set()

    async def until(self, wanted: Callable[[], bool], instead: Callable[[], object] = str) -> None:
        """Wait until the condition holds; ``instead`` tells what there was when it never did."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not wanted():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"it never came; there was: {instead()}") from None


@dataclass
class Recorder:
    """A listener that remembers, in order."""

    told: list[Frame | Purge | str] = field(default_factory=list)
    failure: Failure | None = None
    news: News = field(default_factory=News)

    def show(self, _following: Following, event: Frame) -> None:
        self._note(event)

    def purge(self, _following: Following, purge: Purge) -> None:
        self._note(purge)

    def forget(self, _following: Following) -> None:
        self._note("forget")

    def signal(self, _following: Following, _signal: Frame) -> None:
        pass  # what is true for a moment is not remembered

    def gone(self, _following: Following, failure: Failure | None) -> None:
        self.failure = failure
        self._note("gone")

    @property
    def events(self) -> list[Frame]:
        """Return the events that were shown."""
        return [each for each in self.told if isinstance(each, dict)]

    @property
    def bodies(self) -> list[str]:
        """Return the messages that were shown."""
        return [each["body"] for each in self.events if "body" in each]

    async def until(self, *wanted: str) -> None:
        """Wait until these messages were shown, in this order, and no other."""
        await self.news.until(lambda: self.bodies == list(wanted), lambda: self.bodies)

    async def until_told(self, wanted: Callable[[Frame | Purge | str], bool]) -> None:
        """Wait until something was told."""
        await self.news.until(lambda: any(map(wanted, self.told)), lambda: self.told)

    def _note(self, told: Frame | Purge | str) -> None:
        self.told.append(told)
        self.news.tell()


#: Fast, for tests: what the defaults are is tested where they are.
QUICK = Backoff(first=0.01, longest=0.05)


@asynccontextmanager
async def talking(
    url: str,
    token: str,
    *,
    waits: Waits | None = None,
    bounds: Bounds | None = None,
    hooks: Hooks | None = None,
    encoded: str = "msgpack",
) -> AsyncIterator[Session]:
    """Hold a session of the client under test."""
    dialling = functools.partial(dial, url, token, encoding(encoded), waits or Waits())
    session = Session(
        dialling,
        backoff=QUICK.afresh(),
        bounds=bounds,
        hooks=hooks,
        carrier=Carrier(url, token),
    )
    try:
        await session.open()
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def gated(
    furnished: Furnished, resident: Resident, **settings: Any
) -> AsyncIterator[tuple[Session, Gate]]:
    """Hold a session of somebody, through a gate that can be shut."""
    async with Gate(furnished.house.url) as gate:
        gate.token = await furnished.house.token(resident)
        async with talking(gate.url, gate.token, **settings) as session:
            yield session, gate
