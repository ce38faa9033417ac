"""Promise 11: a manager enters visibly, or not at all."""

from __future__ import annotations

from server.protocol.scalars import MemberRole
from tests.house import House


async def test_everyone_is_told_before_the_manager_can_read_anything(house: House) -> None:
    acme = await house.organisation()
    ana, max_ = (
        await house.resident(acme, "Ana"),
        await house.resident(acme, "Max", MemberRole.MANAGER),
    )
    sphere = await house.sphere(ana)
    async with await house.person(ana) as member, await house.person(max_) as manager:
        await member.call("subscribe", sphere=sphere)
        await member.post(sphere, "before the entry")
        before = await manager.refusal("history", sphere=sphere)

        inside = await manager.call("enter", sphere=sphere)

        told = await member.event("manager_entered", sphere=sphere)
        seen = await manager.history(sphere)
        snapshot = await manager.call("subscribe", sphere=sphere)
    assert before["code"] == "not_found"
    assert told["seq"] == inside["sphere"]["horizon"]
    assert told["member"] == {
        "member": max_.id, "name": "Max", "role": "administrator", "entered": True
    }  # fmt: skip
    assert seen == [told]
    assert told["member"] in snapshot["members"]


async def test_a_manager_reads_from_the_entry_on_even_where_history_is_visible(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    async with await house.person(ana) as member, await house.person(boss) as manager:
        await member.call("configure", sphere=sphere, revision=1, history="visible")
        await member.post(sphere, "for newcomers", revision=2)

        inside = await manager.call("enter", sphere=sphere)

        seen = await manager.history(sphere, after=0)
    assert [event["seq"] for event in seen] == [inside["sphere"]["horizon"]]


async def test_members_who_were_away_find_the_entry_and_the_exit_when_they_return(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as host:
        head = (await host.call("subscribe", sphere=sphere))["sphere"]["head"]
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    async with await house.person(boss) as manager:
        await manager.call("enter", sphere=sphere)
        await manager.post(sphere, "I am only looking.")
        await manager.call("leave", sphere=sphere)

    async with await house.person(ana) as host:
        missed = await host.history(sphere, after=head)

    assert [event["type"] for event in missed] == ["manager_entered", "erased", "manager_left"]
    assert missed[0]["member"]["name"] == "Max"


async def test_there_is_no_other_way_in(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    async with await house.person(boss) as manager, await house.person(ana) as host:
        for command in ("subscribe", "history", "join", "leave"):
            assert (await manager.refusal(command, sphere=sphere))["code"] == "not_found"
        await host.call("configure", sphere=sphere, revision=1, audience="open", listed=True)
        joined = await manager.call("join", sphere=sphere)

    assert joined["sphere"]["entered"] is False
    assert joined["sphere"]["role"] == "member"


async def test_a_manager_inside_is_listed_cannot_hide_and_cannot_be_put_out(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    async with await house.person(boss) as manager, await house.person(ana) as host:
        await manager.call("enter", sphere=sphere)

        again = await manager.refusal("enter", sphere=sphere)
        removal = await host.refusal("remove", sphere=sphere, member=boss.id)
        listed = (await host.call("subscribe", sphere=sphere))["members"]

    assert (again["code"], removal["code"]) == ("already_inside", "not_allowed")
    assert [one["entered"] for one in listed] == [False, True]


async def test_a_manager_enters_no_sphere_of_another_organisation(house: House) -> None:
    acme, other = await house.organisation(), await house.organisation("umbrella")
    sphere = await house.sphere(await house.resident(acme, "Ana"))
    boss = await house.resident(other, "Eve", MemberRole.MANAGER)
    async with await house.person(boss) as manager:
        foreign = await manager.refusal("enter", sphere=sphere)
        missing = await manager.refusal("enter", sphere="a" * 26)

    assert foreign == missing


async def test_a_manager_inside_learns_nothing_of_the_private_threads_there(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    async with (
        await house.person(boss) as manager,
        await house.person(ana) as one,
        await house.person(bob) as other,
    ):
        await manager.call("enter", sphere=sphere)
        await manager.call("subscribe", sphere=sphere)
        thread = await one.converse(sphere, bob.id)
        await other.call("subscribe", sphere=sphere, thread=thread)
        await one.whisper(sphere, thread, "between us")
        await other.event("private_posted", thread=thread)

        answers = [
            await manager.refusal(kind, sphere=sphere, thread=asked)
            for kind in ("subscribe", "history", "leave", "unsubscribe")
            for asked in (thread, "a" * 26)
        ]
        overview = await manager.call("oversee")
        await manager.call("list")
        await one.call("leave", sphere=sphere, thread=thread)
        await one.post(sphere, "to all")
        await manager.event("message_posted", body="to all")

    assert answers == [answers[0]] * len(answers)
    assert [shown["sphere"] for shown in overview["spheres"]] == [sphere]
    assert thread not in str(manager.frames)
    assert [event["seq"] for event in manager.heard(sphere)] == [4]
