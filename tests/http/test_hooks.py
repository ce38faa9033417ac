"""The address of a hook, on a running server: who may, and one constant answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.house import HandClock, House, Resident, serving
from tests.people import Frame, call_http
from tests.promises.test_10_connectors import bring

Answer = tuple[int, str, bytes]


class Place(msgspec.Struct):
    """A sphere with a connector, its installer and another member."""

    house: House
    ana: Resident
    bob: Resident
    sphere: str
    token: str

    async def send(self, body: Any, *, token: str | None = None, **headers: str) -> Answer:
        """Send to the hook; return status, type and body of the answer."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        status, found, answer = await asyncio.to_thread(
            call_http,
            self.house.url,
            "POST",
            f"/hooks/{token or self.token}",
            body=data,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        return status, found["content-type"], answer

    async def posts(self) -> list[Frame]:
        """Return what was brought in, as a member sees it."""
        async with await self.house.person(self.ana) as reader:
            seen = await reader.history(self.sphere)
        return [event for event in seen if event["type"] == "connector_posted"]


async def furnish(house: House) -> Place:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    return Place(house, ana, bob, sphere, await house.connector(sphere, ana))


@pytest.fixture
async def place(tmp_path: Path, clock: HandClock) -> AsyncIterator[Place]:
    async with serving(tmp_path, clock=clock, connector_posts_burst=50) as house:
        yield await furnish(house)


OK = (200, "text/plain; charset=utf-8", b"ok")


def refusal(status: int, word: str) -> Answer:
    return status, "text/plain; charset=utf-8", word.encode()


async def test_what_a_tool_sends_is_posted_under_the_connectors_name(place: Place) -> None:
    sent = await place.send({"text": "It is <b>", "username": "Deploy bot", "channel": "#x"})

    [post] = await place.posts()
    assert sent == OK
    assert (post["body"], post["name"], post["label"]) == ("It is <b>", "Builds", "Deploy bot")
    assert post["installed_by"] == place.ana.id


async def test_every_answer_is_the_same_over_every_state_of_the_sphere(place: Place) -> None:
    house = place.house
    answers = [await place.send({"text": "to a quiet sphere"})]
    async with await house.person(place.ana) as host, await house.person(place.bob) as other:
        await host.call("subscribe", sphere=place.sphere)
        answers.append(await place.send({"text": "to a listener"}))
        await host.call("configure", sphere=place.sphere, revision=1, name="N", audience="public")
        answers.append(await place.send({"text": "to a renamed, public sphere"}))
        await host.call("configure", sphere=place.sphere, revision=2, audience="closed")
        answers.append(await place.send({"text": "to a closed sphere"}))
        await other.call("leave", sphere=place.sphere)
        answers.append(await place.send({"text": "to one fewer"}))
        answers.append(await place.send({"text": "twice"}, idempotency_key="k"))
        answers.append(await place.send({"text": "twice"}, idempotency_key="k"))

    assert set(answers) == {OK}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{", refusal(400, "invalid_payload")),
        (b"\xff", refusal(400, "invalid_payload")),
        (b"", refusal(400, "no_text")),
        ({"text": " \n"}, refusal(400, "no_text")),
        ({"username": "x"}, refusal(400, "no_text")),
        (b"x" * 2_000_000, refusal(413, "msg_too_long")),
    ],
)
async def test_refusals_use_slacks_words_and_post_nothing(
    place: Place, body: Any, answer: Answer
) -> None:
    sent = await place.send(body)

    assert sent == answer
    assert not await place.posts()


async def test_every_token_that_opens_nothing_is_answered_alike(place: Place) -> None:
    session = await place.house.token(place.ana)
    unknown = "clc_" + "x" * 43
    guesses = [unknown, session, "x", "..", "%00", "%ff%fe", place.token + "x"]

    answers = {await place.send({"text": "x"}, token=token) for token in guesses}

    assert answers == {refusal(403, "invalid_token")}
    assert not await place.posts()


async def test_a_connector_is_dead_here_once_it_is_revoked_or_its_installer_left(
    place: Place,
) -> None:
    async with await place.house.person(place.ana) as host:
        made = await host.call("install_connector", sphere=place.sphere, name="Alerts")
        alive = await place.send({"text": "x"}, token=made["token"])
        connector = made["connector"]["connector"]
        await host.call("revoke_connector", sphere=place.sphere, connector=connector)
        revoked = await place.send({"text": "x"}, token=made["token"])
        await host.call("leave", sphere=place.sphere)
        orphan = await place.send({"text": "x"})

    assert (alive, revoked, orphan) == (OK, *[refusal(403, "invalid_token")] * 2)


async def test_a_delivery_that_comes_again_is_posted_once(place: Place) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    push = {"ref": "refs/heads/main", "sender": {"login": "ana"}, "created": True}
    answers = [
        await sent
        for _ in range(2)
        for sent in (
            place.send(b"by key", idempotency_key='"9f1c" é'.encode().decode("latin-1")),
            place.send(event),
            place.send(push, x_github_event="push", x_github_delivery="1"),
            place.send(push, x_gitea_event="push", x_gitea_delivery="1"),
            place.send(b"without a key"),
        )
    ]

    assert set(answers) == {OK}
    assert sorted(post["body"] for post in await place.posts()) == sorted(
        ["by key", "t from /s", "ana created main", "ana created main", *["without a key"] * 2]
    )


async def test_the_pace_of_a_connector_is_one_over_both_doors(place: Place) -> None:
    answers = [await place.send({"text": "x"}) for _ in range(51)]
    _, found, _ = await asyncio.to_thread(
        call_http, place.house.url, "POST", f"/hooks/{place.token}", body=b"x"
    )

    assert answers == [OK] * 50 + [refusal(429, "rate_limited")]
    assert found["retry-after"] == "1"
    assert (await bring(place.house, place.token, "x"))[0] == 429


async def test_a_long_message_is_cut_rather_than_lost(place: Place) -> None:
    sent = await place.send({"text": "é" * 100_000})

    [post] = await place.posts()
    assert sent == OK
    assert post["body"] == "é" * 15_999 + "…"


async def test_nothing_but_a_post_is_answered_at_a_hook(place: Place) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        status, _, answer = await asyncio.to_thread(
            call_http, place.house.url, method, f"/hooks/{place.token}"
        )
        assert status == 405
        assert place.token.encode() not in answer


async def test_nothing_of_a_body_is_kept_when_the_store_is_gone(
    tmp_path: Path, clock: HandClock
) -> None:
    async with serving(tmp_path, clock=clock) as house:
        place = await furnish(house)
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(house.parts.writer.stop())
            await stopping
        sent = await place.send({"text": "too late"})

    assert sent == refusal(503, "service_unavailable")
