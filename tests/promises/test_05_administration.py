"""Promise 5: invitations that are taken back, and an office that is given up."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from server.protocol.scalars import MemberRole
from tests.house import PASSWORD, House
from tests.people import Person, call_http, sign_in

GUEST = "gus@guests.example"


async def test_an_invitation_that_is_taken_back_opens_nothing_and_the_guest_forgets(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        for who in ({"member": bob.id}, {"address": bob.address.upper()}):
            await host.call("invite", sphere=sphere, member=bob.id)
            await guest.event("invited")
            guest.frames.clear()

            await host.call("uninvite", sphere=sphere, **who)

            await guest.event("sphere_forgotten", sphere=sphere)
            assert (await guest.refusal("join", sphere=sphere))["code"] == "not_found"
            assert (await guest.call("list"))["invitations"] == []


async def test_an_address_that_was_invited_is_in_no_file_once_that_is_taken_back(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere, address = await house.sphere(ana), "heron.at.dusk@nowhere.example"
    async with await house.person(ana) as host:
        await host.call("invite_visitor", sphere=sphere, address=address)
        assert house.holds(address)

        await host.call("uninvite", sphere=sphere, address=address)

        assert not house.holds(address)


async def test_who_is_shut_out_is_nobody_to_leave_the_office_to(house: House) -> None:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    max_ = await house.resident(acme, "Max", MemberRole.MANAGER)
    sphere = await house.sphere(ana, bob, carol)
    async with await house.person(ana) as host, await house.person(max_) as manager:
        await host.call("appoint", sphere=sphere, member=bob.id)
        await manager.call("disable", member=bob.id)

        refused = await host.refusal("step_down", sphere=sphere)
        async with await house.person(carol) as other:
            await other.call("subscribe", sphere=sphere)
            await host.call("leave", sphere=sphere)
            await other.event("administrator_appointed", member=carol.id, by=None)
    assert refused["code"] == "not_allowed"


async def test_any_administrator_takes_back_what_another_offered(house: House) -> None:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as host, await house.person(bob) as other:
        await host.call("invite", sphere=sphere, member=carol.id)
        refused = await other.refusal("uninvite", sphere=sphere, member=carol.id)
        await host.call("appoint", sphere=sphere, member=bob.id)

        await other.call("uninvite", sphere=sphere, member=carol.id)

        async with await house.person(carol) as guest:
            assert (await guest.call("list"))["invitations"] == []
    assert refused["code"] == "not_allowed"


async def test_taking_back_answers_the_same_whether_or_not_anything_stood(house: House) -> None:
    acme, other = await house.organisation(), await house.organisation("umbrella")
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    stranger = await house.resident(other, "Zoe")
    sphere = await house.sphere(ana, carol)
    async with await house.person(ana) as host, await house.person(carol) as inside:
        await host.call("invite", sphere=sphere, member=bob.id)
        answers = [
            await host.call("uninvite", sphere=sphere, **who)
            for who in (
                {"member": bob.id},
                {"member": bob.id},
                {"member": carol.id},
                {"member": stranger.id},
                {"member": "a" * 26},
                {"address": bob.address},
                {"address": stranger.address},
                {"address": "nobody@nowhere.example"},
            )
        ]
        both = await host.refusal("uninvite", sphere=sphere, member=bob.id, address=GUEST)
        neither = await host.refusal("uninvite", sphere=sphere)
        await inside.settled()

    assert [{**answer, "id": 0} for answer in answers] == [{"type": "done", "id": 0}] * 8
    assert (both["code"], neither["code"]) == ("invalid_field", "invalid_field")
    assert "sphere_forgotten" not in [frame["type"] for frame in inside.frames]


@pytest.mark.embedded
@pytest.mark.parametrize("command", ["invite", "uninvite"])
async def test_offering_and_taking_back_write_durably_whether_or_not_there_is_anybody(
    house: House, command: str
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana)
    with closing(sqlite3.connect(house.parts.database.path)) as beside:
        async with await house.person(ana) as host:
            await host.call("invite", sphere=sphere, member=bob.id)
            for address in (bob.address, bob.address, ana.address, "nobody@nowhere.example"):
                before = beside.execute("PRAGMA data_version").fetchone()

                await host.call(command, sphere=sphere, address=address)

                assert beside.execute("PRAGMA data_version").fetchone() != before


async def test_a_guests_invitation_is_taken_back_by_address(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere, other = await house.sphere(ana), await house.sphere(ana, name="Other")
    async with await house.person(ana) as host:
        drawn = await host.call("invite_visitor", sphere=sphere, address=GUEST)
        kept = await host.call("invite_visitor", sphere=other, address=GUEST)

        await host.call("uninvite", sphere=sphere, address="  GUS@guests.example ".strip())

    assert await _accept(house, drawn["token"]) == (401, "invitation_refused")
    assert await _accept(house, kept["token"]) == (200, None)


async def test_a_guest_who_accepted_but_has_not_joined_is_uninvited_by_address_too(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host:
        drawn = await host.call("invite_visitor", sphere=sphere, address=GUEST)
        assert await _accept(house, drawn["token"]) == (200, None)
        session = await sign_in(house.url, "acme", GUEST, PASSWORD)
        async with Person(house.url, session) as guest:
            before = (await guest.call("list"))["invitations"]

            await host.call("uninvite", sphere=sphere, address=GUEST)

            await guest.event("sphere_forgotten", sphere=sphere)
            after = (await guest.call("list"))["invitations"]
    assert [one["sphere"] for one in before] == [sphere]
    assert after == []


async def _accept(house: House, token: str) -> tuple[int, Any]:
    body = {"invitation": token, "address": GUEST, "name": "Gus", "password": PASSWORD}
    status, _, answer = await asyncio.to_thread(
        call_http, house.url, "POST", "/v1/accept", body=body
    )
    return status, json.loads(answer).get("error", {}).get("code")


# -- the office


async def test_an_administrator_steps_down_and_everybody_is_told(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as host, await house.person(bob) as other:
        await other.call("subscribe", sphere=sphere)
        await host.call("appoint", sphere=sphere, member=bob.id)

        await host.call("step_down", sphere=sphere)

        told = await other.event("administrator_stepped_down")
        snapshot = await other.call("subscribe", sphere=sphere)
        refused = await host.refusal("configure", sphere=sphere, revision=1, name="Mine")
        twice = await host.refusal("step_down", sphere=sphere)
        await host.post(sphere, "I am still here.")
    assert told["member"] == ana.id
    assert {one["name"]: one["role"] for one in snapshot["members"]} == {
        "Ana": "member",
        "Bob": "administrator",
    }
    assert (refused["code"], twice["code"]) == ("not_allowed", "not_allowed")


@pytest.mark.parametrize("beside", ["nobody", "a member", "a manager who entered"])
async def test_the_last_administrator_cannot_step_down(house: House, beside: str) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    sphere = await house.sphere(*([ana, bob] if beside == "a member" else [ana]))
    async with await house.person(ana) as host, await house.person(boss) as manager:
        if beside == "a manager who entered":
            await manager.call("enter", sphere=sphere)

        refused = await host.refusal("step_down", sphere=sphere)

        assert (await host.call("list"))["spheres"][0]["role"] == "administrator"
    assert refused["code"] == "not_allowed"


async def test_a_manager_who_entered_administers_until_they_leave(house: House) -> None:
    acme = await house.organisation()
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    sphere = await house.sphere(await house.resident(acme, "Ana"))
    async with await house.person(boss) as manager:
        await manager.call("enter", sphere=sphere)

        refused = await manager.refusal("step_down", sphere=sphere)

    assert refused["code"] == "not_allowed"


async def test_of_two_last_administrators_one_steps_down(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as one, await house.person(bob) as other:
        await one.call("appoint", sphere=sphere, member=bob.id)

        sent = [(person, await person.send("step_down", sphere=sphere)) for person in (one, other)]

        answers = [await person.answer(request) for person, request in sent]
        members = (await one.call("subscribe", sphere=sphere))["members"]
    assert sorted(answer["type"] for answer in answers) == ["done", "error"]
    assert sorted(one["role"] for one in members) == ["administrator", "member"]


async def test_an_invitation_outlives_the_office_and_a_guests_does_not(house: House) -> None:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as host, await house.person(carol) as guest:
        await host.call("appoint", sphere=sphere, member=bob.id)
        await host.call("invite", sphere=sphere, member=carol.id)
        drawn = await host.call("invite_visitor", sphere=sphere, address=GUEST)

        await host.call("step_down", sphere=sphere)

        await guest.call("join", sphere=sphere)
    assert await _accept(house, drawn["token"]) == (401, "invitation_refused")
