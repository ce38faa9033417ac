from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.auth import tokens
from server.domain.policy import DAY, PasswordPolicy
from server.protocol.close import Close
from storage import members
from tests.auth.house import BIRTH, OTHER_PASSWORD, PASSWORD, House
from tests.http.front import BODY_BYTES_MAX, Answer, Front, ana, open_front

WRONG = "wrong and long enough"


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path) as opened:
        yield opened


@pytest.fixture
async def demo(front: Front) -> str:
    """Return the id of Ana, a member of the demo."""
    return (await front.house.person(await front.house.organisation())).id


def bearer(answer: Answer) -> dict[str, str]:
    return {"authorization": f"Bearer {answer.json['token']}"}


def browser(front: Front, answer: Answer | None = None) -> dict[str, str]:
    """Return what a browser sends from a page of this server."""
    cookie = {} if answer is None else {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    return {"origin": front.origin, **cookie}


# -- sign in


async def test_signing_in_answers_a_token_and_who_one_is(front: Front, demo: str) -> None:
    answer = await front.sign_in()

    token = answer.json["token"]
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert tokens.may_be_session(token)
    assert answer.json == {
        "token": token,
        "member": demo,
        "name": "Ana",
        "role": "member",
        "organisation": "The demo",
        "session_ends_at": BIRTH + 30 * DAY,
        "idle_limit_ms": 7 * DAY,
    }
    assert "set-cookie" not in answer.headers


async def everyone_refused(house: House) -> list[dict[str, Any]]:
    there = await house.organisation("there")
    await house.person(there, address="foreign@demo.example")
    here = await house.person(await house.organisation("here"), address="disabled@demo.example")
    await house.database.write(members.set_disabled, member_id=here.id, disabled=True)
    return [
        ana(organisation="nowhere"),
        ana(address="nobody@demo.example"),
        ana(address="foreign@demo.example"),
        ana(password=WRONG),
        ana(organisation="here", address="disabled@demo.example"),
        ana(organisation="here", address="disabled@demo.example", password=WRONG),
    ]


@pytest.mark.usefixtures("demo")
async def test_whatever_is_wrong_with_a_sign_in_the_answer_is_the_same_to_the_byte(
    front: Front,
) -> None:
    asked = await everyone_refused(front.house)

    answers = [await front.post("/v1/sign-in", one) for one in asked]
    changes = [
        await front.post("/v1/password", {**one, "new_password": OTHER_PASSWORD}) for one in asked
    ]

    seen = set()
    for answer in answers + changes:
        answer.headers.pop("date")
        seen.add((answer.status, tuple(answer.headers.items()), answer.body))
    assert len(seen) == 1
    assert answers[0].status == 401
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert answers[0].json == {
        "error": {
            "code": "sign_in_refused",
            "message": "The address, the password or the organisation is wrong.",
            "temporary": False,
        }
    }


async def test_an_expired_password_is_told_to_whoever_knows_it(front: Front) -> None:
    policy = PasswordPolicy(age_max_ms=DAY)
    await front.house.person(await front.house.organisation(password=policy))
    front.house.move(DAY)

    assert (await front.sign_in()).code == "password_expired"
    assert (await front.sign_in(password=WRONG)).code == "sign_in_refused"


@pytest.mark.usefixtures("demo")
async def test_too_many_failures_are_told_when_to_come_back(front: Front) -> None:
    for _ in range(10):
        assert (await front.sign_in(password=WRONG)).status == 401

    answer = await front.sign_in(password=WRONG)

    assert answer.status == 429
    assert answer.json["error"]["temporary"] is True
    assert answer.json["error"]["retry_after_ms"] == 6_001
    assert answer.headers["retry-after"] == "7"


@pytest.mark.usefixtures("demo")
async def test_no_header_changes_the_source_of_a_request(front: Front) -> None:
    for number in range(10):
        forged = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=203.0.113.{number}"}
        assert (await front.sign_in(password=WRONG, headers=forged)).status == 401

    assert (await front.sign_in(headers={"x-forwarded-for": "203.0.113.99"})).status == 429


async def test_a_flood_of_sign_ins_is_told_that_the_server_is_busy(front: Front) -> None:
    for place in range(66):
        await front.house.person(
            await front.house.organisation(f"o{place}"), address=f"{place}@demo.example"
        )
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)

    held = [asyncio.ensure_future(front.house.passwords.run(wait)) for _ in range(65)]
    await asyncio.sleep(0)

    answer = await front.sign_in()

    gate.set()
    await asyncio.gather(*held)
    assert (answer.status, answer.code) == (503, "busy")
    assert answer.headers["retry-after"] == "5"


# -- cookies


@pytest.mark.usefixtures("demo")
async def test_a_browser_gets_its_token_in_a_cookie_and_nowhere_else(front: Front) -> None:
    answer = await front.sign_in(cookie=True, headers=browser(front))

    assert answer.status == 200
    assert "token" not in answer.json
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert tokens.may_be_session(value.removeprefix("cloison="))
    assert set(attributes) == {"HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={30 * 86_400}"}


async def test_over_https_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    async with open_front(tmp_path, origins=("https://chat.example",)) as front:
        await front.house.person(await front.house.organisation())
        here = {"origin": "https://chat.example"}

        answer = await front.sign_in(cookie=True, headers=here)
        value, *attributes = answer.headers["set-cookie"].split("; ")
        again = await front.post("/v1/sign-out", headers={**here, "cookie": value})

        assert value.startswith("__Host-cloison=cls_")
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} < set(attributes)
        assert again.status == 204
        assert again.headers["set-cookie"].startswith('__Host-cloison=""; ')
        assert "Max-Age=0" in again.headers["set-cookie"]


@pytest.mark.usefixtures("demo")
async def test_a_cookie_is_not_set_for_a_page_that_names_no_origin(front: Front) -> None:
    answer = await front.sign_in(cookie=True)

    assert (answer.status, answer.code) == (403, "origin_refused")
    assert "set-cookie" not in answer.headers


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("path", ["/v1/sign-in", "/v1/sign-out", "/v1/password"])
@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1"])
async def test_a_foreign_page_is_refused_before_anything_is_looked_at(
    front: Front, path: str, origin: str
) -> None:
    signed_in = await front.sign_in()

    answer = await front.post(path, ana(), {"origin": origin, **bearer(signed_in)})

    assert (answer.status, answer.code) == (403, "origin_refused")
    assert "access-control-allow-origin" not in answer.headers
    await front.house.accounts.recognise(signed_in.json["token"])


@pytest.mark.usefixtures("demo")
async def test_signing_in_again_ends_the_session_of_the_same_browser(front: Front) -> None:
    first = await front.sign_in(cookie=True, headers=browser(front))
    token = first.headers["set-cookie"].partition(";")[0].removeprefix("cloison=")
    door = await front.house.attach(token)

    second = await front.sign_in(cookie=True, headers=browser(front, first))

    assert second.status == 200
    assert door.closed is Close.SESSION_ENDED


# -- sign out


@pytest.mark.usefixtures("demo")
async def test_signing_out_closes_every_socket_of_the_session(front: Front) -> None:
    signed_in = await front.sign_in()
    doors = [await front.house.attach(signed_in.json["token"]) for _ in range(2)]

    answer = await front.post("/v1/sign-out", headers=bearer(signed_in))

    assert (answer.status, answer.body) == (204, b"")
    assert [door.closed for door in doors] == [Close.SESSION_ENDED] * 2
    again = await front.post("/v1/sign-out", headers=bearer(signed_in))
    assert (again.status, again.code) == (401, "not_authenticated")


@pytest.mark.usefixtures("demo")
async def test_a_browser_that_signs_out_twice_is_rid_of_its_cookie_twice(front: Front) -> None:
    signed_in = await front.sign_in(cookie=True, headers=browser(front))

    for _ in range(2):
        answer = await front.post("/v1/sign-out", headers=browser(front, signed_in))
        assert answer.status == 204
        assert answer.headers["set-cookie"].startswith('cloison=""; ')
        assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.usefixtures("demo")
async def test_a_cookie_without_an_origin_signs_nobody_out(front: Front) -> None:
    signed_in = await front.sign_in(cookie=True, headers=browser(front))
    carried = browser(front, signed_in)
    del carried["origin"]

    assert (await front.post("/v1/sign-out", headers=carried)).status == 401
    assert (await front.post("/v1/sign-out", headers=browser(front, signed_in))).status == 204


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer cls_unknown"}]
)
async def test_signing_out_of_nothing_is_refused(front: Front, headers: dict[str, str]) -> None:
    answer = await front.post("/v1/sign-out", headers=headers)

    assert (answer.status, answer.code) == (401, "not_authenticated")


# -- change of password


@pytest.mark.usefixtures("demo")
async def test_a_password_is_changed_by_the_former_one(front: Front) -> None:
    signed_in = await front.sign_in()
    door = await front.house.attach(signed_in.json["token"])

    answer = await front.post("/v1/password", ana(new_password=OTHER_PASSWORD))

    assert (answer.status, answer.body) == (204, b"")
    assert door.closed is Close.SESSION_ENDED
    assert (await front.sign_in()).status == 401
    assert (await front.sign_in(password=OTHER_PASSWORD)).status == 200


@pytest.mark.usefixtures("demo")
async def test_a_refused_password_is_told_every_reason(front: Front) -> None:
    answer = await front.post("/v1/password", ana(new_password="aaa"))

    assert (answer.status, answer.code) == (400, "password_refused")
    assert "3 characters of the 15" in answer.json["error"]["message"]
    assert "fewer than five" in answer.json["error"]["message"]


async def test_an_expired_password_can_be_changed(front: Front) -> None:
    policy = PasswordPolicy(age_max_ms=DAY)
    await front.house.person(await front.house.organisation(password=policy))
    front.house.move(DAY)

    assert (await front.post("/v1/password", ana(new_password=OTHER_PASSWORD))).status == 204
    assert (await front.sign_in(password=OTHER_PASSWORD)).status == 200


# -- forms


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"organisation":"demo","address":"ana@demo.example"}',
        b'{"organisation":"demo","address":"ana@demo.example","password":1}',
        b'{"organisation":"demo","address":"ana@demo.example","password":"\\ud800"}',
        b'{"organisation":"demo","address":"ana@demo.example","password":""}',
        b'{"organisation":"demo","address":"ana@demo.example","password":"x","cookie":NaN}',
        b'{"organisation":"demo","address":"ana@demo.example","password":"x","more":1}',
        b'{"organisation":"demo","address":"ana@demo.example","password":"x"} x',
        b"[" * BODY_BYTES_MAX,
    ],
)
@pytest.mark.parametrize("path", ["/v1/sign-in", "/v1/password"])
async def test_a_body_that_cannot_be_read_is_refused_as_the_clients_fault(
    front: Front, path: str, body: bytes
) -> None:
    answer = await front.ask("POST", path, body)

    assert answer.status == 400
    assert answer.code in {"malformed_frame", "invalid_field"}


async def test_the_same_field_twice_is_one_field(front: Front, demo: str) -> None:
    body = (
        b'{"organisation":"x","organisation":"demo","address":"ana@demo.example","password":"%s"}'
    )

    answer = await front.ask("POST", "/v1/sign-in", body % PASSWORD.encode())

    assert answer.json["member"] == demo


async def test_nothing_of_a_request_is_in_any_log(
    front: Front, demo: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """At every level of ours, and of libraries what they warn of: what ``server/logs.py`` keeps."""
    for ours in ("server", "storage"):
        caplog.set_level("DEBUG", ours)
    signed_in = await front.sign_in()
    await front.sign_in(password=WRONG)
    await front.post("/v1/password", ana(new_password="aaa"))
    await front.post("/v1/sign-out", headers=bearer(signed_in))

    kept = [
        record.getMessage()
        for record in caplog.records
        if record.name.partition(".")[0] in {"server", "storage"}
        or record.levelno >= logging.WARNING
    ]
    logged = "".join([*kept, *capfd.readouterr()])
    for secret in ("ana@demo", PASSWORD, WRONG, signed_in.json["token"], demo, "127.0.0.1"):
        assert secret not in logged
