"""What the server itself promises, of reactions: one of each, on or off, in one order for all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.house import House, serving
from tests.people import Frame, Person


def _hung(events: list[Frame]) -> list[tuple[str, str]]:
    return [
        (event["type"].removeprefix("reaction_"), event["reaction"])
        for event in events
        if event["type"].startswith("reaction_")
    ]


async def test_a_reaction_is_on_or_off_however_often_it_is_said_and_on_whatever_device(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as phone, await house.person(ana) as desk:
        await desk.call("subscribe", sphere=sphere)
        message = (await phone.post(sphere, "hello"))["seq"]
        fields = {"sphere": sphere, "message": message, "reaction": "👍"}

        await asyncio.gather(*(person.call("react", **fields) for person in (phone, desk) * 3))
        on = _hung(await desk.history(sphere))
        for _ in range(2):
            await phone.call("react", **fields, on=False)
        off = _hung(await desk.history(sphere))
        await phone.call("react", **fields)
        again = _hung(await desk.history(sphere))
        await desk.settled()
        heard = _hung(desk.heard(sphere))

    assert on == [("added", "👍")]
    assert off == [("removed", "👍")]
    assert again == [("removed", "👍"), ("added", "👍")]
    assert heard == [("added", "👍"), ("removed", "👍"), ("added", "👍")]


async def test_a_member_reacts_to_one_message_in_so_many_ways_and_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path, reactions_per_message_max=3) as house:
        acme = await house.organisation()
        ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
        sphere = await house.sphere(ana, bob)
        async with await house.person(ana) as one, await house.person(bob) as other:
            message = (await one.post(sphere, "hello"))["seq"]
            fields = {"sphere": sphere, "message": message}
            for reaction in "abc":
                await one.call("react", **fields, reaction=reaction)

            full = await one.refusal("react", **fields, reaction="d")
            await other.call("react", **fields, reaction="d")
            await one.call("react", **fields, reaction="a")
            await one.call("react", **fields, reaction="a", on=False)
            await one.call("react", **fields, reaction="d")

    assert full["code"] == "full"


async def test_what_a_bot_brought_in_is_answered_and_reacted_to_but_is_nobodys_to_edit(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    token = await house.connector(sphere, ana)
    async with await house.person(ana) as member:
        async with await Person(house.url, token).connect("/v1/bring") as bot:
            await bot.call("hello", token=token)
            await bot.call("bring", body="green", client_id="build-4711")
        (brought,) = [
            event for event in await member.history(sphere) if event["type"] == "connector_posted"
        ]
        message = brought["seq"]
        await member.call("react", sphere=sphere, message=message, reaction="🎉")
        await member.call(
            "post", sphere=sphere, revision=1, client_id="a-client-id", body="at last",
            reply_to=message,
        )  # fmt: skip
        refusal = await member.refusal("delete", sphere=sphere, message=message)

    assert refusal["code"] == "not_found"


@pytest.mark.parametrize("reaction", ["\u200d", "a\u202eb", " ", "\U0001f44d\u200d", "x" * 33])
async def test_a_reaction_must_show(house: House, reaction: str) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as member:
        message = (await member.post(sphere, "hello"))["seq"]

        refusal = await member.refusal("react", sphere=sphere, message=message, reaction=reaction)

    assert refusal["code"] == "invalid_field"
