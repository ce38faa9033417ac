"""Promise 15: a second factor, which an organisation may require."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyotp
import pytest

from server.auth.second_factor import STEP_S
from storage import organisations
from storage.second_factors import FAILURES_MAX, failed
from tests.house import PASSWORD, HandClock, House, Resident, serving
from tests.people import Frame, call_http

OTHER = "seven owls in the cathedral"


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """Return a server whose clock the test moves, and that is not soon too fast."""
    many: dict[str, Any] = {
        "sign_ins_per_minute_per_source": 1_000,
        "sign_in_failures_per_minute": 1_000,
    }
    async with serving(tmp_path, clock=clock, **many) as running:
        yield running


class Owner:
    """Somebody with a password, and a device that makes codes."""

    def __init__(self, house: House, who: Resident, clock: HandClock) -> None:
        self._house = house
        self._clock = clock
        self.who = who
        self.secret = ""

    async def ask(self, path: str, **fields: Any) -> tuple[int, Frame]:
        """Make a request that proves the password."""
        body = {"organisation": "acme", "address": self.who.address, "password": PASSWORD}
        status, _, answer = await asyncio.to_thread(
            call_http, self._house.url, "POST", path, body=body | fields
        )
        return status, json.loads(answer) if answer else {}

    def code(self, steps: int = 0) -> str:
        """Return what the device shows, now or some steps away."""
        return pyotp.TOTP(self.secret).at(self._clock.now() // 1000 + steps * STEP_S)

    async def set_up(self) -> list[str]:
        """Set up a second factor; return the recovery codes."""
        _, drawn = await self.ask("/v1/second-factor")
        self.secret = drawn["secret"]
        status, confirmed = await self.ask("/v1/second-factor/confirm", code=self.code())
        assert status == 200
        codes: list[str] = confirmed["recovery_codes"]
        self._clock.advance(2 * STEP_S * 1000)
        return codes

    async def sign_in(self, **fields: Any) -> str:
        """Sign in; return `in`, or why not."""
        status, answer = await self.ask("/v1/sign-in", **fields)
        return "in" if status == 200 else str(answer["error"]["code"])


@pytest.fixture
async def owner(house: House, clock: HandClock) -> Owner:
    """Return a member of an organisation that leaves the choice."""
    acme = await house.organisation()
    return Owner(house, await house.resident(acme, "Ana", password=PASSWORD), clock)


async def test_without_one_nothing_is_asked_for(owner: Owner) -> None:
    assert await owner.sign_in() == "in"
    assert await owner.sign_in(code="000000") == "in"


async def test_with_one_the_password_alone_opens_nothing(owner: Owner) -> None:
    await owner.set_up()

    answers = [await owner.sign_in(), await owner.sign_in(code="abcdef")]
    closed, changed = (
        await owner.ask("/v1/close"),
        await owner.ask("/v1/password", new_password=OTHER),
    )

    assert answers == ["second_factor_needed", "second_factor_refused"]
    assert (closed[0], changed[0]) == (401, 401)
    assert await owner.sign_in(code=owner.code()) == "in"


async def test_a_wrong_password_says_nothing_of_a_second_factor(owner: Owner) -> None:
    before = await owner.sign_in(password=OTHER)
    await owner.set_up()

    after = [await owner.sign_in(password=OTHER, code=one) for one in (owner.code(), "000000")]

    assert {before, *after} == {"sign_in_refused"}


async def test_a_code_is_used_once_and_none_before_it_after_it(owner: Owner) -> None:
    await owner.set_up()

    answers = [await owner.sign_in(code=owner.code(steps)) for steps in (0, 0, -1, 1, 1)]

    assert answers == ["in", *["second_factor_refused"] * 2, "in", "second_factor_refused"]


async def test_the_code_that_confirmed_opens_nothing(owner: Owner, clock: HandClock) -> None:
    await owner.set_up()
    clock.advance(-2 * STEP_S * 1000)

    assert await owner.sign_in(code=owner.code()) == "second_factor_refused"


@pytest.mark.parametrize(
    ("steps", "answer"),
    [(-2, "second_factor_refused"), (-1, "in"), (1, "in"), (2, "second_factor_refused")],
)
async def test_a_clock_may_be_off_by_one_step(owner: Owner, steps: int, answer: str) -> None:
    await owner.set_up()

    assert await owner.sign_in(code=owner.code(steps)) == answer


async def test_one_code_sent_many_times_at_once_opens_one_session(owner: Owner) -> None:
    await owner.set_up()

    answers = await asyncio.gather(*(owner.sign_in(code=owner.code()) for _ in range(5)))

    assert sorted(answers) == ["in", *["second_factor_refused"] * 4]


async def test_a_recovery_code_works_once_however_it_is_typed(owner: Owner) -> None:
    codes = await owner.set_up()

    answers = [await owner.sign_in(code=one) for one in (codes[0], codes[0], codes[1].upper())]

    assert len(set(codes)) == 10
    assert answers == ["in", "second_factor_refused", "in"]


async def test_after_too_many_wrong_codes_only_a_recovery_code_helps(
    owner: Owner, house: House
) -> None:
    codes = await owner.set_up()
    for _ in range(FAILURES_MAX):
        await house.parts.database.write(failed, owner.who.account)

    device = await owner.sign_in(code=owner.code())
    recovery = await owner.sign_in(code=codes[0])

    assert (device, recovery) == ("second_factor_refused", "in")
    assert await owner.sign_in(code=owner.code()) == "in"


async def test_a_secret_that_was_not_confirmed_changes_nothing(owner: Owner) -> None:
    await owner.ask("/v1/second-factor")

    status, refused = await owner.ask("/v1/second-factor/confirm", code="abcdef")

    assert (status, refused["error"]["code"]) == (401, "second_factor_refused")
    assert await owner.sign_in() == "in"


async def test_one_that_is_in_force_is_not_replaced_but_dropped_with_a_code(owner: Owner) -> None:
    await owner.set_up()

    again, _ = await owner.ask("/v1/second-factor", code=owner.code())
    without, _ = await owner.ask("/v1/second-factor/drop")
    dropped, _ = await owner.ask("/v1/second-factor/drop", code=owner.code(1))

    assert (again, without, dropped) == (409, 401, 204)
    assert await owner.sign_in() == "in"


async def test_an_organisation_may_require_one(owner: Owner, house: House) -> None:
    acme = owner.who.member.organisation
    await house.parts.database.write(
        organisations.set_second_factor, organisation=acme, required=True
    )

    before = await owner.sign_in()
    await owner.set_up()
    status, refused = await owner.ask("/v1/second-factor/drop", code=owner.code())

    assert before == "second_factor_missing"
    assert (status, refused["error"]["code"]) == (403, "not_allowed")
    assert await owner.sign_in(code=owner.code(1)) == "in"


async def test_no_file_holds_the_secret_or_a_recovery_code(owner: Owner, house: House) -> None:
    codes = await owner.set_up()

    assert not any(house.holds(one) for one in (owner.secret, *codes))


async def test_closing_the_account_destroys_the_factor_and_its_key(
    owner: Owner, house: House
) -> None:
    await owner.set_up()
    before = _keys(house)

    wrong, _ = await owner.ask("/v1/close", code="abcdef")
    status, _ = await owner.ask("/v1/close", code=owner.code())

    assert (wrong, status) == (401, 200)
    assert (before, _keys(house)) == (1, 0)


def _keys(house: House) -> int:
    """Return how many keys there are."""
    with closing(sqlite3.connect(house.parts.database.keyring.path)) as keys:
        (count,) = keys.execute("SELECT count(*) FROM secret").fetchone()
    return int(count)
