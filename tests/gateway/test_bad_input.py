"""Bad input: each gets its error or its close code, and the connection survives where it can."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.house import House, serving
from tests.people import Person, call_http

DEEP_JSON = '{"type":"post","id":7,"body":' + "[" * 30_000


async def _greeted(house: House, encoding: str = "json") -> tuple[Person, str]:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    return await house.person(ana, encoding=encoding), sphere


#: What is no command, the error that it gets, and the request that this is an answer to.
BROKEN: list[tuple[str, str, int | None]] = [
    ("", "malformed_frame", None),
    ("hello", "malformed_frame", None),
    ("null", "invalid_field", None),
    ("[]", "invalid_field", None),
    ('{"type":"list","id":7', "malformed_frame", None),
    ('{"type":"list","id":7}}', "malformed_frame", None),
    ('{"type":"dance","id":7}', "unknown_command", 7),
    ('{"id":7}', "invalid_field", 7),
    ('{"type":"list"}', "invalid_field", None),
    ('{"type":"list","id":-1}', "invalid_field", None),
    ('{"type":"list","id":"7"}', "invalid_field", None),
    ('{"type":"list","id":7.5}', "invalid_field", None),
    ('{"type":"list","id":NaN}', "malformed_frame", None),
    ('{"type":"list","id":9007199254740992}', "invalid_field", None),
    ('{"type":"list","id":7,"extra":1}', "invalid_field", 7),
    ('{"type":"leave","id":7,"sphere":"../etc"}', "invalid_field", 7),
    ('{"type":"leave","id":7,"sphere":"\\ud800"}', "malformed_frame", None),
    (DEEP_JSON, "invalid_field", None),
]


async def test_a_broken_frame_is_refused_and_the_connection_survives(
    house: House, subtests: pytest.Subtests
) -> None:
    person, _ = await _greeted(house)
    for frame, code, request_id in BROKEN:
        with subtests.test(frame[:40]):
            person.frames.clear()

            await person.send_raw(frame)

            refused = await person.event("error")
            listed = await person.call("list")
            assert (refused["error"]["code"], refused["id"]) == (code, request_id)
            assert refused["error"]["temporary"] is False
            assert listed["type"] == "spheres"
    await person.close()


BROKEN_MSGPACK = [
    b"",
    b"\xc1",
    b"\x81",
    b"\x91" * 30_000,
    msgpack.packb({"type": "list", "id": 7}) + b"\x00",
    msgpack.packb({"type": "list", "id": msgpack.ExtType(5, b"x")}),
    b"\x82\xa4type\xa4list\xa2id\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"\x82\xa4type\xa2\xff\xfe\xa2id\x07",
]


async def test_broken_msgpack_is_refused_and_the_connection_survives(
    house: House, subtests: pytest.Subtests
) -> None:
    person, _ = await _greeted(house, "msgpack")
    for frame in BROKEN_MSGPACK:
        with subtests.test(frame[:40]):
            person.frames.clear()

            await person.send_raw(frame)

            refused = await person.event("error")
            listed = await person.call("list")
            assert refused["error"]["code"] in {"malformed_frame", "invalid_field"}
            assert listed["type"] == "spheres"
    await person.close()


async def test_the_other_kind_of_frame_is_refused(house: House) -> None:
    person, _ = await _greeted(house, "json")

    await person.send_raw(b'{"type":"list","id":7}')

    refused = await person.event("error")
    await person.close()
    assert refused["error"]["code"] == "malformed_frame"


async def test_a_frame_over_the_limit_closes_with_1009(house: House) -> None:
    person, _ = await _greeted(house)

    await person.send_raw("x" * 65_537)

    assert await person.closed() == 1009


async def test_the_longest_body_in_the_widest_characters_passes(house: House) -> None:
    person, sphere = await _greeted(house, "msgpack")

    await person.post(sphere, "\U0001f98e" * 16_000)
    refused = await person.refusal(
        "post", sphere=sphere, revision=1, client_id="too-long", body="x" * 16_001
    )

    await person.close()
    assert refused["code"] == "invalid_field"
    assert "16000" in refused["message"]


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_a_name_that_does_not_show_as_one_line_is_refused(
    house: House, encoding: str
) -> None:
    person, _ = await _greeted(house, encoding)
    names = ["", " ", "a\nb", "a\u202eb", "a\u200bb", "\u2800", "a\u0000", "x" * 81, "\u3164"]

    refused = [await person.refusal("create", name=name) for name in names]

    await person.close()
    assert [one["code"] for one in refused] == ["invalid_field"] * len(names)


async def test_before_hello_nothing_else_is_taken(house: House) -> None:
    stranger = await Person(house.url, None).connect()

    refused = await stranger.refusal("list")
    unknown = await stranger.refusal("hello", token="cls_" + "x" * 43)

    await stranger.close()
    assert refused["code"] == unknown["code"] == "not_authenticated"


async def test_a_second_hello_is_refused(house: House) -> None:
    person, _ = await _greeted(house)

    refused = await person.refusal("hello", token=person.token)

    await person.close()
    assert refused["code"] == "already_greeted"


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
async def test_no_hello_in_time_closes_with_4502(tmp_path: Path, *, fast: bool) -> None:
    async with serving(tmp_path, fast_links=fast, hello_timeout_s=0.1) as house:
        stranger = await Person(house.url, None).connect()

        assert await stranger.closed() == 4502


async def test_too_fast_is_refused_with_when_to_come_back_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, commands_per_second=5, commands_burst=5) as house:
        person, _ = await _greeted(house)
        requests = [await person.send("list") for _ in range(20)]

        answers = [await person.answer(r) for r in requests]

        refused = [answer for answer in answers if answer["type"] == "error"]
        assert len(answers) == 20
        assert refused
        for answer in refused:
            assert answer["error"]["code"] == "too_fast"
            assert answer["error"]["temporary"] is True
            assert answer["error"]["retry_after_ms"] > 0
        await person.close()


async def test_who_heeds_no_refusal_is_sent_away(tmp_path: Path) -> None:
    async with serving(tmp_path, refusals_max=10, commands_per_second=1, commands_burst=2) as house:
        garbled, _ = await _greeted(house)
        for _ in range(11):
            await garbled.send_raw("nonsense")
        hasty = await Person(house.url, garbled.token, encoding="json").hello()
        for _ in range(15):
            await hasty.send("list")

        assert await garbled.closed() == 4503
        assert await hasty.closed() == 4002


@pytest.mark.parametrize("offered", ["", "cloison.v2.json", "chat, graphql-ws"])
async def test_an_unknown_subprotocol_is_refused_with_a_readable_answer(
    house: House, offered: str
) -> None:
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if offered:
        headers["sec-websocket-protocol"] = offered

    status, _, body = await asyncio.to_thread(
        call_http, house.url, "GET", "/v1/connect", headers=headers
    )

    assert status == 400
    assert b"cloison.v1.json" in body


async def test_a_request_that_is_no_websocket_is_told_so(house: House) -> None:
    status, _, body = await asyncio.to_thread(call_http, house.url, "GET", "/v1/connect")

    assert status == 426
    assert b"WebSocket" in body


async def test_a_post_sent_again_is_stored_once_and_another_under_its_id_is_refused(
    house: House,
) -> None:
    person, sphere = await _greeted(house)
    first = await person.post(sphere, "once", client_id="client-id-1")

    again = await person.post(sphere, "once", client_id="client-id-1")
    reused = await person.refusal(
        "post", sphere=sphere, revision=1, client_id="client-id-1", body="twice"
    )
    both = [
        await person.send(
            "post", sphere=sphere, revision=1, client_id="client-id-2", body="at the same time"
        )
        for _ in range(2)
    ]
    answers = [await person.reply(request) for request in both]

    await person.close()
    assert (again["seq"], again["at"]) == (first["seq"], first["at"])
    assert reused["code"] == "client_id_reused"
    assert answers[0]["seq"] == answers[1]["seq"]


async def test_unacknowledged_posts_are_bounded_and_the_refused_ones_can_be_sent_again(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, posts_pending_max=4) as house:
        person, sphere = await _greeted(house, "msgpack")
        fields: dict[str, Any] = {"sphere": sphere, "revision": 1}
        requests = [
            await person.send("post", **fields, client_id=f"client-{n:04}", body=f"{n}")
            for n in range(200)
        ]
        frames = {frame["id"]: frame for frame in [await person.answer(r) for r in requests]}

        refused = [n for n, r in enumerate(requests) if frames[r]["type"] == "error"]
        for n in refused:
            await person.call("post", **fields, client_id=f"client-{n:04}", body=f"{n}")
        bodies = [event.get("body") for event in await person.history(sphere, limit=500)]

        await person.close()
    assert sorted(body for body in bodies if body) == sorted(f"{n}" for n in range(200))


async def test_no_traceback_reaches_the_log(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    person, _ = await _greeted(house)
    for frame in ("{", '{"type":"x","id":1}', DEEP_JSON):
        await person.send_raw(frame)
        await person.settled()
    person.cut()
    await person.closed()

    captured = capfd.readouterr()
    assert "Traceback" not in captured.err + captured.out


def test_the_deep_frame_is_deep_enough_to_matter() -> None:
    with pytest.raises(RecursionError):
        json.loads("[" * 30_000 + "]" * 30_000)


async def test_edits_and_deletions_have_a_pace_of_their_own(tmp_path: Path) -> None:
    async with serving(tmp_path, rewrites_per_second=1, rewrites_burst=2) as house:
        ana = await house.resident(await house.organisation(), "Ana")
        sphere = await house.sphere(ana)
        async with await house.person(ana) as author:
            message = (await author.post(sphere, "hello"))["seq"]
            edit = {"sphere": sphere, "revision": 1, "message": message}
            for n in range(2):
                await author.call("edit", **edit, body=f"{n}")

            refusal = await author.refusal("delete", sphere=sphere, message=message)

            await author.call("react", sphere=sphere, message=message, reaction="+1")
    assert refusal["code"] == "too_fast"
    assert 0 < refusal["retry_after_ms"] <= 1_000
