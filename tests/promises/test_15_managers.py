"""Promise 15, by the hand of a manager: policies over the wire, obeyed by sockets that are open."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from server.auth import tokens
from server.domain.policy import SessionPolicy
from server.protocol.scalars import MemberRole
from storage import accounts, members, sessions
from storage.database import Transaction
from tests.ears import Ear
from tests.house import HandClock, House, serving
from tests.people import Person

HOUR = 3_600_000
SOCKETS = 1_000
DEVICES = 250
MANAGER = MemberRole.MANAGER


@pytest.fixture
async def timed(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """Return a server whose clock the test moves."""
    async with serving(tmp_path, clock=clock) as running:
        yield running


async def test_policies_are_read_and_changed_and_what_is_left_out_stays(house: House) -> None:
    acme = await house.organisation()
    async with await house.person(await house.resident(acme, "Max", MANAGER)) as manager:
        before = await manager.call("policies")
        after = await manager.call(
            "set_policies",
            password_length_min=45,
            password_classes=["digit", "upper"],
            password_age_max_ms=24 * HOUR,
            directory=True,
        )
        aged = await manager.call("set_policies", password_age_max_ms=0)
        read = await manager.call("policies")

    defaults = {
        "password_length_min": 15,
        "password_classes": [],
        "password_age_max_ms": 0,
        "password_reuse_history": 0,
        "session_lifetime_ms": 720 * HOUR,
        "session_idle_ms": 168 * HOUR,
        "sessions_max": 20,
        "directory": False,
        "second_factor": False,
    }
    named = {
        "password_length_min": 45,
        "password_classes": ["upper", "digit"],
        "password_age_max_ms": 24 * HOUR,
        "directory": True,
    }
    assert before == defaults | {"type": "policies", "id": before["id"]}
    assert after == before | named | {"id": after["id"]}
    assert read == aged | {"id": read["id"]}
    assert (read["password_age_max_ms"], read["password_length_min"]) == (0, 45)


@pytest.mark.parametrize(
    ("weak", "why"),
    [
        ({"password_length_min": 11}, "below the server's floor of 12"),
        ({"session_lifetime_ms": 181 * 24 * HOUR}, "180 days"),
        ({"session_idle_ms": 800 * HOUR}, "lifetime"),
        ({"sessions_max": 0}, "1 to 1000"),
        ({"password_reuse_history": 101}, "100"),
        ({"password_age_max_ms": 1}, "one second"),
    ],
)
async def test_a_policy_weaker_than_the_floor_is_refused_with_the_reason(
    house: House, weak: dict[str, Any], why: str
) -> None:
    acme = await house.organisation()
    async with await house.person(await house.resident(acme, "Max", MANAGER)) as manager:
        before = await manager.call("policies")
        refused = await manager.refusal("set_policies", directory=True, **weak)
        after = await manager.call("policies")

    assert refused["code"] == "invalid_field"
    assert why in refused["message"]
    assert after == before | {"id": after["id"]}


async def test_a_manager_changes_the_policies_of_their_own_organisation_alone(
    house: House,
) -> None:
    acme, umbra = await house.organisation(), await house.organisation("umbra")
    boss, eve = [await house.resident(one, "Max", MANAGER) for one in (acme, umbra)]
    async with await house.person(boss) as manager, await house.person(eve) as foreigner:
        await manager.call("set_policies", sessions_max=3, directory=True)
        elsewhere = await foreigner.call("policies")

    assert (elsewhere["sessions_max"], elsewhere["directory"]) == (20, False)


async def test_two_managers_at_once_lose_nothing_of_each_other(house: House) -> None:
    acme = await house.organisation()
    one, other = [
        await house.person(await house.resident(acme, name, MANAGER)) for name in ("Max", "Mia")
    ]

    await asyncio.gather(
        one.call("set_policies", password_length_min=30),
        other.call("set_policies", sessions_max=5),
    )

    read = await one.call("policies")
    assert (read["password_length_min"], read["sessions_max"]) == (30, 5)
    for person in (one, other):
        await person.close()


async def test_what_ends_the_managers_own_session_is_answered_first(
    timed: House, clock: HandClock
) -> None:
    acme = await timed.organisation()
    boss = await timed.resident(acme, "Max", MANAGER)
    manager = await timed.person(boss)
    clock.advance(HOUR)

    answer = await manager.call(
        "set_policies", session_lifetime_ms=HOUR // 2, session_idle_ms=HOUR // 2
    )

    async with asyncio.timeout(1):
        closed = await manager.closed()
    assert (manager.frames[-1], closed) == (answer, 4500)


async def test_fewer_sessions_end_the_managers_own_after_the_answer(
    timed: House, clock: HandClock
) -> None:
    acme = await timed.organisation()
    boss = await timed.resident(acme, "Max", MANAGER)
    manager = await timed.person(boss)
    clock.advance(1)
    later = await timed.person(boss)

    answer = await manager.call("set_policies", sessions_max=1)

    closed = [one for one in (manager, later) if await _is_over(one)]
    assert len(closed) == 1
    assert manager.frames[-1] == answer
    for person in (manager, later):
        await person.close()


async def _is_over(person: Person) -> bool:
    try:
        await person.call("list")
    except (ConnectionError, ConnectionClosed):
        return True
    return False


# -- a thousand sockets


def _crowd(
    tx: Transaction, organisation: str, now: int, ages: tuple[int, ...]
) -> list[tuple[int, str]]:
    """Return the age and the token of one session of each of many members."""
    made = []
    for number, age in zip(range(DEVICES), itertools.cycle(ages), strict=False):
        account = accounts.create(
            tx, address=f"{number}@crowd.example", password_hash="!", now=now - age
        )
        member = members.create(
            tx,
            account=account.id,
            organisation=organisation,
            name=f"Member {number}",
            role=MemberRole.MEMBER,
            now=now - age,
        )
        token = tokens.new_session_token()
        sessions.begin(tx, digest=tokens.digest(token), member_id=member.id, now=now - age)
        made.append((age, token))
    return made


async def test_of_a_thousand_open_sockets_those_past_a_tighter_policy_close_within_a_second(
    tmp_path: Path, clock: HandClock
) -> None:
    async with serving(tmp_path, clock=clock, connections_per_address_max=5_000) as house:
        acme = await house.organisation(session=SessionPolicy(lifetime_ms=9 * HOUR, idle_ms=HOUR))
        boss = await house.person(await house.resident(acme, "Max", MANAGER))
        crowd = await house.parts.database.write(_crowd, acme, clock.now(), (0, HOUR // 2 + 1))
        crowd *= SOCKETS // DEVICES
        ears = await Ear.several(house.url, [token for _, token in crowd])
        old = [ear for ear, (age, _) in zip(ears, crowd, strict=True) if age]
        young = [ear for ear, (age, _) in zip(ears, crowd, strict=True) if not age]

        began = time.monotonic()
        await boss.call("set_policies", session_lifetime_ms=HOUR // 2, session_idle_ms=HOUR // 2)
        codes = [await ear.closed() for ear in old]
        took = time.monotonic() - began

        alive = [await ear.answers() for ear in young]
        assert set(codes) == {4500}
        assert (len(old), len(young), all(alive)) == (500, 500, True)
        assert took < 1
        for ear in ears:
            ear.cut()
        await boss.close()
