"""Promise 1 and 11, on several nodes: walls hold across them, and who cannot hear is silent."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from server.protocol.scalars import MemberRole
from storage import spheres
from tests.house import HandClock, House
from tests.nodes import broker_of, nodes, until
from tests.people import Person, call_http
from tests.promises.storm import storm
from tests.redis_server import RedisServer


async def _couple(here: House, there: House) -> tuple[Person, Person, str]:
    acme = await here.organisation()
    ana, bob = await here.resident(acme, "Ana"), await here.resident(acme, "Bob")
    sphere = await here.sphere(ana, bob)
    one, two = await here.person(ana), await there.person(bob)
    for person in (one, two):
        await person.call("subscribe", sphere=sphere)
    return one, two, sphere


async def _get(house: House, path: str) -> int:
    status, _, _ = await asyncio.to_thread(call_http, house.url, "GET", path)
    return status


async def test_nothing_arrives_after_a_departure_however_many_post_on_other_nodes(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        tally = await storm(here, 400, elsewhere=there)

    assert tally.leaks == 0
    assert tally.late > 0


async def test_without_the_broker_everybody_is_sent_away_and_comes_back_when_it_is_there_again(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path / "redis") as server:
        async with nodes(tmp_path, server.url, deaf_after_s=1.5) as (here, there):
            ana, bob, sphere = await _couple(here, there)
            first = await ana.post(sphere, "before")
            await bob.until(lambda frame: frame.get("body") == "before")

            server.kill()

            assert await ana.closed() == 4005
            assert await bob.closed() == 4005
            status, _, body = await asyncio.to_thread(
                call_http, there.url, "POST", "/v1/sign-out", headers={"authorization": "Bearer x"}
            )
            assert (status, await _get(there, "/readyz"), await _get(there, "/healthz")) == (
                503,
                503,
                200,
            )
            assert b'"busy"' in body
            assert await _handshake(bob) == 503

            server.start()
            await asyncio.gather(here.parts.broker.heard(), there.parts.broker.heard())
            assert await _get(there, "/readyz") == 200
            again = await Person(there.url, bob.token).hello()
            await again.call("subscribe", sphere=sphere, after=first["seq"])
            other = await Person(here.url, ana.token).hello()
            await other.post(sphere, "after")
            await again.until(lambda frame: frame.get("body") == "after")
            await asyncio.gather(again.close(), other.close())


async def _handshake(person: Person) -> int:
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-protocol": "cloison.v1.msgpack",
    }
    status, _, _ = await asyncio.to_thread(
        call_http, person.url, "GET", "/v1/connect", headers=headers
    )
    return status


async def test_a_broker_that_stands_still_is_noticed_within_a_second(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        # The defaults: the second is the promise's.
        async with nodes(tmp_path, server.url, deaf_after_s=0.8, beat_every_s=0.2) as (here, there):
            ana, bob, _ = await _couple(here, there)

            server.halt()
            began = time.monotonic()
            assert await bob.closed() == 4005
            took = time.monotonic() - began
            server.go_on()
            await until(lambda: not there.parts.broker.hearing.deaf)
            await ana.close()

    assert took < 5.0  # what is left of it is the machine's, when it is busy


async def test_a_line_that_breaks_and_is_opened_anew_in_time_sends_nobody_away(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url, heads_every_s=600) as (here, there):
        ana, bob, sphere = await _couple(here, there)
        broker = broker_of(there)
        lines = broker._lines
        assert lines is not None

        lines.abort()
        await ana.post(sphere, "while the line was broken")
        await until(lambda: broker._lines not in {None, lines})

        await bob.until(lambda frame: frame.get("body") == "while the line was broken")
        assert bob.close_code is None
        await asyncio.gather(ana.close(), bob.close())


async def test_when_everybody_is_sent_away_nothing_is_followed_until_they_are_back(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        ana, bob, sphere = await _couple(here, there)

        there.parts.broker.hearing.send_away()

        assert await bob.closed() == 4005
        assert sphere not in broker_of(there).following
        again = await Person(there.url, bob.token).hello()
        await again.call("subscribe", sphere=sphere)
        await ana.post(sphere, "welcome back")
        await again.until(lambda frame: frame.get("body") == "welcome back")
        await asyncio.gather(ana.close(), again.close())


async def test_a_tightened_policy_reaches_sessions_on_other_nodes_within_a_second(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        acme = await here.organisation()
        bob = await there.person(await here.resident(acme, "Bob"))
        began = time.monotonic()

        await here.demand(acme, session_lifetime_ms=60_000, session_idle_ms=60_000)

        await until(
            lambda: all(
                one.idle_ms == 60_000 for one in there.parts.services.live._sessions.values()
            )
        )
        assert time.monotonic() - began < 5.0  # a moment; the rest is the machine's
        await bob.close()


async def test_a_manager_reads_on_no_node_before_everybody_is_told(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        ana, bob, sphere = await _couple(here, there)
        acme = await here.parts.database.read(_organisation, sphere)
        boss = await here.resident(acme, "Max", MemberRole.MANAGER)
        manager, elsewhere = await here.person(boss), await there.person(boss)

        # The other node's writer is still publishing what is committed already.
        held = asyncio.Event()
        here.parts.broker.hearing.settled = held.wait  # type: ignore[assignment]  # returns True
        await manager.call("enter", sphere=sphere)
        asked = await elsewhere.send("history", sphere=sphere, after=0, limit=10)
        await until(lambda: broker_of(there)._questions != 0)
        await elsewhere.settled()
        assert not [frame for frame in elsewhere.frames if frame.get("id") == asked]
        held.set()
        await elsewhere.reply(asked)

        for person in (ana, bob):
            await person.until(lambda frame: frame["type"] == "manager_entered")
        await asyncio.gather(*(one.close() for one in (ana, bob, manager, elsewhere)))


async def test_nodes_whose_clocks_differ_order_and_end_sessions_alike(
    tmp_path: Path, redis_url: str
) -> None:
    slow, fast = HandClock(), HandClock()
    fast.advance(30_000)  # more than machines drift, less than a deadline
    async with nodes(tmp_path, redis_url, clocks=[slow, fast]) as (here, there):
        ana, bob, sphere = await _couple(here, there)
        for number in range(5):
            await ana.post(sphere, f"slow {number}")
            await bob.post(sphere, f"fast {number}")

        for person in (ana, bob):
            await person.until(lambda frame: frame.get("body") == "fast 4")
        bodies = [frame["body"] for frame in ana.frames if "body" in frame]
        assert bodies == [frame["body"] for frame in bob.frames if "body" in frame]
        assert bodies == [f"{who} {n}" for n in range(5) for who in ("slow", "fast")]

        # Each node closes at the deadline by its own clock, wherever the session began.
        (session,) = there.parts.services.live._sessions.values()
        fast.advance(session.deadline - fast.now())
        assert await bob.closed() == 4500
        assert ana.close_code is None
        await ana.close()


def _organisation(tx: Any, sphere: str) -> str:
    found = spheres.get(tx, sphere)
    assert found is not None
    return found.organisation
