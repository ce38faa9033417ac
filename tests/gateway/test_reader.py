"""A reader's connection over the real store, where things happen while it looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.gateway.connection import Connection
from server.gateway.reader import LOOKS_MAX, ReaderConnection
from server.protocol.close import Close
from tests.channels.lines import Line, Switchboard, switchboard, until
from tests.house import Resident


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    """Return the running parts of a server."""
    async with switchboard(tmp_path) as running:
        yield running


class Slow:
    """Reads of the store that are done, and not handed over until the test says so."""

    def __init__(self, board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read, self.go_on = asyncio.Event(), asyncio.Event()
        self.times = 0
        self._real = board.parts.database.read
        monkeypatch.setattr(board.parts.database, "read", self._slow)

    async def _slow(self, ask: Any, *args: Any, **kwargs: Any) -> Any:
        found = await self._real(ask, *args, **kwargs)
        if ask.__module__ == "server.channels.publicity":
            self.times += 1
            self.read.set()
            await self.go_on.wait()
        return found


async def _public(board: Switchboard) -> tuple[Resident, Line, Line, str]:
    """Return an administrator, her line, a member's who wrote a word, and a public sphere."""
    acme = await board.house.organisation()
    ana, bob = await board.house.resident(acme, "Ana"), await board.house.resident(acme, "Bob")
    sphere = await board.house.sphere(ana, bob)
    host, guest = await board.greet(ana, "host", sphere), await board.greet(bob, "guest")
    await host.call("configure", 10, sphere=sphere, revision=1, audience="public")
    await guest.call(
        "post", 11, sphere=sphere, revision=2, client_id="client-0001", body="words of Bob"
    )
    return ana, host, guest, sphere


async def _reading(board: Switchboard, sphere: str) -> Line:
    line = board.read("reader")
    assert (await line.call("hello", 1, sphere=sphere))["type"] == "reading"
    return line


def test_a_reader_is_registered_where_halls_speak_and_nowhere_else() -> None:
    for name in ("notify", "forget", "raw_write", "on_subscribe", "on_history", "member"):
        assert not hasattr(ReaderConnection, name)
    assert hasattr(Connection, "notify")


async def test_words_do_not_arrive_after_the_news_that_they_are_gone(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, guest, sphere = await _public(board)
    line = await _reading(board, sphere)
    await line.call("history", 2)
    slow = Slow(board, monkeypatch)

    line.say("history", 3)
    await slow.read.wait()
    await guest.call("leave", 12, sphere=sphere)
    slow.go_on.set()
    page = await line.answer(3)

    assert page["messages"] == []
    assert line.types()[-2:] == ["forgotten", "page"]
    assert slow.times == 2


@pytest.mark.parametrize("command", ["hello", "history"])
async def test_a_sphere_that_closes_during_a_look_shows_nothing(
    board: Switchboard, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, host, _, sphere = await _public(board)
    line = board.read("reader") if command == "hello" else await _reading(board, sphere)
    slow = Slow(board, monkeypatch)
    line.say(command, 5, **({"sphere": sphere} if command == "hello" else {}))
    await slow.read.wait()

    await host.call("configure", 12, sphere=sphere, revision=2, audience="closed")
    slow.go_on.set()
    await until(lambda: line.speaker._task is None)

    assert {"page", "message"}.isdisjoint(line.types())
    if command == "hello":
        assert (await line.answer(5))["error"]["code"] == "not_found"
    else:
        assert line.code == Close.NOT_PUBLIC
    assert not board.parts.services.hub.halls


async def test_what_is_unsent_when_a_sphere_closes_is_for_nobody(board: Switchboard) -> None:
    _, host, _, sphere = await _public(board)
    line, idle = await _reading(board, sphere), await _reading(board, sphere)
    line.unsent = True

    await host.call("configure", 12, sphere=sphere, revision=2, audience="open")

    assert (line.aborted, idle.aborted) == (True, False)
    assert (line.code, idle.code) == (1006, Close.NOT_PUBLIC)


async def test_what_changes_faster_than_it_is_read_is_refused_as_busy(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, _, sphere = await _public(board)
    line = await _reading(board, sphere)
    hall = board.parts.services.hub.halls._halls[sphere]
    real, times = board.parts.database.read, 0

    async def restless(ask: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal times
        times += 1
        for visit in hall.visits:
            visit.outdated = True
        return await real(ask, *args, **kwargs)

    monkeypatch.setattr(board.parts.database, "read", restless)
    refused = [await line.call("history", 5)]
    other = board.read("other")
    refused.append(await other.call("hello", 6, sphere=sphere))

    assert [one["error"]["code"] for one in refused] == ["busy", "busy"]
    assert times == 2 * LOOKS_MAX


async def test_readers_look_at_the_store_one_at_a_time(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, host, _, sphere = await _public(board)
    lines = [await _reading(board, sphere) for _ in range(3)]
    slow = Slow(board, monkeypatch)

    for line in lines:
        line.say("history", 5)
    await slow.read.wait()
    await host.call("history", 13, sphere=sphere)  # a member waits behind none of them
    waiting = slow.times
    slow.go_on.set()
    for line in lines:
        await line.answer(5)

    assert waiting == 1
    assert slow.times == 3


async def test_whoever_hangs_up_leaves_nothing_behind(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, _, sphere = await _public(board)
    line, other = await _reading(board, sphere), board.read("other")
    slow = Slow(board, monkeypatch)
    line.say("history", 5)
    line.say("history", 6)
    other.say("hello", 7, sphere=sphere)
    await slow.read.wait()

    line.close(1000, "gone")
    other.close(1000, "gone")
    slow.go_on.set()
    await until(lambda: line.speaker._task is None and other.speaker._task is None)

    assert line.types() == ["reading"]
    assert other.types() == []
    assert sorted(board.released) == ["other", "reader"]
    assert not board.parts.services.hub.halls
    assert line.speaker._life.cancelled()  # type: ignore[union-attr]  # a reader's
    assert other.speaker._greeting is None


async def test_a_reader_who_pipelines_is_answered_in_order_and_within_bounds(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, _, sphere = await _public(board)
    line = board.read("reader")
    slow = Slow(board, monkeypatch)

    line.say("hello", 1, sphere=sphere)
    for request in range(2, 41):
        line.say("history", request)
    await line.answer(40)
    refused = [frame["id"] for frame in line.frames]
    slow.go_on.set()
    await line.answer(20)

    assert refused == list(range(21, 41))
    assert [frame["id"] for frame in line.frames[20:]] == list(range(1, 21))


async def test_a_fault_of_the_server_ends_one_reader_and_no_other(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, host, _, sphere = await _public(board)
    line, other = await _reading(board, sphere), await _reading(board, sphere)
    real = board.parts.database.read

    async def broken(ask: Any, *args: Any, **kwargs: Any) -> Any:
        if ask.__name__ == "history":
            raise LookupError
        return await real(ask, *args, **kwargs)

    monkeypatch.setattr(board.parts.database, "read", broken)
    line.say("history", 5)
    await until(lambda: line.closed)
    await host.call("post", 14, sphere=sphere, revision=2, client_id="client-0002", body="on")
    await until(lambda: "message" in other.types())

    assert line.code == Close.BROKEN
    assert not other.closed
