"""Promise 5: closed by default; widening exposes nothing already written."""

from __future__ import annotations

from server.protocol.scalars import MemberRole
from tests.house import House


async def test_a_new_sphere_is_closed_unlisted_and_hides_its_history(house: House) -> None:
    acme = await house.organisation()
    async with await house.person(await house.resident(acme, "Ana")) as ana:
        made = (await ana.call("create", name="Garden"))["sphere"]

    assert (made["audience"], made["history"], made["listed"]) == ("closed", "hidden", False)
    assert (made["role"], made["horizon"], made["head"]) == ("administrator", 1, 1)


async def test_a_closed_sphere_takes_only_the_invited_and_a_decline_closes_it_again(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await guest.refusal("join", sphere=sphere)
        await host.call("invite", sphere=sphere, address=bob.address.upper())
        invited = await guest.event("invited")
        await guest.call("decline", sphere=sphere)
        declined = await guest.refusal("join", sphere=sphere)
        await host.call("invite", sphere=sphere, member=bob.id)

        joined = await guest.call("join", sphere=sphere)

    assert invited["invitation"] == {"sphere": sphere, "name": "Design team", "by": "Ana"}
    assert declined["code"] == "not_found"
    assert joined["sphere"]["role"] == "member"


async def test_an_invitation_answers_the_same_whether_or_not_there_is_such_a_person(
    house: House,
) -> None:
    acme, other = await house.organisation(), await house.organisation("umbrella")
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    stranger = await house.resident(other, "Zoe")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host:
        answers = [
            await host.call("invite", sphere=sphere, **who)
            for who in (
                {"address": bob.address},
                {"address": stranger.address},
                {"address": "nobody@example.org"},
                {"member": bob.id},
                {"member": stranger.id},
                {"member": "a" * 26},
            )
        ]

    assert [{**answer, "id": 0} for answer in answers] == [{"type": "done", "id": 0}] * 6


async def test_opening_exposes_nothing_already_written(house: House) -> None:
    acme = await house.organisation()
    ana, carol = await house.resident(acme, "Ana"), await house.resident(acme, "Carol")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host, await house.person(carol) as newcomer:
        await host.post(sphere, "before")
        await host.call(
            "configure", sphere=sphere, revision=1,
            audience="open", listed=True, history="visible",
        )  # fmt: skip
        await host.post(sphere, "after", revision=2)

        joined = await newcomer.call("join", sphere=sphere)

        seen = await newcomer.history(sphere)
    assert [event.get("body") for event in seen if event["type"] == "message_posted"] == ["after"]
    assert joined["sphere"]["horizon"] == seen[-1]["seq"]


async def test_a_visitor_discovers_no_open_sphere(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    visitor = await house.resident(acme, "Vic", MemberRole.VISITOR)
    async with await house.person(ana) as host, await house.person(visitor) as guest:
        await host.call("configure", sphere=sphere, revision=1, audience="open", listed=True)

        listed = await guest.call("list")
        refused = await guest.refusal("join", sphere=sphere)

    assert listed["open"] == []
    assert refused["code"] == "not_found"
