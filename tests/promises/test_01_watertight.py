"""Promise 1: a sphere is watertight."""

from __future__ import annotations

import asyncio

import pytest

from tests.house import House
from tests.people import Person
from tests.promises.storm import storm


async def test_a_message_reaches_every_member_and_nobody_else(house: House) -> None:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    sphere = await house.sphere(ana, bob)
    here, there = await house.person(ana), await house.person(bob, encoding="json")
    outside = await house.person(carol)
    await here.call("subscribe", sphere=sphere)
    await there.call("subscribe", sphere=sphere)

    posted = await here.post(sphere, "We ship on Friday.")

    heard = await there.event("message_posted", sphere=sphere)
    assert (heard["body"], heard["author"], heard["seq"]) == (
        "We ship on Friday.",
        ana.id,
        posted["seq"],
    )
    assert await here.event("message_posted", sphere=sphere) == heard
    await outside.settled()
    assert [frame["type"] for frame in outside.frames] == ["welcome"]
    for person in (here, there, outside):
        await person.close()


async def _subscribed(house: House, sphere: str, *residents: object) -> list[Person]:
    people = [await house.person(resident) for resident in residents]  # type: ignore[arg-type]
    for person in people:
        await person.call("subscribe", sphere=sphere)
    return people


@pytest.mark.parametrize("command", ["subscribe", "history", "join", "leave", "decline"])
async def test_to_an_outsider_a_sphere_and_no_sphere_answer_alike(
    house: House, command: str
) -> None:
    acme = await house.organisation()
    ana, carol = await house.resident(acme, "Ana"), await house.resident(acme, "Carol")
    sphere = await house.sphere(ana)
    async with await house.person(carol) as outside:
        existing = await outside.refusal(command, sphere=sphere)
        missing = await outside.refusal(command, sphere="a" * 26)

    assert existing == missing
    assert existing["code"] == "not_found"


async def test_after_the_reply_to_leave_nothing_of_the_sphere_reaches_any_device(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    here, leaver, other = await _subscribed(house, sphere, ana, bob, bob)
    flood = [
        asyncio.create_task(here.send("post", sphere=sphere, revision=1,
                                      client_id=f"flood-{n:04}", body=f"word {n}"))
        for n in range(40)
    ]  # fmt: skip
    await asyncio.gather(*flood)

    await leaver.call("leave", sphere=sphere)

    await other.event("sphere_forgotten", sphere=sphere)
    await here.post(sphere, "after")
    await leaver.settled()
    await other.settled()
    left_at = next(n for n, frame in enumerate(leaver.frames) if frame["type"] == "left")
    assert not [frame for frame in leaver.frames[left_at + 1 :] if "seq" in frame]
    told_at = next(n for n, frame in enumerate(other.frames) if frame["type"] == "sphere_forgotten")
    assert not [frame for frame in other.frames[told_at + 1 :] if "seq" in frame]
    assert await leaver.refusal("history", sphere=sphere) == await leaver.refusal(
        "history", sphere="b" * 26
    )
    for person in (here, leaver, other):
        await person.close()


async def test_in_a_storm_of_posts_nothing_reaches_whoever_is_out(house: House) -> None:
    tally = await storm(house, 400)

    assert tally.posts >= 400
    assert tally.heard, "the devices were listening before"
    assert tally.late, "the storm went on after the departures"
    assert tally.leaks == 0


async def test_after_the_reply_to_leave_nothing_of_its_threads_reaches_any_device(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    here, leaver, other = await _subscribed(house, sphere, ana, bob, bob)
    thread = await here.converse(sphere, bob.id)
    for person in (leaver, other):
        await person.call("subscribe", sphere=sphere, thread=thread)
    for number in range(40):
        await here.send(
            "post", sphere=sphere, thread=thread, revision=1, client_id=f"flood-{number:04}",
            sealed=b"word",
        )  # fmt: skip

    await leaver.call("leave", sphere=sphere)

    await other.event("sphere_forgotten", sphere=sphere)
    await here.whisper(sphere, thread, "after")
    for person, last in ((leaver, "left"), (other, "sphere_forgotten")):
        await person.settled()
        told_at = next(n for n, frame in enumerate(person.frames) if frame["type"] == last)
        assert not [frame for frame in person.frames[told_at + 1 :] if "seq" in frame]
    for person in (here, leaver, other):
        await person.close()
