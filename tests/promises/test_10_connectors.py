"""Promise 10: connectors only bring in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.house import House, Resident, serving
from tests.people import Person, call_http


async def bring(house: House, token: str, body: Any, **headers: str) -> tuple[int, bytes]:
    """Bring something in over HTTP; return the status and the body of the answer."""
    data = body.encode() if isinstance(body, str) else body
    status, _, answer = await asyncio.to_thread(
        call_http,
        house.url,
        "POST",
        "/v1/bring",
        body=data,
        headers={"authorization": f"Bearer {token}", **headers},
    )
    return status, answer


async def _furnished(house: House) -> tuple[Resident, Resident, str, str]:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    return ana, bob, sphere, await house.connector(sphere, ana)


async def test_what_a_bot_brings_is_marked_with_its_name_and_its_installer(house: House) -> None:
    ana, bob, sphere, token = await _furnished(house)
    async with await house.person(bob) as reader:
        await reader.call("subscribe", sphere=sphere)

        as_text = await bring(house, token, "The build is green.")
        as_json = await bring(house, token, {"body": "It is red.", "client_id": "build-0042"})
        again = await bring(house, token, {"body": "It is red.", "client_id": "build-0042"})

        first = await reader.event("connector_posted", body="The build is green.")
        await reader.event("connector_posted", body="It is red.")
        await reader.settled()
        posts = [event for event in reader.heard(sphere) if event["type"] == "connector_posted"]
    assert as_text == as_json == again == (202, b"accepted")
    assert (first["name"], first["installed_by"]) == ("Builds", ana.id)
    assert len(posts) == 2


async def test_the_answer_is_one_constant_over_every_state_of_the_sphere(house: House) -> None:
    ana, bob, sphere, token = await _furnished(house)
    answers = [await bring(house, token, "to a quiet sphere")]
    async with await house.person(ana) as host, await house.person(bob) as other:
        await host.call("subscribe", sphere=sphere)
        answers.append(await bring(house, token, "to a listener"))
        await host.call("configure", sphere=sphere, revision=1, name="New", audience="public")
        answers.append(await bring(house, token, "to a renamed, public sphere"))
        await other.call("leave", sphere=sphere)
        answers.append(await bring(house, token, "to one fewer"))

    assert set(answers) == {(202, b"accepted")}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ({"body": "x", "channel": "#other"}, 400),
        ({"text": "x"}, 400),
        ({"body": 1}, 400),
        ({"body": "x" * 16_001}, 400),
        (b"\xff\xfe", 400),
        (b"x" * 200_000, 413),
    ],
)
async def test_a_malformed_request_is_refused_and_nothing_is_posted(
    house: House, body: Any, status: int
) -> None:
    ana, _, sphere, token = await _furnished(house)

    answered, _ = await bring(house, token, body)

    async with await house.person(ana) as host:
        seen = await host.history(sphere)
    assert answered == status
    assert not [event for event in seen if event["type"] == "connector_posted"]


async def test_a_connectors_token_opens_nothing_else(house: House) -> None:
    ana, _, _, token = await _furnished(house)
    session = await house.token(ana)

    as_person = await Person(house.url, token).connect()
    refused = await as_person.refusal("hello", token=token)
    status, answer = await bring(house, session, "from a person")
    unknown = await bring(house, "clc_" + "x" * 43, "from nobody")

    await as_person.close()
    assert refused["code"] == "not_authenticated"
    assert (status, answer) == unknown
    assert status == 401


async def test_over_a_websocket_a_bot_can_only_bring(house: House) -> None:
    _, bob, sphere, token = await _furnished(house)
    bot = await Person(house.url, token, encoding="json").connect("/v1/bring")
    async with await house.person(bob) as reader:
        await reader.call("subscribe", sphere=sphere)

        early = await bot.refusal("bring", body="before hello")
        hello = await bot.call("hello", token=token)
        brought = await bot.call("bring", body="The line is open.")
        reading = [await bot.refusal(kind, sphere=sphere) for kind in ("subscribe", "history")]

        await reader.event("connector_posted", body="The line is open.")
        await reader.post(sphere, "do bots hear this?")
        await bot.settled()
    assert early["code"] == "not_authenticated"
    assert (hello["type"], brought["type"]) == ("accepted", "accepted")
    assert [refusal["code"] for refusal in reading] == ["unknown_command"] * 2
    assert {frame["type"] for frame in bot.frames} == {"accepted", "error"}
    await bot.close()


async def test_what_a_bot_pipelines_behind_its_hello_is_taken_in_turn(house: House) -> None:
    _, bob, sphere, token = await _furnished(house)
    bot = await Person(house.url, token).connect("/v1/bring")

    requests = [await bot.send("hello", token=token)]
    requests += [await bot.send("bring", body=f"{n}") for n in range(3)]

    answers = [await bot.answer(request) for request in requests]
    async with await house.person(bob) as reader:
        seen = await reader.history(sphere)
    await bot.close()
    assert [answer["type"] for answer in answers] == ["accepted"] * 4
    assert [event["body"] for event in seen if event["type"] == "connector_posted"] == list("012")


async def test_a_revoked_connector_is_dead_at_once_on_every_door(house: House) -> None:
    ana, _, sphere, _ = await _furnished(house)
    async with await house.person(ana) as host:
        await host.call("subscribe", sphere=sphere)
        made = await host.call("install_connector", sphere=sphere, name="Alerts")
        bot = await Person(house.url, made["token"]).connect("/v1/bring")
        await bot.call("hello", token=made["token"])

        connector = made["connector"]["connector"]
        await host.call("revoke_connector", sphere=sphere, connector=connector)

        assert await bot.closed() == 4504
        assert (await bring(house, made["token"], "still there?"))[0] == 401
        await host.event("connector_installed", connector=made["connector"])
        await host.event("connector_revoked", connector=connector)
        assert not house.holds(made["token"])


async def test_it_dies_when_whoever_installed_it_leaves_the_sphere(house: House) -> None:
    ana, bob, sphere, token = await _furnished(house)
    bot = await Person(house.url, token).connect("/v1/bring")
    await bot.call("hello", token=token)
    async with await house.person(ana) as host, await house.person(bob) as reader:
        await reader.call("subscribe", sphere=sphere)

        left = await host.call("leave", sphere=sphere)

        assert left["certificate"]["connectors_revoked"] == 1
        assert await bot.closed() == 4504
        assert (await bring(house, token, "orphan"))[0] == 401


async def test_the_pace_of_a_connector_is_one_over_every_door(tmp_path: Path) -> None:
    async with serving(tmp_path, connector_posts_per_second=1, connector_posts_burst=4) as house:
        _, _, _, token = await _furnished(house)
        lines = [await Person(house.url, token).connect("/v1/bring") for _ in range(2)]
        for line in lines:
            await line.call("hello", token=token)

        for line in lines:
            await line.call("bring", body="by line")
        statuses = [(await bring(house, token, "by post"))[0] for _ in range(3)]

        refused = await lines[0].refusal("bring", body="too much")
        for line in lines:
            await line.close()
    assert statuses[0] == 202
    assert statuses[-1] == 429
    assert refused["code"] == "too_fast"
