"""Several nodes are one server: one order, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from server.channels.outcome import Publication
from tests.house import House
from tests.nodes import broker_of, nodes
from tests.people import Frame, Person


def _seqs(person: Person) -> list[int]:
    return [frame["seq"] for frame in person.frames if frame["type"] == "message_posted"]


async def _two(here: House, there: House) -> tuple[Person, Person, str]:
    """Return Ana on one node and Bob on the other, who both hear a sphere."""
    acme = await here.organisation()
    ana, bob = await here.resident(acme, "Ana"), await here.resident(acme, "Bob")
    sphere = await here.sphere(ana, bob)
    one, two = await here.person(ana), await there.person(bob)
    for person in (one, two):
        await person.call("subscribe", sphere=sphere)
    return one, two, sphere


async def _post(person: Person, sphere: str, body: str) -> Frame:
    client_id = secrets.token_hex(8)
    return await person.call("post", sphere=sphere, revision=1, client_id=client_id, body=body)


async def test_what_is_said_on_one_node_is_heard_on_the_other(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        ana, bob, sphere = await _two(here, there)

        await _post(ana, sphere, "hello")
        await _post(bob, sphere, "hello yourself")

        for person in (ana, bob):
            await person.until(lambda frame: frame.get("body") == "hello yourself")
            assert _seqs(person) == [3, 4]
        await asyncio.gather(ana.close(), bob.close())


async def test_all_hear_one_order_however_many_nodes_write_at_once(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        ana, bob, sphere = await _two(here, there)

        await asyncio.gather(
            *(_post(ana, sphere, f"ana-{number}") for number in range(60)),
            *(_post(bob, sphere, f"bob-{number}") for number in range(60)),
        )

        for person in (ana, bob):
            await person.until(lambda frame: frame.get("seq") == 122)
            assert _seqs(person) == list(range(3, 123))
        assert [frame for frame in ana.frames if "seq" in frame and "body" in frame] == [
            frame for frame in bob.frames if "seq" in frame and "body" in frame
        ]
        await asyncio.gather(ana.close(), bob.close())


async def test_what_a_node_did_not_publish_is_found_in_the_store(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(tmp_path, redis_url, heads_every_s=0.1) as (here, there):
        ana, bob, sphere = await _two(here, there)
        # As after a crash between the commit and its publication.
        monkeypatch.setattr(broker_of(here), "publish", lambda _: None)

        await _post(ana, sphere, "lost")

        await bob.until(lambda frame: frame.get("body") == "lost")
        await ana.until(lambda frame: frame.get("body") == "lost")
        assert broker_of(there).following.repaired == 1
        await asyncio.gather(ana.close(), bob.close())


async def test_a_gap_is_mended_as_soon_as_it_shows(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(tmp_path, redis_url, heads_every_s=600) as (here, there):
        ana, bob, sphere = await _two(here, there)
        with monkeypatch.context() as once:
            once.setattr(broker_of(here), "publish", lambda _: None)
            await _post(ana, sphere, "lost")

        await _post(ana, sphere, "not lost")

        await bob.until(lambda frame: frame.get("body") == "not lost")
        assert _seqs(bob) == [3, 4]
        await asyncio.gather(ana.close(), bob.close())


async def test_a_departure_that_was_never_published_is_found_and_takes_effect(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(tmp_path, redis_url, heads_every_s=0.1) as (here, there):
        ana, bob, sphere = await _two(here, there)
        with monkeypatch.context() as once:
            once.setattr(broker_of(here), "publish", lambda _: None)
            await ana.call("remove", sphere=sphere, member=bob.me)

        await bob.until(lambda frame: frame["type"] == "sphere_forgotten")
        await _post(ana, sphere, "among ourselves")

        await ana.until(lambda frame: frame.get("body") == "among ourselves")
        await bob.call("list")
        assert not [frame for frame in bob.frames if frame.get("body") == "among ourselves"]
        await asyncio.gather(ana.close(), bob.close())


async def test_a_timeline_that_nobody_here_listens_to_is_not_followed(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        ana, bob, sphere = await _two(here, there)
        assert sphere in broker_of(there).following

        await bob.call("unsubscribe", sphere=sphere)

        assert sphere not in broker_of(there).following
        heard: list[Publication] = []
        there.parts.broker.listen(heard.append)
        await _post(ana, sphere, "hello")
        await bob.call("list")
        assert heard == []
        await bob.call("subscribe", sphere=sphere)
        await _post(ana, sphere, "hello again")
        await bob.until(lambda frame: frame.get("body") == "hello again")
        await asyncio.gather(ana.close(), bob.close())


async def test_after_the_answer_to_a_removal_nothing_more_is_heard_on_any_node(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        ana, bob, sphere = await _two(here, there)

        await ana.call("remove", sphere=sphere, member=bob.me)

        assert sphere not in broker_of(there).following
        await _post(ana, sphere, "among ourselves")
        await bob.call("list")
        assert [frame["type"] for frame in bob.frames][-2:] == ["sphere_forgotten", "spheres"]
        await asyncio.gather(ana.close(), bob.close())


async def test_a_session_that_is_ended_on_one_node_is_closed_on_the_other(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        acme = await here.organisation()
        ana = await here.resident(acme, "Ana")
        phone, laptop = await here.person(ana), await there.person(ana)
        (other,) = [one for one in (await phone.call("sessions"))["sessions"] if not one["current"]]

        await phone.call("end_session", session=other["session"])

        assert await laptop.closed() == 4501
        assert not there.parts.services.live.ids()
        await phone.close()
