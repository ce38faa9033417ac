"""Promise 4: profiles are per organisation, and each field shows to whom its owner chose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import HandClock, House, Resident, serving
from tests.people import Person

MINUTE = 60_000
WORDS = "herons, mostly at dusk"


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """Return a server whose clock the test moves."""
    async with serving(tmp_path, clock=clock) as running:
        yield running


async def pair(house: House, *, directory: bool = False) -> tuple[Resident, Resident, str]:
    """Return two members who share a sphere, and it."""
    acme = await house.organisation()
    if directory:
        await house.directory(acme)
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    return ana, bob, await house.sphere(ana, bob)


async def seen(viewer: Person, member: Resident, sphere: str | None = None) -> dict[str, str]:
    """Return what a viewer sees of a member."""
    answer = await viewer.call("profile", member=member.id, sphere=sphere)
    return {one["field"]: one["value"] for one in answer["profile"]["fields"]}


async def test_a_field_shows_to_whom_its_owner_chose(house: House) -> None:
    ana, bob, sphere = await pair(house, directory=True)
    async with await house.person(ana) as owner, await house.person(bob) as viewer:
        for field, visibility in (
            ("about", "hidden"),
            ("contact", "sphere"),
            ("title", "organisation"),
        ):
            await owner.call("describe", field=field, value=field, visibility=visibility)

        here, anywhere = await seen(viewer, ana, sphere), await seen(viewer, ana)

    assert here == {"title": "title", "contact": "contact"}
    assert anywhere == {"title": "title"}


async def test_a_profile_is_empty_until_its_owner_says_something(house: House) -> None:
    ana, bob, sphere = await pair(house)
    async with await house.person(bob) as viewer:
        answer = await viewer.call("profile", member=ana.id, sphere=sphere)

    assert answer["profile"] == {"member": ana.id, "name": "Ana", "fields": []}


async def test_one_sphere_may_see_something_else_or_nothing(house: House) -> None:
    ana, bob, sphere = await pair(house, directory=True)
    other, third = await house.sphere(ana, bob), await house.sphere(ana, bob)
    async with await house.person(ana) as owner, await house.person(bob) as viewer:
        await owner.call("describe", field="title", value="Baker", visibility="organisation")
        await owner.call(
            "describe", field="title", value="Birder", visibility="sphere", sphere=other
        )
        await owner.call("describe", field="title", visibility="hidden", sphere=third)

        titles = [await seen(viewer, ana, one) for one in (sphere, other, third, None)]
        await owner.call("describe", field="title", sphere=third)
        again = await seen(viewer, ana, third)

    assert titles == [{"title": "Baker"}, {"title": "Birder"}, {}, {"title": "Baker"}]
    assert again == {"title": "Baker"}


async def test_what_is_said_in_one_sphere_goes_with_the_stay_from_every_file(house: House) -> None:
    ana, _, sphere = await pair(house)
    async with await house.person(ana) as owner:
        await owner.call("describe", field="about", value=WORDS, visibility="sphere", sphere=sphere)
        there = house.holds(WORDS)

        await owner.call("leave", sphere=sphere)

        mine = await owner.call("my_profile")
    assert there
    assert not house.holds(WORDS)
    assert mine["fields"] == []


async def test_who_left_sees_no_profile_through_that_sphere_any_more(house: House) -> None:
    ana, bob, sphere = await pair(house)
    async with await house.person(ana) as owner, await house.person(bob) as viewer:
        await viewer.call("leave", sphere=sphere)

        gone = await viewer.refusal("profile", member=ana.id, sphere=sphere)
        left = await owner.refusal("profile", member=bob.id, sphere=sphere)

    assert (gone["code"], left["code"]) == ("not_found", "not_found")


async def test_a_member_elsewhere_and_no_member_at_all_answer_alike(house: House) -> None:
    ana, _, sphere = await pair(house)
    away = await house.resident(await house.organisation("umbra"), "Zoe")
    near = await house.resident(ana.member.organisation, "Carol")
    async with await house.person(ana) as viewer:
        answers = [
            await viewer.refusal("profile", member=one, sphere=sphere)
            for one in (away.id, near.id, "a" * 26)
        ]

    assert answers == answers[:1] * 3


async def test_i_read_all_that_i_say_and_take_it_back(house: House) -> None:
    ana, _, sphere = await pair(house)
    async with await house.person(ana) as owner:
        await owner.call("describe", field="title", value="Baker", visibility="hidden")
        await owner.call("describe", field="title", visibility="hidden", sphere=sphere)
        both = await owner.call("my_profile")
        await owner.call("describe", field="title")
        await owner.call("describe", field="title", sphere=sphere)
        none = await owner.call("my_profile")

    assert both["fields"] == [
        {"field": "title", "value": "Baker", "visibility": "hidden", "sphere": None},
        {"field": "title", "value": None, "visibility": "hidden", "sphere": sphere},
    ]
    assert none["fields"] == []


@pytest.mark.parametrize(
    "said",
    [
        {"value": "Baker"},
        {"visibility": "sphere"},
        {"value": "Baker", "visibility": "everybody"},
        {"value": "x" * 501, "visibility": "sphere"},
        {"value": "", "visibility": "sphere"},
    ],
)
async def test_a_field_is_said_whole_or_refused(house: House, said: dict[str, str]) -> None:
    ana, *_ = await pair(house)
    async with await house.person(ana) as owner:
        refused = await owner.refusal("describe", field="title", **said)

    assert refused["code"] == "invalid_field"


@pytest.mark.parametrize(
    "said",
    [
        {"value": "Baker"},
        {"visibility": "sphere"},
        {"value": "Baker", "visibility": "hidden"},
        {"value": "Baker", "visibility": "organisation"},
    ],
)
async def test_in_one_sphere_a_field_is_shown_or_hidden(house: House, said: dict[str, str]) -> None:
    ana, _, sphere = await pair(house)
    async with await house.person(ana) as owner:
        refused = await owner.refusal("describe", field="title", sphere=sphere, **said)

    assert refused["code"] == "invalid_field"


async def test_two_memberships_of_one_account_share_nothing(house: House) -> None:
    ana, bob, sphere = await pair(house)
    umbra = await house.organisation("umbra")
    twin = await house.twin(ana, umbra, "Annette")
    async with await house.person(ana) as here, await house.person(twin) as there:
        await here.call("describe", field="about", value=WORDS, visibility="organisation")
        other = await there.call("my_profile")
    async with await house.person(bob) as viewer:
        shown = await viewer.call("subscribe", sphere=sphere)

    assert (other["name"], other["fields"]) == ("Annette", [])
    assert twin.id not in str(shown)
    assert ana.address not in str(shown)


async def test_a_new_name_is_told_in_shared_spheres_and_nowhere_else(house: House) -> None:
    ana, bob, sphere = await pair(house)
    carol = await house.resident(ana.member.organisation, "Carol")
    apart = await house.sphere(carol)
    async with (
        await house.person(ana) as owner,
        await house.person(bob) as shares,
        await house.person(carol) as outside,
    ):
        await shares.call("subscribe", sphere=sphere)
        await outside.call("subscribe", sphere=apart)
        before = len(outside.frames)
        await owner.call("rename", name="  Anna   Lind ")

        told = await shares.event("member_renamed", member=ana.id)
        await outside.settled()
        listed = await shares.call("subscribe", sphere=sphere)

    assert (told["name"], told["sphere"]) == ("Anna Lind", sphere)
    assert len(outside.frames) == before
    assert {one["name"] for one in listed["members"]} == {"Anna Lind", "Bob"}


async def test_a_former_name_is_erased_with_whoever_bore_it(house: House) -> None:
    ana, bob, sphere = await pair(house)
    async with await house.person(bob) as owner, await house.person(ana) as stays:
        await owner.call("rename", name="Bobolink")
        await owner.call("leave", sphere=sphere)

        kinds = [event["type"] for event in await stays.history(sphere)]

    assert kinds == ["member_joined", "erased", "erased", "member_left"]


async def test_names_change_once_a_minute_and_to_what_shows(house: House, clock: HandClock) -> None:
    ana, *_ = await pair(house)
    async with await house.person(ana) as owner:
        await owner.call("rename", name="Anna")
        same = await owner.call("rename", name="Anna")
        soon = await owner.refusal("rename", name="Anya")
        hidden = await owner.refusal("rename", name="An\u202ea")
        clock.advance(MINUTE)
        later = await owner.call("rename", name="Anya")

    assert (same["type"], later["type"]) == ("done", "done")
    assert (soon["code"], soon["retry_after_ms"]) == ("too_fast", MINUTE)
    assert hidden["code"] == "invalid_field"
