"""Promises 4, 11 and 13: what managers do to members over the wire, and what they do not learn."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from server.protocol.scalars import MemberRole
from storage import connectors, members
from tests.house import PASSWORD, House, Resident, serving
from tests.people import Frame, Person, Refused, call_http, sign_in

WORDS = "the heron flies at dusk"
ADDRESS = "gus@guests.example"
NOBODY = "a" * 26
MANAGER = MemberRole.MANAGER


async def office(house: House, *names: str) -> tuple[Resident, list[Resident]]:
    """Return a manager, and members of the same organisation."""
    acme = await house.organisation()
    return await house.resident(acme, "Max", MANAGER), [
        await house.resident(acme, name) for name in names
    ]


async def accept(house: House, token: str, **fields: Any) -> tuple[int, Frame]:
    """Accept an invitation."""
    body = {"invitation": token, "address": ADDRESS, "name": "Gus", "password": PASSWORD}
    status, _, answer = await asyncio.to_thread(
        call_http, house.url, "POST", "/v1/accept", body=body | fields
    )
    return status, json.loads(answer)


#: Every command that acts on a member, as a manager sends it.
ACTS: list[tuple[str, dict[str, Any]]] = [
    ("change_role", {"role": "visitor"}),
    ("disable", {}),
    ("enable", {}),
    ("dismiss", {"erase": True}),
]


async def test_a_manager_lists_everybody_by_name_and_no_address(house: House) -> None:
    boss, (bob, ana) = await office(house, "Bob", "Ana")
    acme = boss.member.organisation
    guest = await house.resident(acme, "Gus", MemberRole.VISITOR)
    zoe = await house.resident(await house.organisation("umbra"), "Zoe")
    await house.parts.database.write(members.set_disabled, member_id=bob.id, disabled=True)
    async with await house.person(boss) as manager:
        whole = await manager.call("members")
        first = await manager.call("members", limit=3)
        rest = await manager.call("members", after=3)

    assert whole["members"] == [
        {"member": ana.id, "name": "Ana", "role": "member", "disabled": False},
        {"member": bob.id, "name": "Bob", "role": "member", "disabled": True},
        {"member": guest.id, "name": "Gus", "role": "visitor", "disabled": False},
        {"member": boss.id, "name": "Max", "role": "manager", "disabled": False},
    ]
    assert first["members"] + rest["members"] == whole["members"]
    assert (first["more"], rest["more"]) == (True, False)
    for secret in (ana.address, ana.account, zoe.id, "example.org"):
        assert secret not in str(whole)


@pytest.mark.parametrize(("act", "fields"), ACTS)
async def test_a_member_of_another_organisation_is_as_no_member(
    house: House, act: str, fields: dict[str, Any]
) -> None:
    boss, _ = await office(house)
    zoe = await house.resident(await house.organisation("umbra"), "Zoe")
    async with await house.person(boss) as manager, await house.person(zoe) as foreigner:
        foreign = await manager.refusal(act, member=zoe.id, **fields)
        none = await manager.refusal(act, member=NOBODY, **fields)
        await foreigner.call("list")

    assert foreign == none
    assert foreign["code"] == "not_found"


async def test_an_invitation_opens_the_role_that_it_names_and_is_shown_once(house: House) -> None:
    boss, _ = await office(house)
    async with await house.person(boss) as manager:
        drawn = await manager.call("invite_member", address=ADDRESS, role="manager")
        listed = await manager.call("invitations")
        status, _ = await accept(house, drawn["token"])
        after = await manager.call("invitations")
        again, _ = await accept(house, drawn["token"])

    async with Person(house.url, await sign_in(house.url, "acme", ADDRESS, PASSWORD)) as new:
        await new.call("members")
    (shown,) = listed["invitations"]
    assert (shown["role"], shown["by"]) == ("manager", boss.id)
    assert ADDRESS not in str(listed)
    assert drawn["token"] not in str(listed)
    assert (status, after["invitations"], again) == (200, [], 401)


async def test_an_invitation_is_withdrawn_by_any_manager_and_its_address_is_gone(
    house: House,
) -> None:
    boss, _ = await office(house)
    mia = await house.resident(boss.member.organisation, "Mia", MANAGER)
    async with await house.person(boss) as manager, await house.person(mia) as colleague:
        drawn = await manager.call("invite_member", address=ADDRESS)
        (seen,) = (await colleague.call("invitations"))["invitations"]

        await colleague.call("withdraw_invitation", invitation=seen["invitation"])

        again = await colleague.refusal("withdraw_invitation", invitation=seen["invitation"])
        listed = await manager.call("invitations")
    status, _ = await accept(house, drawn["token"])
    assert seen["by"] == boss.id
    assert (again["code"], listed["invitations"], status) == ("not_found", [], 401)
    assert not house.holds(ADDRESS)


async def test_an_invitation_is_withdrawn_by_its_address_with_one_answer(house: House) -> None:
    boss, (ana,) = await office(house, "Ana")
    eve = await house.resident(await house.organisation("umbra"), "Eve", MANAGER)
    sphere = await house.sphere(ana)
    async with (
        await house.person(boss) as manager,
        await house.person(ana) as host,
        await house.person(eve) as foreigner,
    ):
        drawn = await manager.call("invite_member", address=ADDRESS)
        guests = await host.call("invite_visitor", sphere=sphere, address=ADDRESS)
        elsewhere = await foreigner.call("invite_member", address=ADDRESS)
        answers = [
            await manager.call("withdraw_invitation", address=address)
            for address in (ADDRESS.upper(), ana.address, "nobody@nowhere.example")
        ]
        unclear = [
            await manager.refusal("withdraw_invitation", **fields)
            for fields in ({}, {"address": ADDRESS, "invitation": NOBODY})
        ]

    statuses = [(await accept(house, one["token"]))[0] for one in (drawn, guests, elsewhere)]
    assert {one["type"] for one in answers} == {"done"}
    assert [one["code"] for one in unclear] == ["invalid_field"] * 2
    assert statuses == [401, 200, 200]  # a sphere's invitation and another organisation's stand


async def test_a_foreign_invitation_is_withdrawn_by_nobody(house: House) -> None:
    boss, _ = await office(house)
    eve = await house.resident(await house.organisation("umbra"), "Eve", MANAGER)
    async with await house.person(boss) as manager, await house.person(eve) as foreigner:
        drawn = await manager.call("invite_member", address=ADDRESS)
        (seen,) = (await manager.call("invitations"))["invitations"]
        foreign = await foreigner.refusal("withdraw_invitation", invitation=seen["invitation"])
        none = await foreigner.refusal("withdraw_invitation", invitation=NOBODY)
        listed = await foreigner.call("invitations")

    status, _ = await accept(house, drawn["token"])
    assert foreign == none
    assert (listed["invitations"], status) == ([], 200)


async def test_visitors_are_invited_by_spheres_and_by_no_manager(house: House) -> None:
    boss, _ = await office(house)
    async with await house.person(boss) as manager:
        refused = await manager.refusal("invite_member", address=ADDRESS, role="visitor")
        listed = await manager.call("invitations")

    assert refused["code"] == "invalid_field"
    assert listed["invitations"] == []


@pytest.mark.parametrize(("act", "fields"), [ACTS[0], ACTS[1], ACTS[3]])
async def test_the_invitations_of_a_manager_who_is_none_any_more_are_void(
    house: House, act: str, fields: dict[str, Any]
) -> None:
    boss, (ana,) = await office(house, "Ana")
    mia = await house.resident(boss.member.organisation, "Mia", MANAGER)
    sphere = await house.sphere(ana, mia)
    async with await house.person(boss) as manager, await house.person(mia) as leaving:
        drawn = await leaving.call("invite_member", address=ADDRESS, role="manager")
        await leaving.call("bequeath", sphere=sphere, form="named")  # something of them is kept
        await leaving.post(sphere, WORDS)

        await manager.call(act, member=mia.id, **fields)

        listed = await manager.call("invitations")
    status, answer = await accept(house, drawn["token"])
    assert listed["invitations"] == []
    assert (status, answer["error"]["code"]) == (401, "invitation_refused")
    assert not house.holds(ADDRESS)


async def test_an_organisation_has_so_many_invitations_and_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path, invitations_per_organisation_max=3) as house:
        boss, _ = await office(house)
        async with await house.person(boss) as manager:
            for number in range(3):
                await manager.call("invite_member", address=f"{number}@guests.example")
            refused = await manager.refusal("invite_member", address=ADDRESS)
            listed = await manager.call("invitations", limit=2)
            for one in listed["invitations"]:
                await manager.call("withdraw_invitation", invitation=one["invitation"])
            await manager.call("invite_member", address=ADDRESS)

    assert refused["code"] == "full"
    assert (len(listed["invitations"]), listed["more"]) == (2, True)


async def test_another_role_ends_the_members_sessions_and_holds_from_then_on(
    house: House,
) -> None:
    boss, (bob,) = await office(house, "Bob")
    async with await house.person(boss) as manager:
        out = await house.person(bob)
        await manager.call("change_role", member=bob.id, role="manager")

        assert await out.closed() == 4501
    async with await house.person(bob) as back:
        await back.call("oversee")


async def test_a_manager_who_is_demoted_is_out_of_the_spheres_that_they_entered_visibly(
    house: House,
) -> None:
    boss, (ana,) = await office(house, "Ana")
    mia = await house.resident(boss.member.organisation, "Mia", MANAGER)
    entered, own = await house.sphere(ana, name="Entered"), await house.sphere(mia, name="Own")
    async with await house.person(boss) as manager, await house.person(ana) as stays:
        out = await house.person(mia)
        await stays.call("subscribe", sphere=entered)
        await out.call("enter", sphere=entered)

        await manager.call("change_role", member=mia.id, role="member")

        gone = await stays.event("manager_left", member=mia.id)
        assert await out.closed() in {4501, 1006}  # cut, where frames of a sphere were unsent
    async with await house.person(mia) as back:
        listed = await back.call("list")
    assert gone["how"] == "removed"
    assert [one["sphere"] for one in listed["spheres"]] == [own]


async def test_who_lays_the_office_down_is_answered_and_then_signed_out(house: House) -> None:
    boss, _ = await office(house)
    mia = await house.resident(boss.member.organisation, "Mia", MANAGER)
    other = await house.person(mia)
    person = await house.person(mia)
    tab = await Person(house.url, person.token).hello()

    done = await person.call("change_role", member=mia.id, role="member")

    closed = [await one.closed() for one in (person, tab, other)]
    assert person.frames[-1] == done
    assert closed == [4501] * 3
    async with await house.person(mia) as back:
        assert (await back.refusal("members"))["code"] == "not_allowed"


async def test_the_last_manager_keeps_the_office(house: House) -> None:
    boss, (bob,) = await office(house, "Bob")
    mia = await house.resident(boss.member.organisation, "Mia", MANAGER)
    async with await house.person(boss) as manager:
        await manager.call("disable", member=mia.id)
        refused = await manager.refusal("change_role", member=boss.id, role="member")
        await manager.call("change_role", member=bob.id, role="manager")
        await manager.call("change_role", member=boss.id, role="member")

    assert refused["code"] == "not_allowed"
    assert "last manager" in refused["message"]


async def test_nobody_shuts_out_or_removes_themselves(house: House) -> None:
    boss, _ = await office(house)
    async with await house.person(boss) as manager:
        refused = [
            await manager.refusal("disable", member=boss.id),
            await manager.refusal("dismiss", member=boss.id, erase=True),
        ]
        await manager.call("list")

    assert [one["code"] for one in refused] == ["not_allowed"] * 2


async def test_of_two_managers_who_demote_each_other_at_once_one_stays(house: House) -> None:
    boss, _ = await office(house)
    mia = await house.resident(boss.member.organisation, "Mia", MANAGER)
    one, other = await house.person(boss), await house.person(mia)

    async def demote(person: Person, target: Resident) -> str:
        try:
            await person.call("change_role", member=target.id, role="member")
        except Refused as refused:
            return refused.code
        except ConnectionError:
            return "closed"
        return "done"

    answers = await asyncio.gather(demote(one, mia), demote(other, boss))

    assert answers.count("done") == 1
    assert await house.parts.database.read(members.managers, boss.member.organisation) == 1
    for person in (one, other):
        await person.close()


async def test_who_is_shut_out_is_out_at_once_and_loses_nothing(house: House) -> None:
    boss, (ana, bob) = await office(house, "Ana", "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(boss) as manager, await house.person(ana) as stays:
        out, device = await house.person(bob), await house.person(bob)
        await out.post(sphere, WORDS)

        await manager.call("disable", member=bob.id)

        closed = [await out.closed(), await device.closed()]
        again = await Person(house.url, out.token).connect()
        refused = await again.refusal("hello", token=out.token)
        await again.close()
        kept = await stays.history(sphere)
        await manager.call("enable", member=bob.id)
    async with await house.person(bob) as back:
        listed = await back.call("list")
    assert closed == [4501, 4501]
    assert refused["code"] == "not_authenticated"
    assert kept[-1]["body"] == WORDS
    assert [one["sphere"] for one in listed["spheres"]] == [sphere]


async def test_the_bots_of_who_is_shut_out_are_silent_until_they_are_let_in_again(
    house: House,
) -> None:
    boss, (ana, bob) = await office(house, "Ana", "Bob")
    sphere = await house.sphere(bob, ana)
    token, other = await house.connector(sphere, bob), await house.connector(sphere, ana)
    bot = await Person(house.url, token).connect("/v1/bring")
    await bot.call("hello", token=token)

    async def bring(bearer: str) -> int:
        status, _, _ = await asyncio.to_thread(
            call_http,
            house.url,
            "POST",
            "/v1/bring",
            body={"body": "green"},
            headers={"authorization": f"Bearer {bearer}"},
        )
        return status

    async with await house.person(boss) as manager:
        before = await bring(token)
        await manager.call("disable", member=bob.id)
        closed = await bot.closed()
        during = [await bring(token), await bring(other)]
        again = await Person(house.url, token).connect("/v1/bring")
        await again.send("hello", token=token)
        kept_out = await again.closed()
        await manager.call("enable", member=bob.id)
        after = await bring(token)

    assert (before, closed, during, after) == (202, 4504, [401, 202], 202)
    assert (kept_out, again.frames) == (4504, [])


async def test_a_manager_who_entered_and_is_shut_out_is_still_shown_as_what_they_are(
    house: House,
) -> None:
    boss, (ana,) = await office(house, "Ana")
    mia = await house.resident(boss.member.organisation, "Mia", MANAGER)
    sphere = await house.sphere(ana)
    async with await house.person(boss) as manager, await house.person(ana) as stays:
        out = await house.person(mia)
        await out.call("enter", sphere=sphere)

        await manager.call("disable", member=mia.id)

        assert await out.closed() in {4501, 1006}
        shut_out = await stays.call("subscribe", sphere=sphere)
        await manager.call("change_role", member=mia.id, role="member")
        gone = await stays.event("manager_left", member=mia.id)
    listed = {one["member"]: one["entered"] for one in shut_out["members"]}
    assert listed == {ana.id: False, mia.id: True}
    assert gone["how"] == "removed"


async def test_removing_asks_for_a_word_that_it_erases(house: House) -> None:
    boss, (bob,) = await office(house, "Bob")
    async with await house.person(boss) as manager:
        refused = await manager.refusal("dismiss", member=bob.id, erase=False)
        without = await manager.refusal("dismiss", member=bob.id)

    assert (refused["code"], without["code"]) == ("invalid_field", "invalid_field")
    assert await house.parts.database.read(members.get, bob.id) is not None


async def test_who_is_removed_leaves_every_sphere_with_what_they_wrote(house: House) -> None:
    boss, (ana, bob) = await office(house, "Ana", "Bobolink")
    rooms = [await house.sphere(ana, bob, name=name) for name in ("One", "Two")]
    async with await house.person(boss) as manager, await house.person(ana) as stays:
        out = await house.person(bob)
        for sphere in rooms:
            await stays.call("subscribe", sphere=sphere)
            await out.post(sphere, WORDS)

        done = await manager.call("dismiss", member=bob.id, erase=True)

        told = [await stays.event("member_left", member=bob.id, sphere=one) for one in rooms]
        assert await out.closed() in {4501, 1006}
        listed = await manager.call("members")
    assert set(done) == {"type", "id"}  # how much they wrote, and where, is not the manager's
    assert [(event["how"], event["kept"]) for event in told] == [("removed", "none")] * 2
    assert bob.id not in str(listed)
    assert not any(house.holds(trace) for trace in (WORDS, bob.address, "Bobolink"))


async def test_a_manager_gains_nothing_of_what_is_said(house: House) -> None:
    boss, (ana, bob) = await office(house, "Ana", "Bob")
    sphere = await house.sphere(ana, bob, name="Heron watchers")
    await house.connector(sphere, ana, name="Builds")
    async with await house.person(boss) as manager, await house.person(ana) as inside:
        await inside.post(sphere, WORDS)
        for question in ("members", "invitations", "policies", "connectors", "oversee"):
            await manager.call(question)
        await manager.call("change_role", member=bob.id, role="visitor")
        await manager.call("disable", member=bob.id)
        await manager.call("dismiss", member=bob.id, erase=True)
        refused = [await manager.refusal(kind, sphere=sphere) for kind in ("history", "subscribe")]
        await manager.settled()

    assert [one["code"] for one in refused] == ["not_found"] * 2
    for secret in (WORDS, "seq", ana.address, "cls_", "head"):
        assert secret not in str(manager.frames).replace("session_ends_at", "")


async def test_managers_list_the_bots_of_every_sphere_and_kill_one_and_its_sphere_is_told(
    house: House,
) -> None:
    boss, (ana,) = await office(house, "Ana")
    zoe = await house.resident(await house.organisation("umbra"), "Zoe")
    sphere, foreign = await house.sphere(ana), await house.sphere(zoe)
    await house.connector(sphere, ana, name="Builds")
    await house.connector(foreign, zoe, name="Spies")
    (elsewhere,) = await house.parts.database.read(connectors.of_sphere, foreign)
    async with await house.person(boss) as manager, await house.person(ana) as inside:
        await inside.call("subscribe", sphere=sphere)
        listed = await manager.call("connectors")
        (bot,) = listed["connectors"]
        refused = [
            await manager.refusal("revoke_connector", connector=one)
            for one in (elsewhere.connector, NOBODY)
        ]
        member = await inside.refusal("revoke_connector", connector=bot["connector"])

        await manager.call("revoke_connector", connector=bot["connector"])

        told = await inside.event("connector_revoked", connector=bot["connector"])
        after = await manager.call("connectors")
    assert (bot["name"], bot["installed_by"], bot["sphere"]) == ("Builds", ana.id, sphere)
    assert refused[0] == refused[1]
    assert (refused[0]["code"], member["code"]) == ("not_found", "not_allowed")
    assert told["by"] == boss.id
    assert after["connectors"] == []


async def test_a_leaver_who_takes_another_name_is_known_by_the_old_one_where_they_left(
    house: House,
) -> None:
    _, (ana, bob) = await office(house, "Ana", "Bob")
    left, shared = await house.sphere(ana, bob), await house.sphere(bob, ana)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        await leaver.call("bequeath", sphere=left, form="named")
        await leaver.post(left, WORDS)
        await leaver.call("leave", sphere=left)

        await leaver.call("rename", name="Robert")

        there = await stays.call("subscribe", sphere=left)
        elsewhere = await stays.call("subscribe", sphere=shared)
    names = {one["member"]: one["name"] for one in elsewhere["members"]}
    assert there["former"] == [{"member": bob.id, "name": "Bob"}]
    assert names[bob.id] == "Robert"


async def test_the_name_left_behind_is_that_of_the_latest_departure(house: House) -> None:
    _, (ana, bob) = await office(house, "Ana", "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        await leaver.call("bequeath", sphere=sphere, form="named")
        await leaver.post(sphere, WORDS)
        await leaver.call("leave", sphere=sphere)
        await leaver.call("rename", name="Robert")
        await stays.call("invite", sphere=sphere, member=bob.id)
        await leaver.call("join", sphere=sphere)
        inside = await stays.call("subscribe", sphere=sphere)
        await leaver.call("leave", sphere=sphere)
        outside = await stays.call("subscribe", sphere=sphere)

    assert inside["former"] == []
    assert outside["former"] == [{"member": bob.id, "name": "Robert"}]
