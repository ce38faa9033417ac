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

from server.auth import tokens
from server.auth.second_factor import STEP_S
from server.protocol.scalars import MemberRole
from storage import admissions, organisations
from storage.admissions import Admission
from storage.second_factors import FAILURES_MAX, failed
from storage.veil import ROOT_ID
from tests.house import PASSWORD, HandClock, House, Resident, serving
from tests.people import Frame, Person, call_http

OTHER = "seven owls in the cathedral"
WEEK = 7 * 86_400_000


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


async def test_requiring_one_ends_the_sessions_of_who_has_none_and_no_other(
    owner: Owner, house: House
) -> None:
    acme = owner.who.member.organisation
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    bob = await house.resident(acme, "Bob")
    zoe = await house.resident(await house.organisation("umbra"), "Zoe")
    await owner.set_up()
    _, signed_in = await owner.ask("/v1/sign-in", code=owner.code())
    with_one = await Person(house.url, signed_in["token"]).hello()
    manager, without, device, elsewhere = [await house.person(one) for one in (boss, bob, bob, zoe)]

    async with asyncio.timeout(1):
        answer = await manager.call("set_policies", second_factor=True)
        closed = [await one.closed() for one in (without, device, manager)]

    assert answer["second_factor"] is True
    assert manager.frames[-1] == answer  # whoever asked is answered, and then signed out as well
    assert closed == [4501] * 3
    again = await Person(house.url, without.token).connect()
    assert (await again.refusal("hello", token=without.token))["code"] == "not_authenticated"
    for person in (with_one, elsewhere):
        await person.call("list")
    for person in (with_one, elsewhere, again):
        await person.close()


async def test_a_factor_that_comes_into_force_ends_what_a_password_alone_had_opened(
    owner: Owner, house: House
) -> None:
    _, signed_in = await owner.ask("/v1/sign-in")
    stolen = await Person(house.url, signed_in["token"]).hello()

    await owner.set_up()

    assert await stolen.closed() == 4501


async def test_a_second_requirement_ends_nothing_more(owner: Owner, house: House) -> None:
    acme = owner.who.member.organisation
    await owner.set_up()
    await house.demand(acme, second_factor=True)
    _, signed_in = await owner.ask("/v1/sign-in", code=owner.code())
    async with Person(house.url, signed_in["token"]) as person:
        await house.demand(acme, second_factor=True, directory=True)
        await person.call("directory")


async def invite(house: House, address: str) -> str:
    """Return an invitation to another organisation."""
    umbra = await house.organisation("umbra")
    token = tokens.new_invitation_token()
    await house.parts.database.write(
        admissions.offer,
        Admission(organisation=umbra, address=address, role=MemberRole.MEMBER),
        digest=tokens.digest(token),
        expires_at=house.parts.clock.now() + WEEK,
    )
    return token


async def accept(owner: Owner, house: House, token: str, **fields: Any) -> str:
    """Accept an invitation; return `in`, or why not."""
    body = {
        "invitation": token,
        "address": owner.who.address,
        "name": "Ana elsewhere",
        "password": PASSWORD,
    }
    status, _, answer = await asyncio.to_thread(
        call_http, house.url, "POST", "/v1/accept", body=body | fields
    )
    return "in" if status == 200 else str(json.loads(answer)["error"]["code"])


async def test_an_invitation_that_links_an_account_asks_for_its_code(
    owner: Owner, house: House
) -> None:
    await owner.set_up()
    token = await invite(house, owner.who.address)

    answers = [
        await accept(owner, house, token),
        await accept(owner, house, token, code="000000"),
        await accept(owner, house, token, code=owner.code()),
        await accept(owner, house, token, code=owner.code(1)),
    ]

    assert answers == [
        "second_factor_needed",
        "second_factor_refused",
        "in",
        "invitation_refused",
    ]
    assert await owner.sign_in(code=owner.code()) == "second_factor_refused"  # it was used
    assert await owner.sign_in(code=owner.code(1)) == "in"


async def test_an_invitation_says_nothing_of_a_second_factor_before_the_password_is_proved(
    owner: Owner, house: House
) -> None:
    token = await invite(house, owner.who.address)
    before = [
        await accept(owner, house, token, password=OTHER, code=code)
        for code in ("000000", "abcdef")
    ]
    await owner.set_up()

    wrong = [
        await accept(owner, house, token, password=OTHER, code=code)
        for code in ("000000", owner.code())
    ]
    unknown = [
        await accept(owner, house, tokens.new_invitation_token(), code=code)
        for code in ("000000", owner.code())
    ]

    assert {*before, *wrong, *unknown} == {"invitation_refused"}
    assert await owner.sign_in(code=owner.code()) == "in"  # the code was not used up


async def test_a_wrong_code_with_an_invitation_counts_as_one_at_sign_in(
    owner: Owner, house: House
) -> None:
    codes = await owner.set_up()
    token = await invite(house, owner.who.address)
    for _ in range(FAILURES_MAX - 1):
        await house.parts.database.write(failed, owner.who.account)

    last = await accept(owner, house, token, code="000000")
    device = await accept(owner, house, token, code=owner.code())
    recovery = await accept(owner, house, token, code=codes[0])

    assert (last, device, recovery) == ("second_factor_refused", "second_factor_refused", "in")


async def test_guessing_codes_with_an_invitation_is_slow(tmp_path: Path, clock: HandClock) -> None:
    async with serving(tmp_path, clock=clock, sign_in_failures_per_minute=3) as house:
        acme = await house.organisation()
        owner = Owner(house, await house.resident(acme, "Ana", password=PASSWORD), clock)
        await owner.set_up()
        token = await invite(house, owner.who.address)

        answers = [await accept(owner, house, token, code="000000") for _ in range(4)]
        without = await accept(owner, house, token)

    assert answers == ["second_factor_refused"] * 3 + ["too_fast"]
    assert without == "too_fast"


async def test_a_code_for_an_account_that_is_new_is_not_looked_at(
    owner: Owner, house: House
) -> None:
    token = await invite(house, "new@guests.example")

    answer = await accept(owner, house, token, address="new@guests.example", code="000000")

    assert answer == "in"


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
    """Return how many keys of people there are."""
    with closing(sqlite3.connect(house.parts.settings.keys_path)) as keys:
        (count,) = keys.execute("SELECT count(*) FROM secret WHERE id != ?", (ROOT_ID,)).fetchone()
    return int(count)
