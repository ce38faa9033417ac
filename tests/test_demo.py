"""The demo: what `make run` prints can be pasted, and does what the README shows."""

from __future__ import annotations

import asyncio
import os
import shlex
from contextlib import AsyncExitStack
from pathlib import Path

from tests.clients.command import Desk
from tests.clients.test_terminal import Screen, at_a_terminal
from tests.process import ROOT, Running, process

README = ROOT / "README.md"


async def _guide(server: Running) -> dict[str, str]:
    """Return the printed commands by who they are for."""
    await server.line("forgets the demo")
    commands: dict[str, str] = {}
    title = ""
    for line in server.said:
        text = line.strip()
        if text.startswith("# "):
            title = text[2:].partition(":")[0].partition(",")[0]
        elif text.startswith("CLOISON_"):
            commands[title] = text
    return commands


def _words(command: str) -> tuple[dict[str, str], list[str]]:
    """Return the environment and the client's arguments of a printed command."""
    setting, _python, script, *arguments = shlex.split(command)
    assert script == "clients/cli_client.py"
    name, _, value = setting.partition("=")
    return {name: value}, arguments


async def test_the_printed_commands_let_two_people_and_a_bot_talk_and_a_third_see_nothing(
    tmp_path: Path,
) -> None:
    async with process(tmp_path, "--demo") as server, AsyncExitStack() as open_:
        commands = await _guide(server)
        screens: dict[str, Screen] = {}
        for name in ("Ana", "Bob", "Carol"):
            environ, arguments = _words(commands[name])
            home = tmp_path / name
            home.mkdir()
            desk = Desk(server.url, home, **environ)
            screens[name] = await open_.enter_async_context(at_a_terminal(desk, *arguments))
        ana, bob, carol = screens["Ana"], screens["Bob"], screens["Carol"]
        await ana.until("Share in Design team>")
        await bob.until("Share in Design team>")
        await carol.until(">")

        ana.press("We ship on Friday.\r")
        await bob.until("Ana: We ship on Friday.")
        bob.press("I will bring cake.\r")
        await ana.until("Bob: I will bring cake.")
        environ, arguments = _words(commands["A bot"])
        bot = await Desk(server.url, tmp_path, **environ).run(*arguments)
        for screen in (ana, bob):
            await screen.until("[bot Builds, installed by Ana]: The build is green.")
        bob.press("/leave\r")
        await bob.until("[y/N]")
        bob.press("y\r")
        await ana.until("Bob left; their messages are erased")
        await bob.until("messages erased")

        assert bot.code == 0
        for sentence in ("ship on Friday", "bring cake", "build is green"):
            assert sentence not in carol.painted
    assert not _files_that_hold(tmp_path, b"bring cake")


def _files_that_hold(folder: Path, words: bytes) -> list[Path]:
    files = [path for path in folder.rglob("*.sqlite3*") if path.is_file()]
    assert files
    return [path for path in files if words in path.read_bytes()]


async def test_the_second_start_says_that_the_demo_is_there(tmp_path: Path) -> None:
    async with process(tmp_path, "--demo") as server:
        await _guide(server)
        await server.stop()

    async with process(tmp_path, "--demo") as server:
        line = await server.line("demo")
        await server.stop()

    assert "there since an earlier start" in line


async def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        second = await asyncio.create_subprocess_exec(
            *server.command, "--port", port,
            cwd=ROOT, env=os.environ | {"CLOISON_DATA_DIR": str(tmp_path / "other")},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, err = await second.communicate()

    assert second.returncode == 1
    assert err.decode().count("\n") == 1
    assert "cannot listen on" in err.decode()


def test_the_readme_shows_what_the_client_prints() -> None:
    chat = README.read_text().partition("## A chat, as it prints")[2]
    for sentence in (
        "-- You are Ana; /help lists what there is --",
        "-- In «Design team» (closed: by invitation; history hidden from newcomers) --",
        "Ana: We ship on Friday.",
        "Bob: I will bring cake.",
        "[bot Builds, installed by Ana]: The build is green.",
        "-- Bob left; their messages are erased --",
        "Share in Design team>",
    ):
        assert sentence in chat
