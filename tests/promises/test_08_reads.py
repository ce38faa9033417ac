"""Promise 8, and what 1, 6, 7 make of it: others see how far I read if I let them, no further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.house import House, Resident, serving
from tests.people import Frame, Person


async def _furnished(house: House) -> tuple[Resident, Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    return ana, bob, carol, await house.sphere(ana, bob)


def _shown(person: Person) -> list[tuple[str, int | None]]:
    """Return what somebody was told of how far others read, in order."""
    return [
        (frame["member"], frame.get("up_to"))
        for frame in person.frames
        if frame["type"] == "read_shown"
    ]


async def _reads(person: Person, sphere: str, **thread: str) -> list[Frame]:
    reads: list[Frame] = (await person.call("subscribe", sphere=sphere, **thread))["reads"]
    return reads


async def test_how_far_i_read_shows_from_when_i_let_it_to_when_i_do_not(house: House) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as me, await house.person(bob) as other:
        await other.call("subscribe", sphere=sphere)
        for n in range(3):
            last = (await other.post(sphere, f"{n}"))["seq"]
        await me.call("mark_read", sphere=sphere, seq=last - 2)
        before = await _reads(other, sphere)
        await me.call("prefer", sphere=sphere, show_read=True)
        await me.call("prefer", sphere=sphere, show_read=True)
        await me.event("preferred", sphere=sphere, show_read=True)
        await me.call("mark_read", sphere=sphere, seq=last - 1)
        shown = await _reads(other, sphere)
        mine = (await me.call("list"))["spheres"][0]
        await me.call("prefer", sphere=sphere, show_read=False)
        await me.call("mark_read", sphere=sphere, seq=last)
        after = await _reads(other, sphere)
        await other.settled()
    assert before == after == []
    assert shown == [{"member": ana.id, "up_to": last - 1}]
    assert mine["show_read"] is True
    assert _shown(other) == [(ana.id, last - 2), (ana.id, last - 1), (ana.id, None)]


async def test_a_newcomer_is_not_told_that_somebody_read_what_was_before_their_time(
    house: House,
) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    async with (
        await house.person(ana) as me,
        await house.person(bob) as other,
        await house.person(carol) as newcomer,
    ):
        await me.call("prefer", sphere=sphere, show_read=True)
        last = (await other.post(sphere, "before"))["seq"]
        await me.call("mark_read", sphere=sphere, seq=last - 1)
        await me.call("invite", sphere=sphere, member=carol.id)
        horizon = (await newcomer.call("join", sphere=sphere))["sphere"]["horizon"]
        found = await _reads(newcomer, sphere)
        await me.call("mark_read", sphere=sphere, seq=last)
        await me.call("prefer", sphere=sphere, show_read=False)
        await me.call("prefer", sphere=sphere, show_read=True)
        await newcomer.settled()
        below = _shown(newcomer)
        await me.call("mark_read", sphere=sphere, seq=horizon)
        await newcomer.event("read_shown", up_to=horizon)
        above = await _reads(newcomer, sphere)
    assert (found, below) == ([], [])
    assert above == [{"member": ana.id, "up_to": horizon}]


async def test_it_shows_to_those_inside_alone_in_threads_to_those_who_take_part(
    house: House,
) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    elsewhere = await house.sphere(ana, carol)
    async with (
        await house.person(ana) as me,
        await house.person(bob) as other,
        await house.person(carol) as outsider,
    ):
        await me.call("prefer", sphere=sphere, show_read=True)
        thread = await me.converse(sphere, bob.id)
        place: dict[str, Any] = {"sphere": sphere, "thread": thread}
        await other.call("subscribe", **place)
        await other.call("subscribe", sphere=sphere)
        await outsider.call("subscribe", sphere=elsewhere)
        seq = (await other.whisper(sphere, thread, "hello"))["seq"]
        await me.call("mark_read", **place, seq=seq)
        await me.call("mark_read", sphere=elsewhere, seq=1)
        told = await other.event("read_shown", thread=thread)
        found = await _reads(other, sphere, thread=thread)
        in_sphere = await _reads(other, sphere)
        refusal = await outsider.refusal("prefer", sphere=sphere, show_read=True)
        general = await me.refusal("prefer", show_read=True)
        await me.call("prefer", sphere=sphere, show_read=False)
        over = await other.until(
            lambda frame: frame["type"] == "read_shown" and "up_to" not in frame
        )
        await outsider.settled()
    assert told == {
        "type": "read_shown", "sphere": sphere, "thread": thread, "member": ana.id, "up_to": seq,
    }  # fmt: skip
    assert (found, in_sphere) == ([{"member": ana.id, "up_to": seq}], [])
    assert over["thread"] == thread
    assert (refusal["code"], general["code"]) == ("not_found", "invalid_field")
    assert _shown(outsider) == []


async def test_who_is_hidden_does_not_show_by_reading(house: House) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as me, await house.person(bob) as other:
        await other.call("subscribe", sphere=sphere)
        await me.call("prefer", sphere=sphere, show_read=True)
        await me.call("appear", visible=False)
        await me.call("mark_read", sphere=sphere, seq=2)
        await me.call("prefer", sphere=sphere, show_read=False)
        await me.call("prefer", sphere=sphere, show_read=True)
        hidden = await _reads(other, sphere)
        await other.settled()
        told = [seq for _, seq in _shown(other) if seq is not None]
        await me.call("appear", visible=True)
        await me.call("mark_read", sphere=sphere, seq=(await other.post(sphere, "news"))["seq"])
        await other.event("read_shown", member=ana.id)
        there = await _reads(other, sphere)
    assert (hidden, told) == ([], [])
    assert [one["member"] for one in there] == [ana.id]


async def test_who_hides_takes_back_how_far_they_read_and_who_appears_shows_it_again(
    house: House,
) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as me, await house.person(bob) as other:
        thread = await me.converse(sphere, bob.id)
        for place in ({"sphere": sphere}, {"sphere": sphere, "thread": thread}):
            await other.call("subscribe", **place)
            await me.call("mark_read", **place, seq=1)
        await me.call("mark_read", sphere=sphere, seq=2)
        await me.call("prefer", sphere=sphere, show_read=True)
        await me.call("appear", visible=False)
        await me.call("appear", visible=True)
        await other.settled()
    told = [up_to for _, up_to in _shown(other)]
    assert sorted(told[:2], key=str) == sorted(told[4:], key=str)
    assert told[2:4] == [None, None]


async def test_in_a_crowd_nobody_is_told_how_far_anybody_reads(tmp_path: Path) -> None:
    async with serving(tmp_path, presence_members_max=1) as house:
        ana, bob, _, sphere = await _furnished(house)
        async with await house.person(ana) as me, await house.person(bob) as other:
            await other.call("subscribe", sphere=sphere)
            await me.call("prefer", sphere=sphere, show_read=True)
            await me.call("mark_read", sphere=sphere, seq=2)
            found = await _reads(other, sphere)
            await other.settled()
    assert found == []
    assert _shown(other) == []
