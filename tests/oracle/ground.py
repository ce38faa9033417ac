"""Ground: the real server under a walk, in this process or in one of its own, and who is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Protocol

from server.administration.office import Office, opened
from server.administration.wishes import AnyWish
from server.clock import SystemClock
from server.protocol.scalars import MemberRole
from server.settings import Settings
from tests.house import HandClock, House, Resident, serving
from tests.oracle.model.people import Member, Organisation
from tests.oracle.model.world import World
from tests.process import Running, process

#: Bounds that a walk must not meet: they are tested elsewhere, and depend on time.
FREE: dict[str, Any] = {
    "commands_per_second": 1e9,
    "commands_burst": 1e9,
    "posts_per_second": 1e9,
    "rewrites_per_second": 1e9,
    "rewrites_burst": 1_000_000,
    "reader_commands_per_second": 1e9,
    "reader_commands_burst": 1_000_000,
    "connector_posts_per_second": 1e9,
    "connector_posts_burst": 1e9,
    "refusals_max": 1_000_000,
    "sign_ins_per_minute_per_source": 100_000,
    "sign_in_failures_per_minute": 100_000,
    "typing_every_s": 0.1,
    "typings_per_second": 1_000,
    "presence_every_s": 0.05,
    "presence_grace_s": 0.05,
    "errands_every_s": 0.05,
    "ping_interval_s": 1_000,
    "connections_per_session_max": 1_000,
}
#: The people of the two organisations; somebody of the first is in the second too.
ROLES = (
    ("manager", "member", "member", "member", "member", "visitor"),
    ("manager", "member"),
)


class Ground(Protocol):
    """What a walk asks of the server beside its sockets."""

    url: str

    def tick(self, milliseconds: int) -> None:
        """Let time pass, where the clock is moved by hand."""

    async def token(self, member: Member) -> str | None:
        """Open a session, where one can be had."""

    async def wish(self, wish: AnyWish) -> None:
        """Ask something as the operator does."""

    async def crash(self) -> None:
        """Kill the server, and start it again."""


class HouseGround:
    """A server in this process, with a clock moved by hand."""

    def __init__(self, house: House, clock: HandClock | SystemClock, office: Office) -> None:
        self._house = house
        self._clock = clock
        self._office = office
        self._residents: dict[str, Resident] = {}
        self.url = house.url
        self.worlds = 0

    def tick(self, milliseconds: int) -> None:
        """Move the clock."""
        assert isinstance(self._clock, HandClock)
        self._clock.advance(milliseconds)

    async def token(self, member: Member) -> str:
        """Open a session."""
        return await self._house.token(self._residents[member.id])

    async def wish(self, wish: AnyWish) -> None:
        """Ask something as the operator does."""
        await self._office.wish(wish)

    async def crash(self) -> None:
        """Refuse: this process would die with it."""
        raise AssertionError("a server in this process cannot be killed")

    async def world(self, rng: Random) -> World:
        """Found two organisations; somebody is a member of both."""
        self.worlds += 1
        by_hand = isinstance(self._clock, HandClock)
        world = World(now=self._clock.now() if by_hand else None)
        for place, roles in zip(("a", "b"), ROLES, strict=True):
            await self._organisation(world, f"{place}{self.worlds}", roles, rng)
        return world

    async def _organisation(
        self, world: World, handle: str, roles: Iterable[str], rng: Random
    ) -> None:
        organisation = Organisation(await self._house.organisation(handle), handle)
        organisation.directory = rng.random() < 0.5
        if organisation.directory:
            await self._house.directory(organisation.id)
        for number, role in enumerate(roles):
            name = f"{role[0].upper()}{number}{handle}"
            resident = await self._house.resident(organisation.id, name, MemberRole(role))
            self._enrol(world, organisation, resident)
        if world.organisations:
            elsewhere = [one for one in world.members if one.organisation is not organisation]
            twin = self._residents[rng.choice(elsewhere).id]
            self._enrol(world, organisation, await self._house.twin(twin, organisation.id, "Twin"))
        world.organisations.append(organisation)

    def _enrol(self, world: World, organisation: Organisation, resident: Resident) -> None:
        self._residents[resident.id] = resident
        who = resident.member
        world.members.append(
            Member(who.id, organisation, who.name, who.role.value, resident.address)
        )
        world.taken.add(who.id)


@asynccontextmanager
async def house_ground(
    folder: Path, *, fast_links: bool = True, clock: HandClock | SystemClock | None = None
) -> AsyncIterator[HouseGround]:
    """Run a server in this process until the block ends."""
    clock = clock or HandClock()
    async with (
        serving(folder, clock=clock, fast_links=fast_links, **FREE) as house,
        opened(house.parts.settings, clock) as office,
    ):
        yield HouseGround(house, clock, office)


#: Worlds that a server to be killed has: they are founded before it starts.
KILLED_WORLDS = 4
#: Sessions of each member there.
TOKENS = 8


class ProcessGround:
    """A server in a process of its own, that can be killed; its clock is its own."""

    def __init__(self, folder: Path, worlds: list[World], tokens: dict[str, list[str]]) -> None:
        self._folder = folder
        self._worlds = worlds
        self._tokens = tokens
        self._running: AbstractAsyncContextManager[Running] | None = None
        self.url = ""

    async def start(self) -> None:
        """Start the server, on whatever is in the folder."""
        settings = {name.upper(): str(value) for name, value in FREE.items()}
        self._running = process(self._folder, **settings)
        self.url = (await self._running.__aenter__()).url

    async def crash(self) -> None:
        """Kill the server, and start it again."""
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        """Kill the server."""
        if self._running is not None:
            await self._running.__aexit__(None, None, None)
            self._running = None

    def tick(self, milliseconds: int) -> None:
        """Leave time alone."""

    async def token(self, member: Member) -> str | None:
        """Return one of the sessions that were opened beforehand, if any is left."""
        left = [] if member.cut_off else self._tokens[member.id]
        return left.pop() if left else None

    async def wish(self, wish: AnyWish) -> None:
        """Ask something as the operator does, beside the server."""
        chosen: dict[str, Any] = {"data_dir": self._folder}
        async with opened(Settings(**chosen)) as office:
            await office.wish(wish)

    async def world(self, _: Random) -> World:
        """Return one of the worlds that were founded beforehand."""
        return self._worlds.pop()


@asynccontextmanager
async def process_ground(folder: Path, rng: Random) -> AsyncIterator[ProcessGround]:
    """Run a server in a process of its own until the block ends."""
    worlds: list[World] = []
    tokens: dict[str, list[str]] = {}
    async with house_ground(folder, clock=SystemClock()) as house:
        for _ in range(KILLED_WORLDS):
            worlds.append(await house.world(rng))
            for member in worlds[-1].members:
                tokens[member.id] = [await house.token(member) for _ in range(TOKENS)]
    ground = ProcessGround(folder, worlds, tokens)
    await ground.start()
    try:
        yield ground
    finally:
        await ground.stop()
