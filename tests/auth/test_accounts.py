from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from server import errors
from server.auth import tokens
from server.auth.proof import Claim
from server.auth.sign_in import SignedIn
from server.domain.policy import DAY, Classes, PasswordPolicy, SessionPolicy
from server.protocol.close import Close
from storage import accounts as stored_accounts
from storage import members, organisations, sessions
from tests.auth.house import (
    BIRTH,
    OTHER_PASSWORD,
    PASSWORD,
    House,
    cheap_passwords,
    claim,
    open_house,
)

SECOND = 1_000
SHORT = SessionPolicy(lifetime_ms=100 * SECOND, idle_ms=10 * SECOND, sessions_max=2)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def everything_stored(house: House) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(house.path.iterdir()))


async def change(house: House, former: str, new: str, **who: str) -> None:
    await house.accounts.change_password(claim(password=former, **who), new)


# -- sign in


async def test_whoever_knows_the_password_gets_a_session(house: House) -> None:
    ana = await house.person(await house.organisation())

    signed_in = await house.accounts.sign_in(claim())

    assert signed_in.session.member == ana
    assert signed_in.session.organisation_name == "The demo"
    assert signed_in.session.ends_at == BIRTH + 30 * DAY
    assert await house.accounts.recognise(signed_in.token) == signed_in.session


async def test_an_address_and_a_handle_are_found_however_they_are_typed(house: House) -> None:
    await house.person(await house.organisation(), address="jose\u0301@demo.example")

    await house.accounts.sign_in(claim(" DEMO ", "JOS\u00c9@Demo.Example "))


async def test_the_token_is_nowhere_in_the_files_of_the_database(house: House) -> None:
    await house.person(await house.organisation())

    token = (await house.accounts.sign_in(claim())).token

    stored = everything_stored(house)
    assert tokens.digest(token) in stored
    assert token.encode() not in stored
    assert token.removeprefix("cls_").encode() not in stored
    assert PASSWORD.encode() not in stored


async def test_every_sign_in_draws_a_new_token_and_ends_the_one_presented(house: House) -> None:
    await house.person(await house.organisation())
    first = await house.accounts.sign_in(claim())
    door = await house.attach(first.token)

    second = await house.accounts.sign_in(claim(), replaced=first.token)

    assert second.token != first.token
    assert second.ended == [first.session.id]
    assert door.closed is Close.SESSION_ENDED
    with pytest.raises(errors.NotAuthenticated):
        await house.accounts.recognise(first.token)
    await house.accounts.recognise(second.token)


async def test_a_presented_token_that_opens_nothing_is_no_obstacle(house: House) -> None:
    await house.person(await house.organisation())

    signed_in = await house.accounts.sign_in(claim(), replaced="whatever")

    assert signed_in.ended == []


async def refusals(house: House) -> list[Claim]:
    """People who may not sign in, each for a reason of their own."""
    demo, other = await house.organisation(), await house.organisation("other")
    await house.person(demo)
    await house.person(other, address="foreign@demo.example")
    disabled = await house.person(demo, address="disabled@demo.example")
    await house.database.write(members.set_disabled, member_id=disabled.id, disabled=True)
    return [
        claim(organisation="nowhere"),
        claim(address="nobody@demo.example"),
        claim(address="foreign@demo.example"),
        claim(address="disabled@demo.example"),
        claim(address="disabled@demo.example", password="wrong and long enough"),
        claim(password="wrong and long enough"),
    ]


async def test_every_reason_to_refuse_has_one_answer_and_one_cost(house: House) -> None:
    asked = await refusals(house)
    hashed = list[str | None]()
    verify = house.passwords.verify

    async def counted(password_hash: str | None, password: str) -> bool:
        hashed.append(password_hash)
        return await verify(password_hash, password)

    house.passwords.verify = counted  # type: ignore[method-assign]  # counts, and does the same
    answers = set()
    for one in asked:
        before = len(hashed)
        with pytest.raises(errors.SignInRefused) as refused:
            await house.accounts.sign_in(one)
        answers.add((refused.value.code, refused.value.message, refused.value.retry_after_ms))
        assert len(hashed) == before + 1

    assert len(answers) == 1
    assert hashed[:3] == [None] * 3
    assert None not in hashed[3:]


async def test_a_refused_sign_in_writes_nothing(house: House) -> None:
    asked = await refusals(house)
    await house.database.checkpoint()
    before = everything_stored(house)

    for one in asked:
        with pytest.raises(errors.SignInRefused):
            await house.accounts.sign_in(one)

    assert everything_stored(house) == before


async def test_passwords_are_tried_slowly_and_right_ones_too_then(house: House) -> None:
    await house.person(await house.organisation())
    for _ in range(10):
        with pytest.raises(errors.SignInRefused):
            await house.accounts.sign_in(claim(password="wrong and long enough"))

    with pytest.raises(errors.TooFast) as refused:
        await house.accounts.sign_in(claim())

    assert refused.value.retry_after_ms
    await house.accounts.sign_in(claim(source="203.0.113.9"))


async def test_a_sign_in_that_the_server_had_no_time_for_does_not_count(tmp_path: Path) -> None:
    async with open_house(tmp_path, cheap_passwords(hashers_max=1, waiting_max=1)) as house:
        await house.person(await house.organisation())
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wait() -> None:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)

        busy = [asyncio.ensure_future(house.passwords.run(wait)) for _ in range(2)]
        await asyncio.sleep(0)
        for _ in range(20):
            with pytest.raises(errors.Busy):
                await house.accounts.sign_in(claim(password="wrong and long enough"))
        gate.set()
        await asyncio.gather(*busy)

        await house.accounts.sign_in(claim())


async def test_a_hash_of_former_parameters_is_renewed_at_the_next_sign_in(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.person(await house.organisation())
    dearer = cheap_passwords(time=2)
    again = House(tmp_path, dearer)

    one, two = await asyncio.gather(
        again.accounts.sign_in(claim()), again.accounts.sign_in(claim())
    )

    account = await again.database.read(stored_accounts.by_address, "ana@demo.example")
    assert account is not None
    assert ",t=2," in account.password_hash
    assert not dearer.needs_rehash(account.password_hash)
    assert account.password_set_at == BIRTH
    assert one.session.id != two.session.id
    await again.accounts.sign_in(claim())
    dearer.close()
    await again.database.close()


async def test_beyond_the_number_allowed_the_session_least_in_use_ends(house: House) -> None:
    await house.person(await house.organisation(session=SHORT))
    first, second = [await house.accounts.sign_in(claim()) for _ in range(2)]
    in_use, idle = await house.attach(first.token), await house.attach(second.token)
    house.move(SECOND)
    live = house.live.attach(first.session, in_use, house.clock.now())
    house.live.detach(live, in_use)
    await house.accounts.note_seen()

    third = await house.accounts.sign_in(claim())

    assert third.ended == [second.session.id]
    assert (in_use.closed, idle.closed) == (None, Close.SESSION_ENDED)


async def test_a_member_disabled_while_their_password_is_checked_is_refused(house: House) -> None:
    ana = await house.person(await house.organisation())
    verify = house.passwords.verify

    async def and_meanwhile(password_hash: str | None, password: str) -> bool:
        right = await verify(password_hash, password)
        await house.database.write(members.set_disabled, member_id=ana.id, disabled=True)
        return right

    house.passwords.verify = and_meanwhile  # type: ignore[method-assign]  # the race, arranged

    with pytest.raises(errors.SignInRefused):
        await house.accounts.sign_in(claim())


async def test_a_password_changed_while_it_is_checked_opens_nothing(house: House) -> None:
    await house.person(await house.organisation())
    verify = house.passwords.verify
    changed = False

    async def and_meanwhile(password_hash: str | None, password: str) -> bool:
        nonlocal changed
        right = await verify(password_hash, password)
        if not changed:
            changed = True
            await change(house, PASSWORD, OTHER_PASSWORD)
        return right

    house.passwords.verify = and_meanwhile  # type: ignore[method-assign]  # the race, arranged

    with pytest.raises(errors.SignInRefused):
        await house.accounts.sign_in(claim())


async def test_neither_a_claim_nor_what_it_opens_prints_a_secret(house: House) -> None:
    await house.person(await house.organisation())
    signed_in = await house.accounts.sign_in(claim())
    credential = await house.database.read(
        stored_accounts.credential, handle="demo", address="ana@demo.example"
    )
    account = await house.database.read(stored_accounts.by_address, "ana@demo.example")

    printed = repr([claim(), signed_in, credential, account])

    for secret in ("ana@", PASSWORD, "argon2", signed_in.token, "192.0.2.7"):
        assert secret not in printed


# -- the age of passwords


async def test_only_who_knows_an_expired_password_learns_that_it_is_expired(house: House) -> None:
    await house.person(await house.organisation(password=PasswordPolicy(age_max_ms=DAY)))
    house.move(DAY)

    with pytest.raises(errors.PasswordExpired):
        await house.accounts.sign_in(claim())
    with pytest.raises(errors.SignInRefused):
        await house.accounts.sign_in(claim(password="wrong and long enough"))


async def test_the_strictest_of_ones_organisations_decides_the_age(house: House) -> None:
    lax = await house.organisation()
    strict = await house.organisation("strict", password=PasswordPolicy(age_max_ms=DAY))
    await house.person(lax, strict)
    house.move(DAY)

    with pytest.raises(errors.PasswordExpired):
        await house.accounts.sign_in(claim())


async def test_a_session_ends_when_its_password_expires(house: House) -> None:
    await house.person(await house.organisation(password=PasswordPolicy(age_max_ms=DAY)))
    house.move(DAY - 5)
    signed_in = await house.accounts.sign_in(claim())
    door = await house.attach(signed_in.token)

    assert signed_in.session.ends_at == BIRTH + DAY
    house.move(4)
    assert not door.closed
    house.move(1)

    assert door.closed is Close.SESSION_EXPIRED
    with pytest.raises(errors.NotAuthenticated):
        await house.accounts.recognise(signed_in.token)


async def test_an_expired_password_opens_the_change_of_that_password(house: House) -> None:
    await house.person(await house.organisation(password=PasswordPolicy(age_max_ms=DAY)))
    house.move(2 * DAY)

    await change(house, PASSWORD, OTHER_PASSWORD)

    signed_in = await house.accounts.sign_in(claim(password=OTHER_PASSWORD))
    assert signed_in.session.ends_at == BIRTH + 3 * DAY


# -- sign out


async def test_signing_out_ends_the_session_on_every_connection(house: House) -> None:
    await house.person(await house.organisation())
    token = (await house.accounts.sign_in(claim())).token
    doors = [await house.attach(token) for _ in range(3)]

    await house.accounts.sign_out(token)

    assert [door.closed for door in doors] == [Close.SESSION_ENDED] * 3
    with pytest.raises(errors.NotAuthenticated):
        await house.accounts.recognise(token)


async def test_a_token_that_was_read_before_the_sign_out_attaches_nothing_after_it(
    house: House,
) -> None:
    await house.person(await house.organisation())
    token = (await house.accounts.sign_in(claim())).token
    read_before = await house.accounts.recognise(token)

    await house.accounts.sign_out(token)

    with pytest.raises(errors.NotAuthenticated):
        house.live.check_alive(read_before, house.clock.now())


async def test_signing_out_twice_at_once_succeeds_once(house: House) -> None:
    await house.person(await house.organisation())
    token = (await house.accounts.sign_in(claim())).token

    outcomes = await asyncio.gather(
        *(house.accounts.sign_out(token) for _ in range(2)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in outcomes) == ["NoneType", "NotAuthenticated"]


@pytest.mark.parametrize("token", ["", "cls_short", "cls_" + "x" * 43])
async def test_what_is_no_living_token_opens_nothing(house: House, token: str) -> None:
    with pytest.raises(errors.NotAuthenticated):
        await house.accounts.sign_out(token)
    with pytest.raises(errors.NotAuthenticated):
        await house.accounts.recognise(token)


# -- deadlines


async def test_an_idle_session_opens_nothing(house: House) -> None:
    await house.person(await house.organisation(session=SHORT))
    token = (await house.accounts.sign_in(claim())).token

    house.move(10 * SECOND)

    with pytest.raises(errors.NotAuthenticated):
        await house.accounts.recognise(token)


async def test_what_was_seen_here_counts_before_the_store_knows_it(house: House) -> None:
    await house.person(await house.organisation(session=SHORT))
    token = (await house.accounts.sign_in(claim())).token
    house.move(9 * SECOND)
    await house.attach(token)

    house.move(9 * SECOND)

    await house.accounts.recognise(token)


async def test_activity_outlives_the_process_once_it_is_noted(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.person(await house.organisation(session=SHORT))
        token = (await house.accounts.sign_in(claim())).token
        house.move(9 * SECOND)
        await house.attach(token)
        await house.accounts.note_seen()
        await house.accounts.note_seen()

    again = House(tmp_path)
    again.clock.at = BIRTH + 18 * SECOND
    await again.accounts.recognise(token)
    again.passwords.close()
    await again.database.close()


async def test_the_rows_of_sessions_long_dead_are_swept(house: House) -> None:
    await house.person(await house.organisation(session=SHORT))
    await house.accounts.sign_in(claim())

    house.move(10 * SECOND)
    assert await house.accounts.sweep() == 0
    house.move(3_600 * SECOND)

    assert await house.accounts.sweep() == 1


# -- change of password


async def test_a_change_of_password_ends_every_session_of_the_account(house: House) -> None:
    here, there = await house.organisation(), await house.organisation("there")
    await house.person(here, there)
    await house.person(here, address="bob@demo.example")
    signed_in = [await house.accounts.sign_in(claim(one)) for one in ("demo", "there")]
    bob = await house.accounts.sign_in(claim(address="bob@demo.example"))
    doors = [await house.attach(one.token) for one in signed_in]
    untouched = await house.attach(bob.token)

    await change(house, PASSWORD, OTHER_PASSWORD)

    assert [door.closed for door in doors] == [Close.SESSION_ENDED] * 2
    assert untouched.closed is None
    with pytest.raises(errors.SignInRefused):
        await house.accounts.sign_in(claim())
    await house.accounts.sign_in(claim("there", password=OTHER_PASSWORD))


async def test_only_the_former_password_proves_who_asks(house: House) -> None:
    await house.person(await house.organisation())

    with pytest.raises(errors.SignInRefused):
        await change(house, "wrong and long enough", OTHER_PASSWORD)
    with pytest.raises(errors.SignInRefused):
        await change(house, PASSWORD, OTHER_PASSWORD, address="nobody@demo.example")

    await house.accounts.sign_in(claim())


async def test_the_new_password_satisfies_the_strictest_combination(house: House) -> None:
    long = await house.organisation(password=PasswordPolicy(length_min=45))
    classes = await house.organisation("b", password=PasswordPolicy(classes=Classes.DIGIT))
    await house.person(long, classes)

    with pytest.raises(errors.PasswordRefused) as refused:
        await change(house, PASSWORD, OTHER_PASSWORD)

    assert "of the 45 demanded" in refused.value.message
    assert "a digit" in refused.value.message
    await change(house, PASSWORD, OTHER_PASSWORD + ", 3 bats and a nightingale")


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (PASSWORD, "the present one"),
        ("passwordpassword1", "tries first"),
        ("xx ana@demo.example yy", "your address or name"),
    ],
)
async def test_a_password_that_is_easy_to_guess_is_refused(
    house: House, new: str, reason: str
) -> None:
    await house.person(await house.organisation())

    with pytest.raises(errors.PasswordRefused, match=reason):
        await change(house, PASSWORD, new)


async def test_former_passwords_are_refused_as_far_back_as_the_policy_remembers(
    house: House,
) -> None:
    await house.person(await house.organisation(password=PasswordPolicy(reuse_history=2)))
    used = [PASSWORD, OTHER_PASSWORD, "nine otters under the stairs", "a lantern for the harbour"]
    for former, new in pairwise(used):
        await change(house, former, new)

    for former in used[1:3]:
        with pytest.raises(errors.PasswordRefused, match="used it before"):
            await change(house, used[3], former)

    await change(house, used[3], used[0])


async def test_two_changes_at_once_for_one_proof_set_one_password(house: House) -> None:
    await house.person(await house.organisation())
    wanted = [OTHER_PASSWORD, "nine otters under the stairs"]

    outcomes = await asyncio.gather(
        *(change(house, PASSWORD, new) for new in wanted), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in outcomes) == ["NoneType", "SignInRefused"]
    await house.accounts.sign_in(claim(password=wanted[outcomes.index(None)]))


async def test_no_former_hash_is_kept_that_no_policy_asks_for(house: House) -> None:
    await house.person(await house.organisation())
    before = await house.database.read(stored_accounts.by_address, "ana@demo.example")
    assert before is not None

    await change(house, PASSWORD, OTHER_PASSWORD)
    await house.database.checkpoint()

    assert before.password_hash.encode() not in everything_stored(house)


# -- policies


async def signed_in_with(house: House, session: SessionPolicy) -> tuple[str, SignedIn]:
    tenant = await house.organisation(session=session)
    await house.person(tenant)
    return tenant.id, await house.accounts.sign_in(claim())


async def test_a_tightened_policy_closes_live_sessions_and_stored_ones(house: House) -> None:
    tenant, signed_in = await signed_in_with(house, SessionPolicy())
    door = await house.attach(signed_in.token)
    house.move(10 * SECOND)

    await house.replace_policies(tenant, password=PasswordPolicy(), session=SHORT)

    house.live.due(house.clock.now())
    assert door.closed is Close.SESSION_EXPIRED
    with pytest.raises(errors.NotAuthenticated):
        await house.accounts.recognise(signed_in.token)


async def test_a_loosened_policy_revives_nothing_live_or_stored(house: House) -> None:
    tenant, signed_in = await signed_in_with(house, SHORT)
    house.move(10 * SECOND)

    await house.replace_policies(tenant, password=PasswordPolicy(), session=SessionPolicy())

    with pytest.raises(errors.NotAuthenticated):
        await house.accounts.recognise(signed_in.token)


async def test_a_loosened_policy_spares_what_was_seen_since_the_last_note(house: House) -> None:
    tenant, signed_in = await signed_in_with(house, SHORT)
    house.move(9 * SECOND)
    door = await house.attach(signed_in.token)
    house.move(9 * SECOND)

    await house.replace_policies(tenant, password=PasswordPolicy(), session=SessionPolicy())
    house.move(DAY)

    assert door.closed is None
    await house.accounts.recognise(signed_in.token)


async def test_fewer_sessions_allowed_end_those_least_in_use_at_once(house: House) -> None:
    tenant, first = await signed_in_with(house, SHORT)
    door = await house.attach(first.token)
    house.move(1)
    second = await house.accounts.sign_in(claim())

    one = SessionPolicy(lifetime_ms=DAY, idle_ms=DAY, sessions_max=1)
    await house.replace_policies(tenant, password=PasswordPolicy(), session=one)

    assert door.closed is Close.SESSION_ENDED
    await house.accounts.recognise(second.token)


async def test_a_policy_below_the_floor_changes_nothing(house: House) -> None:
    tenant, signed_in = await signed_in_with(house, SHORT)
    weak = PasswordPolicy(length_min=4)

    with pytest.raises(errors.InvalidField, match="floor"):
        await house.replace_policies(tenant, password=weak, session=SessionPolicy())

    assert (await house.accounts.recognise(signed_in.token)).policy == SHORT


async def test_the_policy_of_no_organisation_cannot_be_replaced(house: House) -> None:
    with pytest.raises(errors.NotFound):
        await house.replace_policies("nowhere", password=PasswordPolicy(), session=SessionPolicy())


# -- the store fails


async def test_a_store_that_cannot_write_opens_no_session_and_ends_none(house: House) -> None:
    tenant, signed_in = await signed_in_with(house, SessionPolicy())
    door = await house.attach(signed_in.token)
    blocker = sqlite3.connect(house.database.path, isolation_level=None)
    blocker.execute("PRAGMA query_only=0")
    blocker.execute(
        "CREATE TRIGGER full BEFORE DELETE ON session BEGIN SELECT RAISE(ABORT, ''); END"
    )
    blocker.close()

    with pytest.raises(errors.StorageUnavailable):
        await house.accounts.sign_out(signed_in.token)

    assert door.closed is None
    assert await house.database.read(organisations.get, tenant) is not None
    assert await house.database.read(sessions.valid, [signed_in.session.id])
