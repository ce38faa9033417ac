"""What every broker must do. A new one is added to ``BROKERS``, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from server.channels.broker import Broker
from server.channels.broker_memory import MemoryBroker
from server.channels.outcome import Publication
from tests.channels.listeners import ANA, SPHERE, departure, posted, said

BROKERS: list[Callable[[], Broker]] = [MemoryBroker]


@pytest.fixture(params=BROKERS, ids=lambda make: make.__name__)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Return each broker in turn."""
    made: Broker = request.param()
    return made


def test_what_is_published_is_delivered_on_this_node_before_publish_returns(
    broker: Broker,
) -> None:
    heard: list[Publication] = []
    broker.listen(heard.append)

    broker.publish(said(posted(1)))

    assert heard == [said(posted(1))]


def test_publications_are_delivered_in_the_order_in_which_they_were_published(
    broker: Broker,
) -> None:
    heard: list[Publication] = []
    broker.listen(heard.append)
    story = [said(posted(seq)) for seq in range(1, 200)]

    for publication in story:
        broker.publish(publication)

    assert heard == story


def test_control_is_not_overtaken_by_content(broker: Broker) -> None:
    heard: list[Publication] = []
    broker.listen(heard.append)

    broker.publish(departure(1, ANA))
    broker.publish(said(posted(2)))

    assert [one.departures for one in heard] == [((SPHERE, ANA.id),), ()]


def test_every_listener_hears_everything_from_then_on_once(broker: Broker) -> None:
    first: list[Publication] = []
    second: list[Publication] = []
    broker.listen(first.append)
    broker.publish(said(posted(1)))
    broker.listen(second.append)
    broker.publish(said(posted(2)))

    assert first == [said(posted(1)), said(posted(2))]
    assert second == [said(posted(2))]


def test_without_a_listener_nothing_is_kept_or_raised(broker: Broker) -> None:
    broker.publish(said(posted(1)))
    heard: list[Publication] = []
    broker.listen(heard.append)

    assert heard == []
