"""What the broker of several nodes does beyond the contract: between two brokers, on real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server import errors
from server.channels.broker_redis import RedisBroker
from server.channels.node_messages import Control, encode
from server.channels.outcome import Publication
from server.channels.redis_places import Place, plan_of
from tests.channels.listeners import ANA, SPHERE, departure, posted, said
from tests.nodes import brokers, until
from tests.people import PATIENCE_S
from tests.redis_server import RedisServer


@asynccontextmanager
async def acquainted(
    folder: Path, url: str, count: int = 2, **limits: Any
) -> AsyncIterator[list[RedisBroker]]:
    """Run brokers that hear each other."""
    async with brokers(folder, url, count, **limits) as some:
        for broker in some:
            await broker.start()
        for broker in some:
            await asyncio.wait_for(broker.heard(), PATIENCE_S)
        await until(lambda: all(len(broker.peers) == count - 1 for broker in some))
        yield some
        for broker in some:
            await broker.stop()


def ears(broker: RedisBroker) -> list[Publication]:
    heard: list[Publication] = []
    broker.listen(heard.append)
    return heard


async def test_content_reaches_the_nodes_that_listen_to_its_timeline(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url, 3) as (here, there, elsewhere):
        heard, unheard = ears(there), ears(elsewhere)
        await there.follow(SPHERE)

        here.publish(said(posted(1)))
        await until(lambda: bool(heard))
        here.publish(departure(2, ANA))
        await until(lambda: any(one.departures for one in unheard))

        assert heard[0] == said(posted(1))
        assert not any(one.entries for one in unheard)


async def test_what_waits_for_a_departure_waits_until_every_node_applied_it(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url, 3) as (here, there, elsewhere):
        heard, also = ears(there), ears(elsewhere)
        done = asyncio.Event()

        here.publish(departure(1, ANA))
        here.after(done.set)

        assert not done.is_set()
        await asyncio.wait_for(done.wait(), PATIENCE_S)
        assert any(one.departures == ((SPHERE, ANA.id),) for one in heard)
        assert any(one.departures == ((SPHERE, ANA.id),) for one in also)


async def test_a_departure_goes_before_what_was_said_before_it(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url) as (here, there):
        heard = ears(there)
        await there.follow(SPHERE)

        for seq in range(1, 50):
            here.publish(said(posted(seq)))
        here.publish(departure(50, ANA))
        await until(lambda: sum(len(one.entries) for one in heard) == 50)

        assert heard[0].departures == ((SPHERE, ANA.id),)
        entries = [entry.event.seq for one in heard for entry in one.entries]
        assert entries == list(range(1, 51))


async def test_what_another_node_committed_before_is_waited_for_here_too(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url, repair_after_s=5) as (here, there):
        heard = ears(there)
        await there.follow(SPHERE)

        there.publish(said(posted(2)))
        assert heard == []
        here.publish(said(posted(1)))
        await until(lambda: len(heard) == 2)

        assert heard == [said(posted(1)), said(posted(2))]


async def test_what_takes_something_away_does_not_wait_for_an_event_that_is_missing(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url, repair_after_s=5) as (here, _):
        heard = ears(here)
        await here.follow(SPHERE)

        here.publish(departure(2, ANA))

        assert [one.departures for one in heard] == [((SPHERE, ANA.id),)]
        assert not any(one.entries for one in heard)


async def test_a_message_that_cannot_be_read_counts_as_missed(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url) as (here, there):
        there.message(b"control", b"x" * 16 + b"\xc1")

        assert there.hearing.deaf
        assert not here.hearing.deaf
        await there.heard()


async def test_a_number_that_was_left_out_makes_a_node_start_over(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url) as (here, there):
        sent_away: list[int] = []
        there.hearing.send_away = lambda: sent_away.append(1)

        there.message(there.node, encode(here.node, Control(7)))

        assert sent_away == [1]
        with pytest.raises(errors.Busy):
            await there.follow(SPHERE)
        await there.heard()
        await there.follow(SPHERE)


async def test_what_was_said_while_the_line_was_broken_is_applied_or_leaves_nobody_there(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path / "redis") as server:
        async with acquainted(tmp_path, server.url) as (here, there):
            heard, away = ears(there), list[bool]()
            there.hearing.send_away = lambda: away.append(True)
            await there.follow(SPHERE)

            server.kill()
            here.publish(departure(1, ANA))
            done = asyncio.Event()
            here.after(done.set)
            server.start()

            await asyncio.wait_for(done.wait(), PATIENCE_S)
            # It was said again on the new line; who was not on theirs yet starts over instead.
            assert away or ((SPHERE, ANA.id),) in [one.departures for one in heard]
            await until(lambda: here.peers == [there.node])
            await until(lambda: not there.hearing.deaf)
            await there.follow(SPHERE)


async def test_a_node_that_stops_in_order_is_missed_by_nobody(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url) as (here, there):
        await there.stop()

        await until(lambda: here.peers == [])

        assert not here.hearing.deaf
        done: list[int] = []
        here.publish(departure(1, ANA))
        here.after(lambda: done.append(1))
        assert done == [1]


async def test_a_node_that_stood_still_turns_deaf_before_it_delivers(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url) as (here, _):
        sent_away: list[int] = []
        here.hearing.send_away = lambda: sent_away.append(1)
        here._pulse._heard_at = 0.0  # the last beat that came back is as old as the machine

        here.publish(said(posted(1)))

        assert sent_away == [1]
        assert here.hearing.deaf


async def test_what_a_deaf_node_takes_away_is_answered_when_the_others_noticed_its_silence(
    tmp_path: Path, redis_url: str
) -> None:
    async with acquainted(tmp_path, redis_url, deaf_after_s=0.5) as (here, _):
        here._turn_deaf()
        done = asyncio.Event()

        here.publish(departure(1, ANA))
        here.after(done.set)

        assert not done.is_set()
        await asyncio.wait_for(done.wait(), 10)


@pytest.mark.parametrize(
    ("url", "kind", "places"),
    [
        ("redis://one", "single", (Place("one", 6379),)),
        ("rediss://user:secret@one:7000/3", "single", (Place("one", 7000),)),
        (
            "redis+sentinel://one,two:7001/main",
            "sentinel",
            (Place("one", 26379), Place("two", 7001)),
        ),
        (
            "rediss+cluster://:secret@[::1]:7000,two:7001",
            "cluster",
            (Place("::1", 7000), Place("two", 7001)),
        ),
    ],
)
def test_a_url_says_where_redis_is(url: str, kind: str, places: tuple[Place, ...]) -> None:
    plan = plan_of(url)

    assert (plan.kind, plan.places) == (kind, places)
    assert plan.tls is url.startswith("rediss")
    assert plan.options.get("password") == ("secret" if "secret" in url else None)


@pytest.mark.parametrize(
    "url",
    ["http://one", "redis+tree://one", "redis://", "redis+sentinel://one", "redis://one,:7000"],
)
def test_a_url_that_says_nothing_sound_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"broker's URL|Sentinel"):
        plan_of(url)
