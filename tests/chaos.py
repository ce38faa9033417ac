"""Chaos: three nodes, people who talk, and a broker that dies: then the history is checked.

``python -m tests.chaos 60`` runs for a minute: three server processes on one PostgreSQL and one
Redis of their own. Redis is killed and halted, nodes are killed, halted and started again, lines
are broken, while people post on all nodes. Every acknowledged post must have its own place, and
every client must have heard each timeline in order, without a gap, nothing twice, over all its
connections and up to its end. Prints the seed. (That walls hold is the storm's to prove.)
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from websockets.exceptions import WebSocketException

from tests import engines
from tests.house import House, Resident, compose_only
from tests.people import Frame, Person, Refused
from tests.process import Running, process
from tests.redis_server import RedisServer

NODES = 3
PEOPLE = 9
SPHERES = 3
#: Seconds of talk after the last blow.
CALM_S = 3.0
#: What may happen to a person who talks while the ground shakes.
_TROUBLES = (Refused, ConnectionError, OSError, WebSocketException, TimeoutError, EOFError)


class Verdict(msgspec.Struct):
    """What came of it."""

    acknowledged: int = 0
    heard: int = 0
    reconnections: int = 0
    blows: int = 0
    faults: list[str] = []


class Node:
    """A place where a node runs, or will again."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._stack = AsyncExitStack()
        self.running: Running | None = None

    async def start(self) -> None:
        """Start it, at the same address as before."""
        self._stack = AsyncExitStack()
        self.running = await self._stack.enter_async_context(
            process(self._folder, **self._settings)
        )
        self._settings["PORT"] = self.running.url.rpartition(":")[2]

    async def kill(self) -> None:
        """Kill it."""
        self.running = None
        await self._stack.aclose()


class Talker:
    """A client that comes back, resumes, and remembers what it heard of each sphere."""

    def __init__(self, who: Resident, token: str, nodes: list[Node], dice: random.Random) -> None:
        self.who = who
        self.token = token
        self._nodes = nodes
        self._dice = dice
        self.head: dict[str, int] = {}
        self.first: dict[str, int] = {}
        self.heard: dict[str, list[int]] = {}
        self.acknowledged: list[tuple[str, str, int]] = []
        self.reconnections = 0
        self.faults: list[str] = []
        self.calm = asyncio.Event()  #: this client is silent, and listens or not
        self.ends: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()

    async def talk(self, spheres: list[str], until: float) -> None:
        """Talk until it is time."""
        while time.monotonic() < until:
            try:
                await self._session(spheres, until)
            except _TROUBLES:
                self.reconnections += 1
                await asyncio.sleep(self._dice.random() * 0.3)
        self.calm.set()

    async def _session(self, spheres: list[str], until: float) -> None:
        node = self._dice.choice(self._nodes)
        if node.running is None:
            raise ConnectionError("no node there")
        person = Person(node.running.url, self.token)
        resumed: list[str] = []  #: of the others it is not known what is before their live events
        try:
            async with asyncio.timeout(5):
                await person.hello()
            for sphere in spheres:
                await self._resume(person, sphere)
                resumed.append(sphere)
            while time.monotonic() < until and person.close_code is None:
                await self._post(person, self._dice.choice(spheres))
                if self._dice.random() < 0.01 and time.monotonic() < until - CALM_S:
                    person.cut()
                await asyncio.sleep(self._dice.random() * 0.05)
            if until and person.close_code is None:
                await self._hear_the_end(person)
        finally:
            self._take(person, resumed)
            await person.close()

    async def _hear_the_end(self, person: Person) -> None:
        """Hear, on a connection that lasted through the last blows, what is said after them."""
        self.calm.set()
        for sphere, head in (await self.ends).items():
            try:
                async with asyncio.timeout(10):
                    await person.until(
                        lambda frame: frame.get("sphere") == sphere and frame.get("seq") == head  # noqa: B023  # awaited here
                    )
            except TimeoutError:
                self.faults.append(f"{self.who.member.name} is stuck in {sphere} below {head}")

    async def _post(self, person: Person, sphere: str) -> None:
        async with asyncio.timeout(10):
            client_id = secrets.token_hex(8)
            reply = await person.post(sphere, "word", client_id=client_id)
        self.acknowledged.append((sphere, client_id, reply["seq"]))

    async def _resume(self, person: Person, sphere: str) -> None:
        """Subscribe, and read what was missed before."""
        async with asyncio.timeout(10):
            snapshot = await person.call("subscribe", sphere=sphere, after=self.head.get(sphere))
            head = snapshot["sphere"]["head"]
            known = self.head.get(sphere)
            if known is None:
                self.head[sphere] = self.first[sphere] = head
                return
            while known < head:
                page = await person.call("history", sphere=sphere, after=known, limit=500)
                self._note(sphere, [one for one in page["events"] if one["seq"] <= head])
                known = self.head[sphere]

    def _take(self, person: Person, spheres: list[str]) -> None:
        """Remember what this connection heard live, above the snapshots it began with."""
        for sphere in spheres:
            live = [
                frame
                for frame in person.frames
                if frame.get("sphere") == sphere
                and isinstance(frame.get("seq"), int)
                and "id" not in frame
            ]
            seqs = [frame["seq"] for frame in live]
            if seqs != sorted(set(seqs)):
                self.faults.append(f"{self.who.member.name} heard out of order, or twice: {seqs}")
            self._note(sphere, live)

    def _note(self, sphere: str, events: list[Frame]) -> None:
        for event in events:
            seq, head = event["seq"], self.head.get(sphere)
            if head is None or seq <= head:
                continue
            if seq != head + 1:
                self.faults.append(f"{self.who.member.name} missed {head + 1}..{seq - 1}")
            self.head[sphere] = seq
            self.heard.setdefault(sphere, []).append(seq)


async def _blows(
    nodes: list[Node], redis: RedisServer, dice: random.Random, until: float, verdict: Verdict
) -> None:
    """Strike every second or two."""
    while time.monotonic() < until:
        await asyncio.sleep(1 + dice.random())
        verdict.blows += 1
        blow = dice.choice(("redis dies", "redis halts", "node dies", "node halts", *3 * ["break"]))
        if blow == "redis dies":
            redis.kill()
            await asyncio.sleep(dice.random() * 2)
            await asyncio.to_thread(redis.start)
        elif blow == "break":
            redis.break_lines()
        elif blow == "redis halts":
            redis.halt()
            await asyncio.sleep(dice.random() * 2)
            redis.go_on()
        else:
            await _strike(dice.choice(nodes), blow, dice)
    # After this one nobody reconnects: what the nodes do not mend stays missing.
    await asyncio.sleep(1)
    redis.break_lines()


async def _strike(node: Node, blow: str, dice: random.Random) -> None:
    assert node.running is not None
    if blow == "node dies":
        await node.kill()
        await asyncio.sleep(dice.random())
        await node.start()
    else:
        os.kill(node.running.process.pid, signal.SIGSTOP)
        await asyncio.sleep(dice.random() * 2)
        os.kill(node.running.process.pid, signal.SIGCONT)


async def _say_the_end(talker: Talker, node: Node, spheres: list[str]) -> dict[str, int]:
    """Post once more in each sphere; return where."""
    while True:
        assert node.running is not None
        try:
            async with await Person(node.running.url, talker.token).hello() as person:
                return {one: (await person.post(one, "end"))["seq"] for one in spheres}
        except _TROUBLES:
            await asyncio.sleep(0.2)


async def _settle(talkers: list[Talker], spheres: list[str]) -> None:
    """Let everybody connect once more, and catch up."""
    for talker in talkers:
        async with asyncio.timeout(60):
            while True:
                try:
                    await talker._session(spheres, 0)
                except _TROUBLES:
                    await asyncio.sleep(0.2)
                else:
                    break


async def _check(house: House, talkers: list[Talker], verdict: Verdict) -> None:
    """Compare what was acknowledged and heard with the store."""
    from storage import heads  # noqa: PLC0415  # what the nodes have told must be there

    for talker in talkers:
        verdict.reconnections += talker.reconnections
        verdict.acknowledged += len(talker.acknowledged)
        verdict.heard += sum(len(seqs) for seqs in talker.heard.values())
        verdict.faults += talker.faults
        for sphere, seqs in talker.heard.items():
            (head,) = (await house.parts.database.read(heads.heads, [sphere])).values()
            if seqs != list(range(talker.first[sphere] + 1, head + 1)):
                verdict.faults.append(f"{talker.who.member.name} has not all of {sphere}")
    stored: dict[str, set[int]] = {}
    for talker in talkers:
        for sphere, _, seq in talker.acknowledged:
            if seq in stored.setdefault(sphere, set()):
                verdict.faults.append(f"two posts were given {seq}")
            stored[sphere].add(seq)


async def chaos(seconds: float, seed: int, folder: Path) -> Verdict:
    """Run it; return what came of it."""
    dice = random.Random(seed)
    verdict = Verdict()
    database = engines.database()
    with RedisServer(folder / "redis") as redis:
        settings = {"DATABASE_URL": database, "BROKER_URL": redis.url}
        nodes = [Node(folder, dict(settings)) for _ in range(NODES)]
        house = compose_only(folder, database_url=database)
        await asyncio.gather(*(node.start() for node in nodes))
        try:
            acme = await house.organisation()
            people = [await house.resident(acme, f"P{number}") for number in range(PEOPLE)]
            spheres = [await house.sphere(*people, name=f"S{number}") for number in range(SPHERES)]
            talkers = [
                Talker(one, await house.token(one), nodes, random.Random(dice.random()))
                for one in people
            ]
            until = time.monotonic() + seconds
            talking = [asyncio.create_task(one.talk(spheres, until + CALM_S)) for one in talkers]
            await _blows(nodes, redis, dice, until, verdict)
            for talker in talkers:
                await talker.calm.wait()
            ends = await _say_the_end(talkers[0], nodes[0], spheres)
            for talker in talkers:
                talker.ends.set_result(ends)
            await asyncio.gather(*talking)
            await _settle(talkers, spheres)
            await _check(house, talkers, verdict)
        finally:
            await asyncio.gather(*(node.kill() for node in nodes))
            await house.parts.database.close()
    return verdict


async def _main(seconds: float, seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        verdict = await chaos(seconds, seed, Path(folder))
    print(f"seed {seed}: {verdict}")
    return min(1, len(verdict.faults))


if __name__ == "__main__":
    sys.exit(
        asyncio.run(
            _main(
                float(sys.argv[1]) if len(sys.argv) > 1 else 30.0,
                int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(2**32),
            )
        )
    )
