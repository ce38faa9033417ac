"""Promise 15: each organisation sets its password and session policy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.domain.policy import DAY, Classes, PasswordPolicy, SessionPolicy
from tests.house import HandClock, House, serving
from tests.people import Person, Refused, call_http, sign_in

LONG = "Quarante-cinq signes au moins, dont 1 chiffre: é"
OTHER = "Une autre phrase de plus de 45 signes, avec 2 chiffres"


@pytest.fixture
async def timed(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """Return a server whose clock the test moves."""
    async with serving(tmp_path, clock=clock) as running:
        yield running


async def change(house: House, address: str, old: str, new: str) -> tuple[int, dict[str, Any]]:
    """Ask for another password."""
    status, _, body = await asyncio.to_thread(
        call_http,
        house.url,
        "POST",
        "/v1/password",
        body={"organisation": "acme", "address": address, "password": old, "new_password": new},
    )
    return status, json.loads(body) if body else {}


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_a_session_of_ten_seconds_closes_its_open_socket_at_ten_seconds(
    timed: House, clock: HandClock, *, busy: bool
) -> None:
    acme = await timed.organisation(session=SessionPolicy(lifetime_ms=10_000, idle_ms=10_000))
    ana = await timed.resident(acme, "Ana")
    sphere = await timed.sphere(ana)
    person = await timed.person(ana)
    await person.call("subscribe", sphere=sphere)

    for _ in range(9):
        clock.advance(1_000)
        if busy:
            await person.post(sphere, "still here")
    clock.advance(999)
    timed.parts.services.live.due(clock.now())
    await person.settled()
    alive = person.close_code
    clock.advance(1)

    assert alive is None
    assert await person.closed() == 4500
    again = await Person(timed.url, person.token).connect()
    assert (await again.refusal("hello", token=person.token))["code"] == "not_authenticated"
    await again.close()


async def test_an_idle_limit_closes_the_socket_that_says_nothing_and_no_other(
    timed: House, clock: HandClock
) -> None:
    acme = await timed.organisation(session=SessionPolicy(lifetime_ms=DAY, idle_ms=60_000))
    ana, bob = await timed.resident(acme, "Ana"), await timed.resident(acme, "Bob")
    silent, busy = await timed.person(ana), await timed.person(bob)
    clock.advance(40_000)
    await busy.call("list")
    clock.advance(30_000)

    assert await silent.closed() == 4500
    await busy.call("list")
    await busy.close()


async def test_forty_five_characters_that_expire_every_day_is_a_legal_policy(
    timed: House, clock: HandClock
) -> None:
    strict = PasswordPolicy(
        length_min=45, classes=Classes.UPPER | Classes.DIGIT, age_max_ms=DAY, reuse_history=5
    )
    acme = await timed.organisation(password=strict)
    ana = await timed.resident(acme, "Ana", password=LONG)
    token = await sign_in(timed.url, "acme", ana.address, LONG)
    person = await Person(timed.url, token).hello()

    clock.advance(DAY)

    assert await person.closed() == 4500
    with pytest.raises(Refused) as expired:
        await sign_in(timed.url, "acme", ana.address, LONG)
    short, why = await change(timed, ana.address, LONG, "Too short, 1")
    same, _ = await change(timed, ana.address, LONG, LONG)
    changed, _ = await change(timed, ana.address, LONG, OTHER)
    back, _ = await change(timed, ana.address, OTHER, LONG)
    assert expired.value.code == "password_expired"
    assert (short, why["error"]["code"]) == (400, "password_refused")
    assert (same, changed, back) == (400, 204, 400)
    assert await sign_in(timed.url, "acme", ana.address, OTHER)


async def test_an_expired_password_opens_nothing_but_its_own_change(
    timed: House, clock: HandClock
) -> None:
    acme = await timed.organisation(password=PasswordPolicy(age_max_ms=DAY))
    ana = await timed.resident(acme, "Ana", password=LONG)
    token = await timed.token(ana)
    clock.advance(DAY)

    status, _, _ = await asyncio.to_thread(
        call_http,
        timed.url,
        "GET",
        "/v1/connect",
        headers={
            "authorization": f"Bearer {token}",
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-protocol": "cloison.v1.json",
        },
    )

    person = await Person(timed.url, token).connect()
    assert (await person.refusal("hello", token=token))["code"] == "not_authenticated"
    await person.close()
    assert status == 401


async def test_tightening_a_policy_closes_live_sessions_past_it_within_a_second(
    timed: House, clock: HandClock
) -> None:
    acme, other = await timed.organisation(), await timed.organisation("umbrella")
    old = await timed.person(await timed.resident(acme, "Ana"))
    elsewhere = await timed.person(await timed.resident(other, "Zoe"))
    clock.advance(3_600_000)
    young = await timed.person(await timed.resident(acme, "Bob"))

    await timed.demand(acme, session_lifetime_ms=1_800_000, session_idle_ms=1_800_000)

    async with asyncio.timeout(1):
        assert await old.closed() == 4500
    for person in (young, elsewhere):
        await person.call("list")
        await person.close()


async def test_signing_out_closes_every_connection_of_the_session_and_no_other(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    first, other = await house.person(ana), await house.person(ana)
    tab = await Person(house.url, first.token).hello()

    status, _, _ = await asyncio.to_thread(
        call_http,
        house.url,
        "POST",
        "/v1/sign-out",
        headers={"authorization": f"Bearer {first.token}"},
    )

    assert status == 204
    assert [await first.closed(), await tab.closed()] == [4501, 4501]
    await other.call("list")
    await other.close()
