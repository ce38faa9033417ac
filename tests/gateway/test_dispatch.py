from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.gateway.connection import _ANSWERS
from server.gateway.dispatch import INSIDE, READS, WRITES
from server.protocol import commands
from server.protocol.scalars import MemberRole
from tests.channels.lines import Switchboard, switchboard, until
from tests.house import Resident


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    """Return the running parts of a server."""
    async with switchboard(tmp_path) as running:
        yield running


async def _furnished(board: Switchboard) -> tuple[Resident, Resident, str]:
    acme = await board.house.organisation()
    ana, bob = await board.house.resident(acme, "Ana"), await board.house.resident(acme, "Bob")
    return ana, bob, await board.house.sphere(ana, bob)


def _post(sphere: str, body: str, number: int) -> dict[str, Any]:
    return {"sphere": sphere, "revision": 1, "client_id": f"client-{number:04}", "body": body}


def test_the_tables_name_every_command() -> None:
    named = {*WRITES, *READS, *INSIDE, *_ANSWERS, commands.Post}

    assert named == set(commands.AnyCommand.__args__)


def test_no_command_stands_in_two_tables() -> None:
    assert not WRITES.keys() & READS.keys()
    assert not INSIDE.keys() & (WRITES.keys() | READS.keys() | _ANSWERS.keys())
    assert not READS.keys() & _ANSWERS.keys()
    assert WRITES.keys() & _ANSWERS.keys() <= {commands.Leave}  # the act, and how it is answered
    assert not {commands.Post} & {*WRITES, *READS, *_ANSWERS}


async def test_commands_pipelined_while_one_runs_keep_their_order(board: Switchboard) -> None:
    ana, _, sphere = await _furnished(board)
    line = await board.greet(ana, "ana")

    line.say("subscribe", 10, sphere=sphere)
    line.say("post", 11, **_post(sphere, "one", 1))
    line.say("history", 12, sphere=sphere)
    line.say("unsubscribe", 13, sphere=sphere)
    line.say("unsubscribe", 14, sphere=sphere)
    line.say("dance", 15)

    await line.answer(14)
    replies = [frame["id"] for frame in line.frames if "id" in frame and frame["id"] != 11]
    assert replies == [1, 10, 12, 13, 14, 15]


async def test_a_full_backlog_stops_the_reading_and_starts_it_again(tmp_path: Path) -> None:
    async with switchboard(tmp_path, backlog_max=4) as board:
        ana, _, _ = await _furnished(board)
        line = await board.greet(ana, "ana")
        reading = []

        for request in range(10, 16):
            line.say("list", request)
            reading.append(line.reading)
        await line.answer(15)

        assert reading == [True, True, True, True, False, False]
        assert line.reading
        assert [frame["id"] for frame in line.frames] == [1, *range(10, 16)]


async def test_whoever_hangs_up_leaves_nothing_to_be_handled(board: Switchboard) -> None:
    ana, _, sphere = await _furnished(board)
    line = await board.greet(ana, "ana", sphere)
    for request in range(10, 20):
        line.say("list", request)

    line.close(1000, "gone")
    await until(lambda: line.speaker._task is None)

    assert line.types() == ["welcome", "subscribed"]
    assert board.released == ["ana"]
    assert board.parts.services.hub._rooms == {}
    assert board.parts.services.hub._listeners == {}


@pytest.mark.parametrize("command", ["history", "subscribe", "journal", "list"])
async def test_a_session_that_ends_during_a_read_is_handed_nothing(
    board: Switchboard, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, _, sphere = await _furnished(board)
    line = await board.greet(ana, "ana")
    real, go_on, reading = board.parts.database.read, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **kwargs: Any) -> Any:
        found = await real(*args, **kwargs)
        reading.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(board.parts.database, "read", slow)
    line.say(command, 10, **({} if command == "list" else {"sphere": sphere}))
    await reading.wait()

    await board.end_sessions(line)
    go_on.set()
    await until(lambda: line.speaker._task is None)

    assert line.code == 4501
    assert line.types() == ["welcome"]
    assert board.parts.services.hub._rooms == {}


@pytest.mark.parametrize("command", ["history", "subscribe", "journal"])
async def test_a_member_who_is_removed_during_a_read_is_handed_nothing(
    board: Switchboard, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bob, sphere = await _furnished(board)
    host, guest = await board.greet(ana, "ana"), await board.greet(bob, "bob")
    real, go_on, reading = board.parts.database.read, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **kwargs: Any) -> Any:
        found = await real(*args, **kwargs)
        reading.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(board.parts.database, "read", slow)
    guest.say(command, 10, sphere=sphere)
    await reading.wait()

    assert (await host.call("remove", 10, sphere=sphere, member=bob.id))["type"] == "done"
    go_on.set()

    assert (await guest.answer(10))["error"]["code"] == "not_found"
    assert {"page", "subscribed", "journal"}.isdisjoint(guest.types())


# -- leaving


async def test_the_device_that_leaves_is_not_cut_and_its_congested_sister_is(
    board: Switchboard,
) -> None:
    _, bob, sphere = await _furnished(board)
    phone, laptop = await board.greet(bob, "phone", sphere), await board.greet(bob, "tab", sphere)
    idle = await board.greet(bob, "idle", sphere)
    phone.unsent = laptop.unsent = True

    left = await phone.call("leave", 10, sphere=sphere)

    assert left["type"] == "left"
    assert (phone.aborted, laptop.aborted, idle.aborted) == (False, True, False)
    assert idle.types()[-1] == "sphere_forgotten"


async def test_a_device_that_waits_to_leave_is_cut_when_another_left_first(
    board: Switchboard,
) -> None:
    _, bob, sphere = await _furnished(board)
    first, second = (
        await board.greet(bob, "first", sphere),
        await board.greet(bob, "second", sphere),
    )
    second.unsent = True

    first.say("leave", 10, sphere=sphere)
    second.say("leave", 10, sphere=sphere)

    assert (await first.answer(10))["type"] == "left"
    assert second.aborted


async def test_a_device_that_waits_to_leave_is_cut_when_its_member_is_removed_first(
    board: Switchboard,
) -> None:
    ana, bob, sphere = await _furnished(board)
    host, guest = await board.greet(ana, "host"), await board.greet(bob, "guest", sphere)
    guest.unsent = True

    host.say("remove", 10, sphere=sphere, member=bob.id)
    await until(lambda: board.parts.writer.depth or host.types()[-1] == "done")
    guest.say("leave", 10, sphere=sphere)

    assert (await host.answer(10))["type"] == "done"
    assert guest.aborted


async def test_after_the_reply_to_leave_no_frame_of_the_sphere_is_handed_over(
    board: Switchboard,
) -> None:
    ana, bob, sphere = await _furnished(board)
    host, guest = await board.greet(ana, "host", sphere), await board.greet(bob, "guest", sphere)

    for number in range(60):
        host.say("post", 100 + number, **_post(sphere, f"{number}", number))
        if number == 30:
            guest.say("leave", 10, sphere=sphere)
    await host.answer(159)
    await guest.answer(10)

    types = guest.types()
    assert "message_posted" not in types[types.index("left") :]
    assert host.types().count("message_posted") == 60


# -- a manager's entry


@pytest.mark.parametrize("command", ["history", "subscribe", "journal", "requests"])
async def test_a_managers_second_device_reads_nothing_before_the_members_were_told(
    board: Switchboard, command: str
) -> None:
    ana, bob, sphere = await _furnished(board)
    boss = await board.house.resident(ana.member.organisation, "Max", MemberRole.MANAGER)
    members = [await board.greet(one, one.member.name, sphere) for one in (ana, bob)]
    first, second = await board.greet(boss, "first"), await board.greet(boss, "second")
    board.diary.clear()
    board.hold()

    first.say("enter", 10, sphere=sphere)
    await board.committed.wait()
    second.say(command, 10, sphere=sphere)
    await asyncio.sleep(0.05)  # the read is done, and waits
    early = list(board.diary)
    board.gate.set()
    answer = await second.answer(10)
    await first.answer(10)

    assert early == []
    assert answer["type"] in {"page", "subscribed", "journal", "requests"}
    told = [board.diary.index((line.name, "manager_entered")) for line in members]
    read = board.diary.index(("second", answer["type"]))
    assert max(told) < read
    assert max(told) < board.diary.index(("first", "inside"))
    assert max(told) < board.diary.index(("second", "sphere_added"))
