"""Promise 3: the destination is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.house import House


@pytest.mark.parametrize(
    "change", [{"name": "Everybody"}, {"audience": "public"}, {"history": "visible"}]
)
async def test_a_post_to_a_sphere_that_changed_is_refused_with_its_present_face(
    house: House, change: dict[str, Any]
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as admin, await house.person(bob) as writer:
        await admin.call("configure", sphere=sphere, revision=1, **change)

        refused = await writer.refusal(
            "post", sphere=sphere, revision=1, client_id="draft-0001", body="just between us"
        )
        present = refused["destination"]
        stored = await writer.history(sphere)
        await writer.post(
            sphere, "just between us", revision=present["revision"], client_id="draft-0001"
        )

    assert refused["code"] == "stale_destination"
    expected = {"sphere": sphere, "name": "Design team", "audience": "closed", "history": "hidden"}
    assert present == {**expected, "revision": 2, **change}
    assert not [event for event in stored if event["type"] == "message_posted"]


async def test_a_stranger_learns_nothing_from_a_stale_revision(house: House) -> None:
    acme = await house.organisation()
    sphere = await house.sphere(await house.resident(acme, "Ana"))
    async with await house.person(await house.resident(acme, "Carol")) as carol:
        refused = await carol.refusal(
            "post", sphere=sphere, revision=99, client_id="probe-0001", body="?"
        )

    assert refused["code"] == "not_found"
    assert "destination" not in refused


async def test_two_administrators_cannot_overwrite_each_other_unseen(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as first, await house.person(bob) as second:
        await first.call("appoint", sphere=sphere, member=bob.id)
        await first.call("configure", sphere=sphere, revision=1, name="Design")

        refused = await second.refusal("configure", sphere=sphere, revision=1, name="Dessin")

    assert refused["destination"]["name"] == "Design"
