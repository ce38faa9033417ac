"""What every broker must do, the one of a single node and the one of several."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.channels.broker import Broker
from server.channels.broker_memory import MemoryBroker
from server.channels.outcome import Publication
from tests.channels.listeners import ANA, SPHERE, departure, posted, said
from tests.nodes import brokers


@pytest.fixture(params=["memory", "redis"])
async def broker(
    request: pytest.FixtureRequest, tmp_path: Path, redis_url: str
) -> AsyncIterator[Broker]:
    """Return each broker in turn, at work."""
    async with AsyncExitStack() as stack:
        made: Broker
        if request.param == "memory":
            made = MemoryBroker()
        else:
            (made,) = await stack.enter_async_context(brokers(tmp_path, redis_url, 1))
        await made.start()
        await made.heard()
        yield made
        await made.stop()


async def test_a_timeline_is_followed_and_left(broker: Broker) -> None:
    heard: list[Publication] = []
    broker.listen(heard.append)

    await broker.follow(SPHERE)
    broker.publish(said(posted(1)))
    broker.unfollow(SPHERE)
    broker.publish(said(posted(2)))

    assert heard == [said(posted(1)), said(posted(2))]


async def test_what_comes_after_a_departure_comes_when_it_is_applied_everywhere(
    broker: Broker,
) -> None:
    done: list[int] = []

    broker.publish(departure(1, ANA))
    broker.after(lambda: done.append(1))

    assert done == [1]  # there is no other node


async def test_a_broker_at_work_hears(broker: Broker) -> None:
    broker.hearing.check()


async def test_what_is_published_is_delivered_on_this_node_before_publish_returns(
    broker: Broker,
) -> None:
    heard: list[Publication] = []
    broker.listen(heard.append)

    broker.publish(said(posted(1)))

    assert heard == [said(posted(1))]


async def test_publications_are_delivered_in_the_order_in_which_they_were_published(
    broker: Broker,
) -> None:
    heard: list[Publication] = []
    broker.listen(heard.append)
    story = [said(posted(seq)) for seq in range(1, 200)]

    for publication in story:
        broker.publish(publication)

    assert heard == story


async def test_control_is_not_overtaken_by_content(broker: Broker) -> None:
    heard: list[Publication] = []
    broker.listen(heard.append)

    broker.publish(departure(1, ANA))
    broker.publish(said(posted(2)))

    assert [one.departures for one in heard] == [((SPHERE, ANA.id),), ()]


async def test_every_listener_hears_everything_from_then_on_once(broker: Broker) -> None:
    first: list[Publication] = []
    second: list[Publication] = []
    broker.listen(first.append)
    broker.publish(said(posted(1)))
    broker.listen(second.append)
    broker.publish(said(posted(2)))

    assert first == [said(posted(1)), said(posted(2))]
    assert second == [said(posted(2))]


async def test_without_a_listener_nothing_is_kept_or_raised(broker: Broker) -> None:
    broker.publish(said(posted(1)))
    heard: list[Publication] = []
    broker.listen(heard.append)

    assert heard == []
