"""Promise 8 and what goes with it, on several nodes: who is there, who types, who guesses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.house import House
from tests.nodes import broker_of, nodes, until
from tests.people import Person, Refused, sign_in

SWIFT: dict[str, Any] = {"presence_every_s": 0.05, "presence_grace_s": 0.1}


async def _couple(here: House, there: House) -> tuple[Person, Person, str]:
    acme = await here.organisation()
    ana, bob = await here.resident(acme, "Ana"), await here.resident(acme, "Bob")
    sphere = await here.sphere(ana, bob)
    return await here.person(ana), await there.person(bob), sphere


def _sees(person: Person, whom: str, *, there: bool) -> bool:
    """Say whether the last that a person was told of somebody is that they are there."""
    known = False
    for frame in person.frames:
        if frame["type"] == "subscribed":
            known = whom in frame["present"]
        elif frame["type"] == "presence":
            known = (known or whom in frame.get("came", ())) and whom not in frame.get("went", ())
    return known is there


async def test_who_listens_on_one_node_is_seen_on_the_other_until_they_go(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url, **SWIFT) as (here, there):
        ana, bob, sphere = await _couple(here, there)
        await ana.call("subscribe", sphere=sphere)
        await bob.call("subscribe", sphere=sphere)

        await until(lambda: _sees(ana, bob.me, there=True))
        await until(lambda: _sees(bob, ana.me, there=True))
        await ana.call("appear", visible=False)
        await until(lambda: _sees(bob, ana.me, there=False))
        await ana.call("appear", visible=True)
        await until(lambda: _sees(bob, ana.me, there=True))
        await ana.close()
        await until(lambda: _sees(bob, ana.me, there=False))
        await bob.close()


async def test_nobody_of_a_node_that_died_is_seen_for_long(tmp_path: Path, redis_url: str) -> None:
    async with nodes(tmp_path, redis_url, deaf_after_s=1.0, **SWIFT) as (here, there):
        ana, bob, sphere = await _couple(here, there)
        await ana.call("subscribe", sphere=sphere)
        await bob.call("subscribe", sphere=sphere)
        await until(lambda: _sees(bob, ana.me, there=True))

        # As if it were killed: it beats no more, and takes no leave.
        broker_of(here)._beat = lambda: None  # type: ignore[method-assign]  # it is dead

        await until(lambda: _sees(bob, ana.me, there=False))
        await asyncio.gather(ana.close(), bob.close())


async def test_the_directory_says_who_is_there_on_any_node(tmp_path: Path, redis_url: str) -> None:
    async with nodes(tmp_path, redis_url, 3, deaf_after_s=1.0) as (here, there, late):
        acme = await here.organisation()
        await here.directory(acme)
        ana = await here.person(await here.resident(acme, "Ana"))
        bob = await there.person(await here.resident(acme, "Bob"))

        async def present() -> bool:
            found = (await bob.call("directory", search="Ana"))["members"]
            return bool(found[0]["present"])

        async def until_present(*, wanted: bool) -> None:
            async with asyncio.timeout(30):
                while await present() is not wanted:  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(0.02)

        await until_present(wanted=True)
        await ana.call("appear", visible=False)
        await until_present(wanted=False)
        await ana.call("appear", visible=True)
        await until_present(wanted=True)
        # Who begins to hear asks who is there.
        broker_of(late)._turn_deaf()
        late.parts.services.hub._elsewhere.clear()
        broker_of(late)._lines.abort()  # type: ignore[union-attr]  # it has one
        await until(lambda: late.parts.services.hub.is_seen(ana.me))
        broker_of(here)._beat = lambda: None  # type: ignore[method-assign]  # it is dead
        await until_present(wanted=False)
        await asyncio.gather(ana.close(), bob.close())


async def test_that_somebody_types_is_told_on_the_other_node(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        ana, bob, sphere = await _couple(here, there)
        await ana.call("subscribe", sphere=sphere)
        await bob.call("subscribe", sphere=sphere)

        await ana.call("typing", sphere=sphere)

        typing = await bob.until(lambda frame: frame["type"] == "typing")
        assert typing["member"] == ana.me
        await ana.settled()
        assert not [frame for frame in ana.frames if frame["type"] == "typing"]
        await asyncio.gather(ana.close(), bob.close())


async def test_guesses_count_together_on_all_nodes(tmp_path: Path, redis_url: str) -> None:
    async with nodes(tmp_path, redis_url, sign_in_failures_per_minute=2) as (here, there):
        acme = await here.organisation()
        ana = await here.resident(acme, "Ana", password="correct-horse-battery-staple")
        for node in (here, there):
            with pytest.raises(Refused, match="sign_in_refused"):
                await sign_in(node.url, "acme", ana.address, "wrong-horse-battery-staple")

        async def too_fast() -> None:
            with pytest.raises(Refused, match="too_fast"):
                await sign_in(here.url, "acme", ana.address, "wrong-horse-battery-staple")

        await too_fast()


async def test_a_session_in_use_on_one_node_rests_on_no_other(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        acme = await here.organisation()
        ana = await here.resident(acme, "Ana")
        token = await here.token(ana)
        phone, laptop = (
            await Person(here.url, token).hello(),
            await Person(there.url, token).hello(),
        )
        (elsewhere,) = there.parts.services.live._sessions.values()
        before = elsewhere.seen_at

        async with asyncio.timeout(30):
            while elsewhere.seen_at <= before:  # a command of the same millisecond is no news
                here.parts.services.live._told.clear()
                await phone.call("list")

        await asyncio.gather(phone.close(), laptop.close())
