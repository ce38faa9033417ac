"""Promises 4 and 8: invitations by address, which tell nobody whether it has an account."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.auth import tokens
from server.domain.policy import PasswordPolicy
from server.protocol.scalars import MemberRole
from storage import admissions, members
from storage.admissions import Admission
from tests.house import PASSWORD, HandClock, House, serving
from tests.people import Frame, Person, call_http, sign_in

ADDRESS = "gus@guests.example"
OTHER = "seven owls in the cathedral"
WEEK = 7 * 86_400_000


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """Return a server whose clock the test moves."""
    async with serving(tmp_path, clock=clock) as running:
        yield running


async def invited(house: House, organisation: str, address: str = ADDRESS) -> str:
    """Invite an address as a member; return the token."""
    token = tokens.new_invitation_token()
    admission = Admission(organisation=organisation, address=address, role=MemberRole.MEMBER)
    await house.parts.database.write(
        admissions.offer,
        admission,
        digest=tokens.digest(token),
        expires_at=house.parts.clock.now() + WEEK,
    )
    return token


async def accept(house: House, token: str, **fields: Any) -> tuple[int, Frame]:
    """Accept an invitation; return the status and the answer."""
    body = {"invitation": token, "address": ADDRESS, "name": "Gus", "password": PASSWORD}
    status, _, answer = await asyncio.to_thread(
        call_http, house.url, "POST", "/v1/accept", body=body | fields
    )
    return status, json.loads(answer)


async def test_accepting_makes_an_account_that_signs_in(house: House) -> None:
    token = await invited(house, await house.organisation())

    status, answer = await accept(house, token)

    session = await sign_in(house.url, "acme", ADDRESS, PASSWORD)
    async with Person(house.url, session) as person:
        assert person.me
    assert (status, answer) == (200, {"organisation": "acme"})


async def test_an_invitation_is_used_once(house: House) -> None:
    token = await invited(house, await house.organisation())
    await accept(house, token)

    status, answer = await accept(house, token)

    assert (status, answer["error"]["code"]) == (401, "invitation_refused")


async def test_an_invitation_expires(house: House, clock: HandClock) -> None:
    token = await invited(house, await house.organisation())
    clock.advance(WEEK)

    status, answer = await accept(house, token)

    assert (status, answer["error"]["code"]) == (401, "invitation_refused")


async def test_unknown_tokens_and_other_addresses_get_the_same_answer(house: House) -> None:
    acme = await house.organisation()
    token = await invited(house, acme)
    known = (await house.resident(acme, "Ana", password=PASSWORD)).address

    answers = [
        await accept(house, tokens.new_invitation_token()),
        await accept(house, tokens.new_invitation_token(), address=known),
        await accept(house, token, address=known),
        await accept(house, token, address="nobody@nowhere.example"),
    ]

    assert answers == answers[:1] * 4
    assert answers[0][0] == 401


async def test_an_account_that_there_is_is_linked_by_its_own_password(house: House) -> None:
    acme, umbra = await house.organisation(), await house.organisation("umbra")
    ana = await house.resident(acme, "Ana", password=PASSWORD)
    token = await invited(house, umbra, ana.address)

    wrong, refused = await accept(house, token, address=ana.address, password=OTHER)
    right, _ = await accept(house, token, address=ana.address, name="Annette")

    sessions = [await sign_in(house.url, one, ana.address, PASSWORD) for one in ("acme", "umbra")]
    async with Person(house.url, sessions[0]) as here, Person(house.url, sessions[1]) as there:
        assert here.me == ana.id
        assert there.me != ana.id
    assert (wrong, refused["error"]["code"], right) == (401, "invitation_refused", 200)


async def test_a_password_must_satisfy_the_organisation_that_is_joined(house: House) -> None:
    strict = await house.organisation("strict", password=PasswordPolicy(length_min=45))
    ana = await house.resident(await house.organisation(), "Ana", password=PASSWORD)
    linked, fresh = await invited(house, strict, ana.address), await invited(house, strict)

    answers = [
        await accept(house, linked, address=ana.address),
        await accept(house, fresh),
        await accept(house, fresh, password="password password password password password"),
    ]

    assert [(status, said["error"]["code"]) for status, said in answers] == [
        (400, "password_refused")
    ] * 3
    assert (await accept(house, fresh, password=f"{OTHER}, and a heron at dusk"))[0] == 200


async def test_who_is_a_member_already_is_told_so_once_they_proved_who_they_are(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana", password=PASSWORD)
    token = await invited(house, acme, ana.address)

    status, answer = await accept(house, token, address=ana.address)

    assert (status, answer["error"]["code"]) == (409, "conflict")


async def test_a_visitor_is_invited_by_a_sphere_and_sees_nothing_else(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere, other = await house.sphere(ana), await house.sphere(ana, name="Other")
    async with await house.person(ana) as host:
        await host.call("configure", sphere=other, revision=1, audience="open", listed=True)
        drawn = await host.call("invite_visitor", sphere=sphere, address=ADDRESS)

    status, _ = await accept(house, drawn["token"])

    session = await sign_in(house.url, "acme", ADDRESS, PASSWORD)
    async with Person(house.url, session) as guest:
        before = await guest.call("list")
        await guest.call("join", sphere=sphere)
        found = await guest.refusal("create", name="Mine")
    assert status == 200
    assert [one["sphere"] for one in before["invitations"]] == [sphere]
    assert (before["spheres"], before["open"]) == ([], [])
    assert found["code"] == "not_allowed"


async def test_inviting_a_visitor_answers_alike_for_known_and_unknown_addresses(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host:
        answers = [
            await host.call("invite_visitor", sphere=sphere, address=address)
            for address in (ADDRESS, bob.address, ana.address)
        ]

    shapes = {(one["type"], len(one["token"]), one["expires_at"]) for one in answers}
    assert len(shapes) == 1


async def test_a_member_who_is_invited_as_a_guest_stays_the_member_that_they_are(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    bob = await house.resident(acme, "Bob", password=PASSWORD)
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host:
        drawn = await host.call("invite_visitor", sphere=sphere, address=bob.address)

    await accept(house, drawn["token"], address=bob.address)

    kept = await house.parts.database.read(members.get, bob.id)
    async with await house.person(bob) as guest:
        await guest.call("join", sphere=sphere)
    assert kept == bob.member


@pytest.mark.parametrize("how", ["leaves", "is removed"])
async def test_a_guests_invitation_is_void_when_the_host_is_out(house: House, how: str) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as boss, await house.person(bob) as host:
        await boss.call("appoint", sphere=sphere, member=bob.id)
        drawn = await host.call("invite_visitor", sphere=sphere, address=ADDRESS)
        if how == "leaves":
            await host.call("leave", sphere=sphere)
        else:
            await boss.call("remove", sphere=sphere, member=bob.id)

    status, answer = await accept(house, drawn["token"])

    assert (status, answer["error"]["code"]) == (401, "invitation_refused")


@pytest.mark.parametrize("how", ["leaves", "is removed", "steps down"])
async def test_a_guests_invitation_stays_void_when_the_host_administers_again(
    house: House, how: str
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as boss, await house.person(bob) as host:
        await boss.call("appoint", sphere=sphere, member=bob.id)
        drawn = await host.call("invite_visitor", sphere=sphere, address=ADDRESS)
        if how == "steps down":
            await host.call("step_down", sphere=sphere)
        else:
            if how == "leaves":
                await host.call("leave", sphere=sphere)
            else:
                await boss.call("remove", sphere=sphere, member=bob.id)
            await boss.call("invite", sphere=sphere, member=bob.id)
            await host.call("join", sphere=sphere)
        await boss.call("appoint", sphere=sphere, member=bob.id)

    status, answer = await accept(house, drawn["token"])

    assert (status, answer["error"]["code"]) == (401, "invitation_refused")


async def test_only_an_administrator_of_the_sphere_invites_visitors(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    sphere = await house.sphere(ana, bob)
    async with await house.person(bob) as inside, await house.person(boss) as manager:
        within = await inside.refusal("invite_visitor", sphere=sphere, address=ADDRESS)
        without = await manager.refusal("invite_visitor", sphere=sphere, address=ADDRESS)

    assert (within["code"], without["code"]) == ("not_allowed", "not_found")


async def test_what_expired_is_swept_with_its_address(house: House, clock: HandClock) -> None:
    await invited(house, await house.organisation())
    clock.advance(WEEK)

    await house.parts.accounts.sweep()
    await house.parts.eraser.scrub()

    assert not house.holds(ADDRESS)
