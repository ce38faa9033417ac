"""Promise 13: closing an account leaves every sphere; what is one's own can be taken along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.domain.policy import DAY, PasswordPolicy
from tests.house import PASSWORD, HandClock, House, Resident, serving
from tests.people import Frame, Refused, call_http, sign_in

WORDS = "the heron flies at dusk"


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """Return a server whose clock the test moves."""
    async with serving(tmp_path, clock=clock) as running:
        yield running


async def close(house: House, who: Resident, **fields: Any) -> tuple[int, Frame]:
    """Close somebody's account; return the status and the answer."""
    body = {"organisation": "acme", "address": who.address, "password": PASSWORD}
    status, _, answer = await asyncio.to_thread(
        call_http, house.url, "POST", "/v1/close", body=body | fields
    )
    return status, json.loads(answer)


async def export(house: House, token: str | None) -> tuple[int, list[Frame]]:
    """Ask for one's own data; return the status and the lines."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    status, _, body = await asyncio.to_thread(
        call_http, house.url, "GET", "/v1/export", headers=headers
    )
    return status, [json.loads(line) for line in body.splitlines()]


async def test_closing_leaves_every_sphere_of_every_organisation_and_forgets_the_account(
    house: House,
) -> None:
    acme, umbra = await house.organisation(), await house.organisation("umbra")
    ana = await house.resident(acme, "Ana")
    bob = await house.resident(acme, "Bobolink", password=PASSWORD)
    zoe, twin = await house.resident(umbra, "Zoe"), await house.twin(bob, umbra, "Robin")
    here, there = await house.sphere(ana, bob), await house.sphere(zoe, twin)
    stays, out, away = [await house.person(one) for one in (ana, bob, twin)]
    await stays.call("subscribe", sphere=here)
    for person, sphere in ((out, here), (away, there)):
        await person.post(sphere, WORDS)

    status, answer = await close(house, bob, everywhere=True)

    told = await stays.event("member_left", member=bob.id)
    assert (status, told["how"]) == (200, "left")
    assert {(one["sphere"], one["messages_erased"]) for one in answer["certificates"]} == {
        (here, 1),
        (there, 1),
    }
    assert {await out.closed(), await away.closed()} <= {4501, 1006}
    assert not any(house.holds(trace) for trace in (WORDS, "Bobolink", "Robin", bob.address))
    with pytest.raises(Refused, match="sign_in_refused"):
        await sign_in(house.url, "acme", bob.address, PASSWORD)
    await stays.close()


async def test_leaving_one_organisation_keeps_the_others(house: House) -> None:
    acme, umbra = await house.organisation(), await house.organisation("umbra")
    bob = await house.resident(acme, "Bob", password=PASSWORD)
    await house.twin(bob, umbra, "Robin")

    status, answer = await close(house, bob)

    assert (status, answer) == (200, {"certificates": []})
    assert await sign_in(house.url, "umbra", bob.address, PASSWORD)
    with pytest.raises(Refused, match="sign_in_refused"):
        await sign_in(house.url, "acme", bob.address, PASSWORD)


async def test_closing_needs_the_password_and_an_expired_one_closes_nothing(
    house: House, clock: HandClock
) -> None:
    acme = await house.organisation(password=PasswordPolicy(age_max_ms=DAY))
    bob = await house.resident(acme, "Bob", password=PASSWORD)

    wrong, refused = await close(house, bob, password="not the password")
    clock.advance(DAY)
    late, expired = await close(house, bob)

    assert (wrong, refused["error"]["code"]) == (401, "sign_in_refused")
    assert (late, expired["error"]["code"]) == (401, "password_expired")


async def test_an_export_holds_all_that_is_mine(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    inside, former = await house.sphere(ana, name="Inside"), await house.sphere(
        await house.resident(acme, "Bob"), ana, name="Former"
    )  # fmt: skip
    carol = await house.resident(acme, "Carol")
    door = await house.sphere(carol)
    async with await house.person(carol) as keeper:
        await keeper.call("configure", sphere=door, revision=1, listed=True)
    await house.connector(inside, ana, "Builds")
    token = await house.token(ana)
    async with await house.person(ana) as owner:
        await owner.call("describe", field="title", value="Baker", visibility="hidden")
        await owner.call("bequeath", sphere=former, form="anonymous")
        for number in range(205):
            await owner.post(inside, f"{WORDS} {number}")
        await owner.post(former, "left behind")
        edited = (await owner.post(inside, "as it was"))["seq"]
        await owner.call("edit", sphere=inside, revision=1, message=edited, body="as it is")
        for reaction in ("taken back", "+1"):
            await owner.call("react", sphere=inside, message=edited, reaction=reaction)
        await owner.call("react", sphere=inside, message=edited, reaction="taken back", on=False)
        await owner.call("mark_read", sphere=inside, seq=edited)
        await owner.call("leave", sphere=former)
        await owner.call("ask", sphere=door)

    status, lines = await export(house, token)

    kinds = {line["type"] for line in lines}
    bodies = [line["body"] for line in lines if line["type"] == "message"]
    assert status == 200
    assert kinds == {
        "membership", "profile", "session", "sphere", "connector", "request", "message", "reaction"
    }  # fmt: skip
    assert [line["sphere"] for line in lines if line["type"] == "request"] == [door]
    assert lines[0]["address"] == ana.address
    posted = [f"{WORDS} {n}" for n in range(205)]
    assert sorted(bodies) == sorted([*posted, "left behind", "as it is"])
    assert [line["body"] for line in lines if line.get("edited_at")] == ["as it is"]
    assert [(one["message"], one["reaction"]) for one in lines if one["type"] == "reaction"] == [
        (edited, "+1")
    ]
    places = [line for line in lines if line["type"] == "sphere"]
    assert {(line["name"], line["bequest"], line["read"]) for line in places} == {
        ("Inside", None, edited),
        (None, "anonymous", None),
    }
    assert next(line for line in lines if line["type"] == "profile")["value"] == "Baker"


async def test_an_export_holds_nothing_of_others_and_no_secret(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    bob = await house.resident(acme, "Bobolink", password=PASSWORD)
    sphere = await house.sphere(ana, bob)
    token = await house.token(ana)
    async with await house.person(bob) as other:
        await other.post(sphere, WORDS)
        await other.call("describe", field="title", value="Birder", visibility="organisation")

    _, lines = await export(house, token)

    everything = json.dumps(lines)
    for secret in (WORDS, "Bobolink", "Birder", bob.id, bob.address, token, ana.account, "argon2"):
        assert secret not in everything


async def test_an_export_needs_a_session(house: House) -> None:
    for token in (None, "cls_" + "a" * 43):
        status, lines = await export(house, token)
        assert (status, lines[0]["error"]["code"]) == (401, "not_authenticated")
