"""Promise 3, of edits: the destination is named."""

from __future__ import annotations

from tests.house import House


async def test_an_edit_for_a_stale_destination_is_refused_and_nothing_changes(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as author:
        message = (await author.post(sphere, "as it was"))["seq"]
        await author.call("configure", sphere=sphere, revision=1, name="Everybody")

        refusal = await author.refusal(
            "edit", sphere=sphere, revision=1, message=message, body="otherwise"
        )

        seen = await author.history(sphere)
    assert refusal["code"] == "stale_destination"
    assert (refusal["destination"]["name"], refusal["destination"]["revision"]) == ("Everybody", 2)
    assert [event["body"] for event in seen if "body" in event] == ["as it was"]
    assert not any("edited_at" in event for event in seen)
