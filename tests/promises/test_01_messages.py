"""Promise 1, of what hangs on messages: nothing crosses a wall, and nothing tells of one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.house import House

NOWHERE = "a" * 26


def _commands(revision: int = 1) -> dict[str, dict[str, Any]]:
    return {
        "edit": {"revision": revision, "message": 3, "body": "mine"},
        "delete": {"message": 3},
        "react": {"message": 3, "reaction": "👍"},
        "mark_read": {"seq": 1},
    }


@pytest.mark.parametrize("kind", list(_commands()))
async def test_from_outside_a_sphere_is_as_one_that_does_not_exist(house: House, kind: str) -> None:
    acme, umbra = await house.organisation(), await house.organisation("umbra")
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    zoe = await house.resident(umbra, "Zoe")
    closed, foreign = await house.sphere(ana, bob), await house.sphere(zoe)
    async with await house.person(ana) as author, await house.person(bob) as former:
        await author.post(closed, "hello")
        await former.call("leave", sphere=closed)

        answers = [
            await former.refusal(kind, sphere=sphere, **_commands(revision)[kind])
            for sphere in (closed, foreign, NOWHERE)
            for revision in (1, 9)
        ]

    assert {answer["code"] for answer in answers} == {"not_found"}
    assert len({str(answer) for answer in answers}) == 1


async def test_a_message_is_answered_and_reacted_to_in_its_own_sphere_alone(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    here, there = await house.sphere(ana), await house.sphere(ana)
    async with await house.person(ana) as author:
        for n in range(5):
            last = (await author.post(there, f"{n}"))["seq"]

        reply = await author.refusal(
            "post", sphere=here, revision=1, client_id="a-client-id", body="yes", reply_to=last
        )
        reaction = await author.refusal("react", sphere=here, message=last, reaction="👍")

    assert (reply["code"], reaction["code"]) == ("not_found", "not_found")


async def test_who_is_not_inside_cannot_be_mentioned_whoever_they_are(house: House) -> None:
    acme, umbra = await house.organisation(), await house.organisation("umbra")
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    colleague, stranger = await house.resident(acme, "Carol"), await house.resident(umbra, "Zoe")
    sphere = await house.sphere(ana, bob)
    await house.sphere(ana, colleague)
    async with await house.person(ana) as author, await house.person(bob) as reader:
        await reader.call("subscribe", sphere=sphere)
        draft = {"sphere": sphere, "revision": 1, "body": "look"}

        refusals = [
            await author.refusal("post", **draft, client_id="refused-one", mentions=[bob.id, other])
            for other in (colleague.id, stranger.id, NOWHERE)
        ]
        twice = await author.refusal(
            "post", **draft, client_id="refused-one", mentions=[bob.id] * 2
        )
        many = await author.refusal(
            "post", **draft, client_id="refused-one", mentions=[NOWHERE] * 51
        )
        await author.call("post", **draft, client_id="mentions-bob", mentions=[bob.id])
        heard = await reader.event("message_posted")

    assert len({str(refusal) for refusal in refusals}) == 1
    assert {one["code"] for one in (*refusals, twice, many)} == {"invalid_field"}
    assert heard["mentions"] == [bob.id]
    assert [event["type"] for event in reader.heard(sphere)] == ["message_posted"]


async def test_how_far_i_read_is_told_to_my_own_devices_and_to_nobody_else(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with (
        await house.person(ana) as phone,
        await house.person(ana) as desk,
        await house.person(bob) as other,
    ):
        for person in (phone, desk, other):
            await person.call("subscribe", sphere=sphere)
        for n in range(3):
            last = (await other.post(sphere, f"{n}"))["seq"]

        for seq in (last - 1, last - 1, last - 2, last):
            await phone.call("mark_read", sphere=sphere, seq=seq)
        above = await phone.refusal("mark_read", sphere=sphere, seq=last + 1)

        await desk.event("read", up_to=last)
        await other.settled()
        mine = (await desk.call("list"))["spheres"][0]["read"]
        theirs = (await other.call("list"))["spheres"][0]["read"]
        seen = await other.history(sphere)
    told = [frame for frame in desk.frames if frame["type"] == "read"]
    assert [frame["up_to"] for frame in told] == [last - 1, last]
    assert set(told[0]) == {"type", "sphere", "up_to"}
    assert above["code"] == "invalid_field"
    assert (mine, theirs) == (last, 0)
    assert not any(frame["type"] == "read" for frame in other.frames)
    assert [event["seq"] for event in seen][-1] == last


async def test_a_read_mark_ends_with_the_stay(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await guest.call("mark_read", sphere=sphere, seq=2)
        await guest.call("leave", sphere=sphere)
        await host.call("invite", sphere=sphere, member=bob.id)

        back = await guest.call("join", sphere=sphere)

    assert back["sphere"]["read"] == 0
