"""Promise 2: a sphere can be invisible."""

from __future__ import annotations

from typing import Any

import pytest

from server.protocol.scalars import MemberRole
from tests.house import House

NOWHERE = "a" * 26

#: Every operation that names a sphere, as an outsider would try it.
OPERATIONS: dict[str, dict[str, Any]] = {
    "subscribe": {},
    "unsubscribe": {},
    "history": {},
    "post": {"revision": 1, "client_id": "probe-0001", "body": "hello?"},
    "configure": {"revision": 1, "name": "Mine"},
    "invite": {"member": "b" * 26},
    "decline": {},
    "join": {},
    "leave": {},
    "remove": {"member": "b" * 26},
    "appoint": {"member": "b" * 26},
    "bequeath": {"form": "named"},
    "enter": {},
    "install_connector": {"name": "Spy"},
    "revoke_connector": {"connector": "c" * 26},
}


@pytest.mark.parametrize("role", ["visitor", "member"])
async def test_every_operation_answers_as_for_a_sphere_that_does_not_exist(
    house: House, role: str
) -> None:
    acme, other = await house.organisation(), await house.organisation("umbrella")
    ana = await house.resident(acme, "Ana")
    outsider = await house.resident(acme, "Carol", MemberRole(role))
    invisible = await house.sphere(ana)
    foreign = await house.sphere(await house.resident(other, "Zoe"))
    async with await house.person(outsider) as carol:
        for operation, fields in OPERATIONS.items():
            missing = await carol.refusal(operation, sphere=NOWHERE, **fields)
            for sphere in (invisible, foreign):
                assert await carol.refusal(operation, sphere=sphere, **fields) == missing
        spheres = await carol.call("list")

    assert (spheres["spheres"], spheres["invitations"], spheres["open"]) == ([], [], [])


async def test_only_managers_list_invisible_spheres_and_never_content(house: House) -> None:
    acme, other = await house.organisation(), await house.organisation("umbrella")
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana, name="Project Kraken")
    async with (
        await house.person(await house.resident(acme, "Max", MemberRole.MANAGER)) as manager,
        await house.person(await house.resident(other, "Eve", MemberRole.MANAGER)) as foreigner,
        await house.person(ana) as member,
    ):
        overview = await manager.call("oversee")
        elsewhere = await foreigner.call("oversee")
        refused = await member.refusal("oversee")

    assert overview["spheres"] == [{"sphere": sphere, "name": "Project Kraken"}]
    assert elsewhere["spheres"] == []
    assert refused["code"] == "not_allowed"


async def test_becoming_invisible_tells_every_outsider_to_forget_and_nobody_inside(
    house: House,
) -> None:
    acme, other = await house.organisation(), await house.organisation("umbrella")
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    async with (
        await house.person(ana) as inside,
        await house.person(await house.resident(acme, "Carol")) as outside,
        await house.person(await house.resident(acme, "Vic", MemberRole.VISITOR)) as visitor,
        await house.person(await house.resident(other, "Zoe")) as foreigner,
    ):
        await inside.call("configure", sphere=sphere, revision=1, audience="open", listed=True)
        shown = await outside.call("list")

        await inside.call("configure", sphere=sphere, revision=2, listed=False)

        await outside.event("sphere_forgotten", sphere=sphere)
        hidden = await outside.call("list")
        for person in (inside, visitor, foreigner):
            await person.settled()
            assert not [frame for frame in person.frames if frame["type"] == "sphere_forgotten"]
    assert [one["sphere"] for one in shown["open"]] == [sphere]
    assert hidden["open"] == []


async def test_names_need_not_be_unique_so_a_collision_reveals_nothing(house: House) -> None:
    acme = await house.organisation()
    await house.sphere(await house.resident(acme, "Ana"), name="Kraken")
    async with await house.person(await house.resident(acme, "Carol")) as carol:
        made = await carol.call("create", name="Kraken")

    assert made["sphere"]["name"] == "Kraken"
