"""Promise 15: one's own sessions, listed and ended one by one."""

from __future__ import annotations

from tests.house import House


async def test_i_list_the_devices_that_i_am_signed_in_with_and_nobody_elses(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    async with (
        await house.person(ana) as desk,
        await house.person(ana) as phone,
        await house.person(bob) as other,
    ):
        here, there = await desk.call("sessions"), await phone.call("sessions")
        theirs = await other.call("sessions")

    ids = {one["session"] for one in here["sessions"]}
    assert ids == {one["session"] for one in there["sessions"]}
    assert (len(ids), len(theirs["sessions"])) == (2, 1)
    assert [one["current"] for one in here["sessions"]] != [
        one["current"] for one in there["sessions"]
    ]
    assert sum(one["current"] for one in here["sessions"]) == 1
    assert str(desk.token) not in str(here)


async def test_i_end_another_device_and_it_is_out_at_once(house: House) -> None:
    ana = await house.resident(await house.organisation(), "Ana")
    desk, phone = await house.person(ana), await house.person(ana)
    listed = await desk.call("sessions")
    (lost,) = (one["session"] for one in listed["sessions"] if not one["current"])

    await desk.call("end_session", session=lost)

    assert await phone.closed() == 4501
    left = await desk.call("sessions")
    assert [one["current"] for one in left["sessions"]] == [True]
    await desk.close()


async def test_the_device_in_hand_is_not_ended_this_way(house: House) -> None:
    ana = await house.resident(await house.organisation(), "Ana")
    async with await house.person(ana) as desk:
        ((mine,),) = ([one["session"] for one in (await desk.call("sessions"))["sessions"]],)
        refused = await desk.refusal("end_session", session=mine)
        await desk.call("list")

    assert refused["code"] == "not_allowed"


async def test_another_members_session_and_none_answer_alike(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    async with await house.person(ana) as here, await house.person(bob) as there:
        (theirs,) = (await there.call("sessions"))["sessions"]
        foreign = await here.refusal("end_session", session=theirs["session"])
        none = await here.refusal("end_session", session="a" * 26)
        await there.call("list")

    assert foreign == none
    assert foreign["code"] == "not_found"
