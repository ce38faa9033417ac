"""Promise 8: the directory is the organisation's choice; off, nobody finds anybody."""

from __future__ import annotations

from typing import Any

import pytest

from server.protocol.scalars import MemberRole
from storage import members, organisations
from tests.house import House, Resident

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("directory", {}),
    ("directory", {"search": "Ana"}),
    ("directory", {"after": 1, "limit": 1}),
]


async def people(house: House, *names: str) -> tuple[str, list[Resident]]:
    """Return an organisation and its members."""
    acme = await house.organisation()
    return acme, [await house.resident(acme, name) for name in names]


async def test_it_is_off_until_it_is_switched_on(house: House) -> None:
    _, (ana, bob) = await people(house, "Ana", "Bob")
    async with await house.person(ana) as asking:
        refused = [await asking.refusal(kind, **fields) for kind, fields in QUESTIONS]
        known = await asking.refusal("profile", member=bob.id)
        unknown = await asking.refusal("profile", member="a" * 26)

    answers = [*refused, known, unknown]
    assert answers == answers[:1] * len(answers)
    assert answers[0]["code"] == "not_allowed"


async def test_a_visitor_has_none_whether_it_is_on_or_off(house: House) -> None:
    acme, (ana,) = await people(house, "Ana")
    guest = await house.resident(acme, "Gus", MemberRole.VISITOR)
    async with await house.person(guest) as asking:
        off = [await asking.refusal(kind, **fields) for kind, fields in QUESTIONS]
        off.append(await asking.refusal("profile", member=ana.id))
        await house.directory(acme)
        on = [await asking.refusal(kind, **fields) for kind, fields in QUESTIONS]
        on.append(await asking.refusal("profile", member=ana.id))

    assert on == off == off[:1] * 4


async def test_on_it_lists_members_by_name_in_pages_and_no_visitor(house: House) -> None:
    acme, _ = await people(house, "carol", "Ana", "Émile", "Bob")
    guest = await house.resident(acme, "Gus", MemberRole.VISITOR)
    await house.directory(acme)
    async with await house.person(await house.resident(acme, "Zoe")) as asking:
        whole = await asking.call("directory")
        first = await asking.call("directory", limit=3)
        rest = await asking.call("directory", after=3, limit=3)
        visitor = await asking.refusal("profile", member=guest.id)

    names = [one["name"] for one in whole["members"]]
    assert names == ["Ana", "Bob", "carol", "Émile", "Zoe"]
    assert first["members"] + rest["members"] == whole["members"]
    assert (first["more"], rest["more"], whole["more"]) == (True, False, False)
    assert visitor["code"] == "not_found"


@pytest.mark.parametrize(
    ("search", "found"),
    [("AN", ["Ana", "Johan"]), ("émi", ["Émile"]), ("%", []), ("_na", []), ("nobody", [])],
)
async def test_a_search_finds_a_part_of_a_name(house: House, search: str, found: list[str]) -> None:
    acme, (ana, *_) = await people(house, "Ana", "Johan", "Émile")
    await house.directory(acme)
    async with await house.person(ana) as asking:
        answer = await asking.call("directory", search=search)

    assert [one["name"] for one in answer["members"]] == found


async def test_a_member_of_another_organisation_is_no_member_at_all(house: House) -> None:
    acme, (ana,) = await people(house, "Ana")
    umbra = await house.organisation("umbra")
    for organisation in (acme, umbra):
        await house.directory(organisation)
    zoe = await house.resident(umbra, "Zoe")
    async with await house.person(ana) as asking:
        foreign = await asking.refusal("profile", member=zoe.id)
        none = await asking.refusal("profile", member="a" * 26)
        listed = await asking.call("directory", search="Zoe")

    assert foreign == none
    assert foreign["code"] == "not_found"
    assert listed["members"] == []


async def test_who_is_shut_out_is_not_listed(house: House) -> None:
    acme, (ana, bob) = await people(house, "Ana", "Bob")
    await house.directory(acme)
    await house.parts.database.write(members.set_disabled, member_id=bob.id, disabled=True)
    async with await house.person(ana) as asking:
        listed = await asking.call("directory")
        fetched = await asking.refusal("profile", member=bob.id)

    assert [one["name"] for one in listed["members"]] == ["Ana"]
    assert fetched["code"] == "not_found"


async def test_it_shows_no_address_and_says_nothing_of_spheres(house: House) -> None:
    acme, (ana, bob) = await people(house, "Ana", "Bob")
    sphere = await house.sphere(bob, name="Heron watchers")
    await house.directory(acme)
    async with await house.person(ana) as asking:
        listed = await asking.call("directory")

    assert set(listed["members"][0]) == {"member", "name", "fields", "present"}
    for secret in (bob.address, bob.account, sphere, "Heron"):
        assert secret not in str(listed)


async def test_switched_off_it_answers_no_more(house: House) -> None:
    acme, (ana, _) = await people(house, "Ana", "Bob")
    await house.directory(acme)
    async with await house.person(ana) as asking:
        await asking.call("directory")
        await house.parts.database.write(
            organisations.set_directory, organisation=acme, directory=False
        )
        refused = await asking.refusal("directory")

    assert refused["code"] == "not_allowed"


async def test_a_manager_who_invites_probes_nobody_either(house: House) -> None:
    acme, (ana,) = await people(house, "Ana")
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    zoe = await house.resident(await house.organisation("umbra"), "Zoe")
    async with await house.person(boss) as asking:
        answers = [
            await asking.call("invite_member", address=address)
            for address in (ana.address, zoe.address, boss.address, "nobody@nowhere.example")
        ]
        listed = await asking.call("invitations")

    shapes = {(one["type"], len(one["token"]), set(one) == set(answers[0])) for one in answers}
    assert len(shapes) == 1
    assert len(listed["invitations"]) == 4


async def test_the_list_of_members_is_for_managers_whatever_the_directory(house: House) -> None:
    acme, (ana,) = await people(house, "Ana")
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    await house.directory(acme)
    async with await house.person(ana) as asking, await house.person(boss) as manager:
        listed = await manager.call("members")
        refused = await asking.refusal("members")

    assert [one["name"] for one in listed["members"]] == ["Ana", "Max"]
    assert refused["code"] == "not_allowed"


async def test_inviting_probes_nobody(house: House) -> None:
    acme, (ana, bob) = await people(house, "Ana", "Bob")
    zoe = await house.resident(await house.organisation("umbra"), "Zoe")
    sphere = await house.sphere(ana)
    del acme
    async with await house.person(ana) as asking:
        answers = [
            await asking.call("invite", sphere=sphere, **who)
            for who in (
                {"member": bob.id},
                {"member": zoe.id},
                {"member": "a" * 26},
                {"address": bob.address},
                {"address": zoe.address},
                {"address": "nobody@nowhere.example"},
            )
        ]

    assert {tuple(sorted(one.items() - {("id", one["id"])})) for one in answers} == {
        (("type", "done"),)
    }
