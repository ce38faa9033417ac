"""Promise 6: history is hidden by default."""

from __future__ import annotations

from typing import Any

from tests.house import House


async def test_a_newcomer_sees_from_their_own_arrival_on(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await host.post(sphere, "before")
        await host.call("invite", sphere=sphere, member=bob.id)
        joined = await guest.call("join", sphere=sphere)
        await host.post(sphere, "after")

        seen = await guest.history(sphere)
        from_the_start = await guest.history(sphere, after=0, limit=500)
        downwards = await guest.history(sphere, before=10**6)
        below = await guest.history(sphere, before=joined["sphere"]["horizon"])

    assert [event["type"] for event in seen] == ["member_joined", "message_posted"]
    assert seen[0]["seq"] == joined["sphere"]["horizon"]
    assert seen == from_the_start == downwards
    assert below == []


async def test_showing_history_concerns_what_is_sent_from_then_on_only(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await host.post(sphere, "hidden")
        await host.call("configure", sphere=sphere, revision=1, history="visible")
        await host.post(sphere, "shown", revision=2)
        await host.call("configure", sphere=sphere, revision=2, history="hidden")
        await host.post(sphere, "hidden again", revision=3)
        await host.call("invite", sphere=sphere, member=bob.id)
        await guest.call("join", sphere=sphere)

        bodies = [event.get("body") for event in await guest.history(sphere)]

    assert [body for body in bodies if body] == ["shown"]


async def test_who_comes_back_sees_from_the_new_arrival_on_and_the_gap_stays_closed(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await host.post(sphere, "while bob is in")
        await guest.call("leave", sphere=sphere)
        await host.post(sphere, "while bob is out")
        await host.call("invite", sphere=sphere, member=bob.id)
        await guest.call("join", sphere=sphere)

        seen = await guest.history(sphere)

    assert [event["type"] for event in seen] == ["member_joined"]


async def test_pages_join_up_in_both_directions(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host:
        for n in range(9):
            await host.post(sphere, f"{n}")
        upwards: list[dict[str, Any]] = []
        downwards: list[dict[str, Any]] = []
        after, before = 0, 10**6
        while page := await host.history(sphere, after=after, limit=4):
            upwards += page
            after = page[-1]["seq"]
        while page := await host.history(sphere, before=before, limit=4):
            downwards = page + downwards
            before = page[0]["seq"]

    assert [event["seq"] for event in upwards] == list(range(1, 11))
    assert downwards == upwards
