from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.gateway.bot import BotConnection
from server.gateway.connection import Connection
from tests.channels.lines import Line, Switchboard, switchboard, until
from tests.house import Resident


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    """Return the running parts of a server."""
    async with switchboard(tmp_path) as running:
        yield running


async def _plugged(board: Switchboard) -> tuple[Resident, str, Line, str]:
    """Return an administrator, a sphere, a bot that was accepted, and its token."""
    ana = await board.house.resident(await board.house.organisation(), "Ana")
    sphere = await board.house.sphere(ana)
    token = await board.house.connector(sphere, ana)
    bot = board.dial("bot", bot=True)
    assert await bot.call("hello", 1, token=token) == {"type": "accepted", "id": 1}
    return ana, sphere, bot, token


async def test_a_bot_learns_nothing_but_that_it_was_heard(board: Switchboard) -> None:
    ana, sphere, bot, _ = await _plugged(board)
    host = await board.greet(ana, "ana", sphere)

    answers = [
        await bot.call("bring", 2, body="green", client_id="client-0001"),
        await bot.call("bring", 3, body="green", client_id="client-0001"),
        await bot.call("bring", 4, body="red"),
    ]
    await until(lambda: host.types().count("connector_posted") == 2)

    assert answers == [{"type": "accepted", "id": request} for request in (2, 3, 4)]
    assert bot.types() == ["accepted"] * 4
    assert [frame["body"] for frame in host.frames if "body" in frame] == ["green", "red"]


@pytest.mark.parametrize(
    "command", ["list", "subscribe", "history", "post", "oversee", "join", "leave", "invite"]
)
async def test_a_bot_has_none_of_a_persons_commands(board: Switchboard, command: str) -> None:
    _, sphere, bot, _ = await _plugged(board)

    refused = await bot.call(command, 9, sphere=sphere)

    assert refused["error"]["code"] == "unknown_command"


def test_nothing_that_hears_a_sphere_is_within_a_bots_reach() -> None:
    for name in ("notify", "forget", "send", "raw_write", "on_subscribe", "on_history"):
        assert hasattr(Connection, name)
        assert not hasattr(BotConnection, name)


async def test_before_hello_nothing_is_brought(board: Switchboard) -> None:
    bot = board.dial("bot", bot=True)

    refused = await bot.call("bring", 1, body="green")

    assert refused["error"]["code"] == "not_authenticated"


async def test_a_token_that_opens_nothing_closes_with_4504(board: Switchboard) -> None:
    bots = [board.dial(name, bot=True) for name in ("wrong", "none")]

    bots[0].say("hello", 1, token="clc_" + "x" * 43)
    bots[1].say("hello", 1)
    await until(lambda: all(bot.closed for bot in bots))

    assert [bot.code for bot in bots] == [4504, 4504]
    assert sorted(board.released) == ["none", "wrong"]


async def test_a_second_hello_is_refused(board: Switchboard) -> None:
    _, _, bot, token = await _plugged(board)

    refused = await bot.call("hello", 2, token=token)

    assert refused["error"]["code"] == "already_greeted"


async def test_a_persons_session_opens_no_bot_and_a_bots_token_no_session(
    board: Switchboard,
) -> None:
    ana, _, _, token = await _plugged(board)
    bot, person = board.dial("disguised", bot=True), board.dial("person")

    bot.say("hello", 1, token=await board.house.token(ana))
    await until(lambda: bot.closed)
    refused = await person.call("hello", 1, token=token)

    assert bot.code == 4504
    assert refused["error"]["code"] == "not_authenticated"


async def test_revocation_closes_the_bot_at_once(board: Switchboard) -> None:
    ana, sphere, bot, _ = await _plugged(board)
    host = await board.greet(ana, "ana")
    shown = await host.call("subscribe", 10, sphere=sphere)
    connector = shown["connectors"][0]["connector"]

    await host.call("revoke_connector", 11, sphere=sphere, connector=connector)

    assert bot.code == 4504
    assert board.parts.services.hub._bots == {}


async def test_a_bot_dies_with_the_departure_of_who_installed_it(board: Switchboard) -> None:
    ana, sphere, bot, _ = await _plugged(board)
    host = await board.greet(ana, "ana")

    await host.call("leave", 10, sphere=sphere)

    assert bot.code == 4504


async def test_a_bot_keeps_its_pace(tmp_path: Path) -> None:
    async with switchboard(tmp_path, connector_posts_burst=3) as board:
        _, _, bot, _ = await _plugged(board)

        answers = [await bot.call("bring", 10 + n, body="green") for n in range(4)]

        assert [answer["type"] for answer in answers] == ["accepted"] * 3 + ["error"]
        assert answers[3]["error"]["code"] == "too_fast"
        assert answers[3]["error"]["retry_after_ms"] > 0


async def test_a_bot_that_hangs_up_is_forgotten(board: Switchboard) -> None:
    _, _, bot, _ = await _plugged(board)

    bot.say("bring", 2, body="green")
    bot.close(1000, "gone")
    await until(lambda: board.parts.writer.depth == 0)

    assert board.released == ["bot"]
    assert board.parts.services.hub._bots == {}
