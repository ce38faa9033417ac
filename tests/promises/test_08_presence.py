"""Promise 8, and 1, 4, 7, 11: who is there and who types shows inside shared spheres alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from server.protocol.scalars import MemberRole
from storage import members
from tests.house import HandClock, House, Resident, serving
from tests.people import Frame, Person


@pytest.fixture(params=["fast", "plain"])
async def lively(
    tmp_path: Path, request: pytest.FixtureRequest, clock: HandClock
) -> AsyncIterator[House]:
    """Return a server that tells who is there almost at once; typing is by the hand clock."""
    async with serving(
        tmp_path,
        clock=clock,
        fast_links=request.param == "fast",
        presence_every_s=0.02,
        presence_grace_s=0,
    ) as running:
        yield running


async def three(house: House) -> tuple[str, Resident, Resident, Resident]:
    """Return an organisation, and three members of it."""
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    return acme, ana, bob, carol


async def listening(house: House, resident: Resident, *spheres: str, **fields: Any) -> Person:
    """Return a connection of somebody who listens to spheres."""
    person = await house.person(resident, **fields)
    for sphere in spheres:
        await person.call("subscribe", sphere=sphere)
    return person


async def told(person: Person, sphere: str, **word: Resident) -> Frame:
    """Wait until somebody is told that another ``came``, or ``went``."""
    ((change, who),) = word.items()
    return await person.until(
        lambda frame: (
            frame["type"] == "presence"
            and frame["sphere"] == sphere
            and who.id in frame.get(change, [])
        )
    )


def signals(person: Person) -> list[Frame]:
    """Return the signals that somebody received."""
    return [frame for frame in person.frames if frame["type"] in ("presence", "typing")]


# -- presence


async def test_those_who_share_a_sphere_see_each_other_come_and_go(lively: House) -> None:
    _, ana, bob, _ = await three(lively)
    sphere = await lively.sphere(ana, bob)
    here = await listening(lively, ana, sphere)
    await told(here, sphere, came=ana)
    there = await lively.person(bob, encoding="json")

    found = await there.call("subscribe", sphere=sphere)

    assert found["present"] == [ana.id]
    came = await told(here, sphere, came=bob)
    assert came == {"type": "presence", "sphere": sphere, "came": [bob.id]}
    assert await told(there, sphere, came=bob) == came
    await there.close()
    went = await told(here, sphere, went=bob)
    assert went == {"type": "presence", "sphere": sphere, "went": [bob.id]}
    await here.close()


async def test_a_reconnection_does_not_show(tmp_path: Path) -> None:
    async with serving(tmp_path, presence_every_s=0.02, presence_grace_s=600) as house:
        _, ana, bob, carol = await three(house)
        sphere = await house.sphere(ana, bob, carol)
        here = await listening(house, ana, sphere)
        there = await listening(house, bob, sphere)
        await told(here, sphere, came=bob)

        await there.close()
        again = await listening(house, bob, sphere)
        late = await listening(house, carol, sphere)
        await told(here, sphere, came=carol)

        assert [one for one in signals(here) if bob.id in one.get("went", [])] == []
        assert sum(bob.id in one.get("came", []) for one in signals(here)) == 1
        for person in (here, again, late):
            await person.close()


async def test_outside_the_sphere_nobody_is_told_who_is_there(lively: House) -> None:
    acme, ana, bob, carol = await three(lively)
    sphere, other = await lively.sphere(ana, bob), await lively.sphere(ana, carol)
    boss = await lively.resident(acme, "Max", MemberRole.MANAGER)
    watching = await listening(lively, carol, other)
    manager = await lively.person(boss)
    here = await listening(lively, ana, sphere, other)
    there = await listening(lively, bob, sphere)
    await told(here, sphere, came=bob)
    await told(watching, other, came=ana)
    await there.close()
    await told(here, sphere, went=bob)
    await here.close()
    await told(watching, other, went=ana)

    await manager.settled()
    assert {one["sphere"] for one in signals(watching)} == {other}
    assert bob.id not in str(watching.frames)
    assert [frame["type"] for frame in manager.frames] == ["welcome"]
    await watching.close()
    await manager.close()


async def test_presence_in_one_organisation_says_nothing_in_another(lively: House) -> None:
    _, ana, _, _ = await three(lively)
    umbra = await lively.organisation("umbra")
    zoe = await lively.resident(umbra, "Zoe")
    twin = await lively.twin(ana, umbra, "Anna")
    await lively.directory(umbra)
    sphere, foreign = await lively.sphere(ana), await lively.sphere(zoe, twin)
    watching = await listening(lively, zoe, foreign)
    await told(watching, foreign, came=zoe)

    here = await listening(lively, ana, sphere)
    await told(here, sphere, came=ana)
    await here.call("typing", sphere=sphere)
    listed = await watching.call("directory")

    assert {one["name"]: one["present"] for one in listed["members"]} == {
        "Anna": False, "Zoe": True
    }  # fmt: skip
    assert len(signals(watching)) == 1
    for word in (ana.id, twin.id, sphere):
        assert word not in str(signals(watching))
    await here.close()
    await watching.close()


async def test_after_the_reply_to_leave_or_a_removal_no_signal_follows(lively: House) -> None:
    _, ana, bob, carol = await three(lively)
    sphere = await lively.sphere(ana, bob, carol)
    here = await listening(lively, ana, sphere)
    leaver, removed = await listening(lively, bob, sphere), await listening(lively, carol, sphere)
    await told(removed, sphere, came=carol)

    await leaver.call("leave", sphere=sphere)
    await here.call("remove", sphere=sphere, member=carol.id)
    with suppress(ConnectionError):  # a device with unsent frames of the sphere is cut instead
        await removed.event("sphere_forgotten")
    so_far = [len(signals(person)) for person in (leaver, removed)]
    other = await listening(lively, ana, sphere)
    await here.call("typing", sphere=sphere)
    await here.call("appear", visible=False)
    await told(here, sphere, went=ana)

    for person in (leaver, removed):
        with suppress(ConnectionClosed):
            await person.settled()
    assert [len(signals(person)) for person in (leaver, removed)] == so_far
    since = here.frames.index(await here.event("member_left", member=bob.id))
    assert bob.id not in str([one for one in here.frames[since + 1 :] if one in signals(here)])
    for person in (here, other, leaver, removed):
        await person.close()


# -- hiding


async def test_who_hides_is_seen_by_nobody_and_stays_hidden_on_every_device(
    lively: House,
) -> None:
    acme, ana, bob, carol = await three(lively)
    await lively.directory(acme)
    sphere = await lively.sphere(ana, bob, carol)
    here, there = await listening(lively, ana, sphere), await listening(lively, bob, sphere)
    idle = await lively.person(bob)
    await told(here, sphere, came=bob)

    await there.call("appear", visible=False)

    listed = await here.call("directory")
    found = await (late := await lively.person(carol)).call("subscribe", sphere=sphere)
    await told(here, sphere, went=bob)
    again = await listening(lively, bob, sphere)
    await told(here, sphere, came=carol)
    assert (await idle.event("appeared"))["visible"] is False
    assert [frame["visible"] for frame in again.frames if frame["type"] == "welcome"] == [False]
    assert {one["name"]: one["present"] for one in listed["members"]} == {
        "Ana": True, "Bob": False, "Carol": False
    }  # fmt: skip
    assert bob.id not in found["present"]
    assert sum(bob.id in one.get("came", []) for one in signals(here)) == 1
    await again.call("appear", visible=True)
    await told(late, sphere, came=bob)
    for person in (here, there, idle, late, again):
        await person.close()


async def test_who_hid_before_the_server_started_is_hidden_still(lively: House) -> None:
    _, ana, bob, _ = await three(lively)
    sphere = await lively.sphere(ana, bob)
    await lively.parts.database.write(members.set_hidden, member_id=bob.id, hidden=True)

    there = await listening(lively, bob, sphere)
    here = await listening(lively, ana, sphere)
    await told(here, sphere, came=ana)

    assert there.frames[0]["visible"] is False
    assert bob.id not in str(signals(here))
    await here.close()
    await there.close()


async def test_to_hide_twice_is_told_once_and_nobody_else_hears_of_the_wish(
    lively: House,
) -> None:
    _, ana, bob, _ = await three(lively)
    sphere = await lively.sphere(ana, bob)
    here, there = await listening(lively, ana, sphere), await lively.person(bob)

    for _ in range(2):
        assert (await there.call("appear", visible=False))["type"] == "done"

    await there.settled()
    await here.settled()
    assert [frame["type"] for frame in there.frames].count("appeared") == 1
    assert "appeared" not in [frame["type"] for frame in here.frames]
    await here.close()
    await there.close()


async def test_a_manager_who_entered_cannot_hide_there_but_elsewhere(lively: House) -> None:
    acme, ana, _, _ = await three(lively)
    boss = await lively.resident(acme, "Max", MemberRole.MANAGER)
    taken, own = await lively.sphere(ana), await lively.sphere(ana, boss)
    here = await listening(lively, ana, taken, own)
    manager = await lively.person(boss)
    await manager.call("appear", visible=False)

    await manager.call("enter", sphere=taken)
    await manager.call("subscribe", sphere=own)
    await manager.call("subscribe", sphere=taken)

    await told(here, taken, came=boss)
    again = await here.call("subscribe", sphere=own)
    assert boss.id not in again["present"]
    assert boss.id in (await here.call("subscribe", sphere=taken))["present"]
    await here.close()
    await manager.close()


# -- the directory


async def test_without_a_directory_it_says_nothing_of_who_is_there(lively: House) -> None:
    _, ana, bob, _ = await three(lively)
    async with await lively.person(ana) as asking:
        away = await asking.refusal("directory")
        async with await lively.person(bob):
            there = await asking.refusal("directory")
            known = await asking.refusal("profile", member=bob.id)

    assert away == there == known


async def test_with_one_it_says_who_is_connected(lively: House) -> None:
    acme, ana, bob, _ = await three(lively)
    await lively.directory(acme)
    async with await lively.person(ana) as asking:
        before = await asking.call("directory", search="Bob")
        async with await lively.person(bob):
            during = await asking.call("directory", search="Bob")

    assert [one["members"][0]["present"] for one in (before, during)] == [False, True]


# -- typing


async def test_the_others_are_told_who_types_and_no_device_of_the_typist_is(
    lively: House,
) -> None:
    _, ana, bob, carol = await three(lively)
    sphere = await lively.sphere(ana, bob)
    here = await listening(lively, ana, sphere, encoding="json")
    there, tablet = await listening(lively, bob, sphere), await listening(lively, bob, sphere)
    outside = await lively.person(carol)

    answer = await there.call("typing", sphere=sphere)

    heard = await here.event("typing")
    assert answer["type"] == "done"
    assert heard == {"type": "typing", "sphere": sphere, "member": bob.id}
    for person in (there, tablet, outside):
        await person.settled()
        assert "typing" not in [frame["type"] for frame in person.frames]
    for person in (here, there, tablet, outside):
        await person.close()


async def test_typing_is_told_once_in_three_seconds_whatever_is_sent(
    lively: House, clock: HandClock
) -> None:
    _, ana, bob, _ = await three(lively)
    sphere = await lively.sphere(ana, bob)
    here, there = await listening(lively, ana, sphere), await listening(lively, bob, sphere)
    tablet = await listening(lively, bob, sphere)

    for pause in (0, 1_000, 1_999, 1):
        clock.advance(pause)
        for device in (there, tablet):
            assert (await device.call("typing", sphere=sphere))["type"] == "done"

    await here.settled()
    assert [frame["type"] for frame in here.frames].count("typing") == 2
    for person in (here, there, tablet):
        await person.close()


async def test_typing_answers_alike_in_every_sphere_that_is_not_there_for_me(
    lively: House,
) -> None:
    acme, ana, bob, carol = await three(lively)
    umbra = await lively.organisation("umbra")
    shown, hidden = await lively.sphere(ana, bob), await lively.sphere(ana, bob)
    foreign = await lively.sphere(await lively.resident(umbra, "Zoe"))
    boss = await lively.resident(acme, "Max", MemberRole.MANAGER)
    async with await lively.person(ana) as host:
        await host.call("configure", sphere=shown, revision=1, audience="open", listed=True)
    places: list[dict[str, Any]] = [
        {"sphere": place} for place in (shown, hidden, foreign, "a" * 26)
    ]
    places += [{"sphere": shown, "thread": "a" * 26}, {"sphere": hidden, "thread": hidden}]
    here = await listening(lively, ana, shown, hidden)

    answers = []
    for resident in (carol, boss, bob):  # bob is inside, and does not listen on this connection
        async with await lively.person(resident) as person:
            answers += [await person.refusal("typing", **place) for place in places]

    assert answers == answers[:1] * len(answers)
    assert answers[0]["code"] == "not_found"
    await here.settled()
    assert "typing" not in [frame["type"] for frame in here.frames]
    await here.close()


async def test_typing_in_a_private_thread_is_for_those_in_it(lively: House) -> None:
    _, ana, bob, carol = await three(lively)
    sphere, other = await lively.sphere(ana, bob, carol), await lively.sphere(ana, bob, carol)
    here, there = await listening(lively, ana), await listening(lively, bob)
    outside = await listening(lively, carol, sphere)
    begun = await here.call("converse", sphere=sphere, revision=1, members=[bob.id])
    thread: str = begun["thread"]["thread"]
    for person in (here, there):
        await person.call("subscribe", sphere=sphere, thread=thread)

    await there.call("typing", sphere=sphere, thread=thread)

    heard = await here.event("typing")
    assert heard == {"type": "typing", "sphere": sphere, "thread": thread, "member": bob.id}
    answers = [
        await person.refusal("typing", **place)
        for person, place in (
            (outside, {"sphere": sphere, "thread": thread}),
            (outside, {"sphere": sphere, "thread": "a" * 26}),
            (outside, {"sphere": thread}),
            (there, {"sphere": other, "thread": thread}),
            (there, {"sphere": thread, "thread": thread}),
        )
    ]
    assert answers == answers[:1] * len(answers)
    await told(outside, sphere, came=carol)
    assert thread not in str(outside.frames)
    assert signals(there) == []
    assert signals(here) == [heard], "nobody is told who is present in a thread"
    for person in (here, there, outside):
        await person.close()


async def test_whoever_left_a_thread_hears_nobody_type_there(lively: House) -> None:
    _, ana, bob, _ = await three(lively)
    sphere = await lively.sphere(ana, bob)
    here, there = await listening(lively, ana), await listening(lively, bob)
    begun = await here.call("converse", sphere=sphere, revision=1, members=[bob.id])
    thread = {"sphere": sphere, "thread": begun["thread"]["thread"]}
    for person in (here, there):
        await person.call("subscribe", **thread)

    await there.call("leave", **thread)
    refused = await there.refusal("typing", **thread)
    await here.call("typing", **thread)

    await there.settled()
    assert refused["code"] == "not_found"
    assert signals(there) == signals(here) == []
    await here.close()
    await there.close()


async def test_the_typing_of_somebody_removed_goes_nowhere(lively: House) -> None:
    _, ana, bob, _ = await three(lively)
    sphere = await lively.sphere(ana, bob)
    here, there = await listening(lively, ana, sphere), await listening(lively, bob, sphere)

    await here.call("remove", sphere=sphere, member=bob.id)
    with suppress(ConnectionError):  # a device with unsent frames of the sphere is cut instead
        await there.event("sphere_forgotten")
        refused = await there.refusal("typing", sphere=sphere)
        assert refused["code"] == "not_found"

    await here.settled()
    assert "typing" not in [frame["type"] for frame in here.frames]
    await here.close()
    await there.close()


async def test_typing_costs_as_much_as_any_command(tmp_path: Path) -> None:
    async with serving(
        tmp_path, clock=HandClock(), commands_per_second=1, commands_burst=3
    ) as house:
        _, ana, _, _ = await three(house)
        sphere = await house.sphere(ana)
        async with await listening(house, ana, sphere) as person:
            await person.call("typing", sphere=sphere)
            fast = await person.refusal("typing", sphere=sphere)
            unknown = await person.refusal("typing", sphere="a" * 26)

    assert fast == unknown
    assert fast["code"] == "too_fast"


async def test_nothing_of_it_is_stored(lively: House) -> None:
    _, ana, bob, _ = await three(lively)
    sphere = await lively.sphere(ana, bob)
    here = await listening(lively, ana, sphere)
    head = (await here.call("subscribe", sphere=sphere))["sphere"]["head"]
    there = await listening(lively, bob, sphere)

    await told(here, sphere, came=bob)
    await there.call("typing", sphere=sphere)
    await there.close()
    await told(here, sphere, went=bob)

    assert await here.history(sphere, after=head) == []
    await here.close()
