"""The client at a real terminal: a pseudo-terminal, and what it paints there."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.clients.command import SCRIPT, Desk, desk
from tests.clients.furnished import Furnished, News
from tests.house import PASSWORD
from tests.people import PATIENCE_S

CLEAR = "\x1b[H\x1b[2J\x1b[3J"


class Screen:
    """What a process paints on a terminal, and the keys that are pressed there."""

    def __init__(self, descriptor: int, process: asyncio.subprocess.Process) -> None:
        self.painted = ""
        self.process = process
        self._descriptor = descriptor
        self._news = News()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._descriptor, keys.encode())

    async def until(self, words: str) -> None:
        """Wait until these words were painted; then begin to look anew."""
        await self._news.until(lambda: words in self.painted, lambda: self.painted)

    def wipe(self) -> None:
        """Begin to look anew."""
        self.painted = ""

    def close(self) -> None:
        """Take the terminal away."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:
            data = b""  # the other side is closed: that is the end of a terminal on Linux
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self.painted += data.decode(errors="replace")
        self._news.tell()


@asynccontextmanager
async def at_a_terminal(at: Desk, *arguments: str, term: str = "xterm") -> AsyncIterator[Screen]:
    """Run the client at a terminal of 100 columns and 30 lines."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    # No cursor position requests: this terminal would not answer.
    environ = at.environ | {"TERM": term, "PROMPT_TOOLKIT_NO_CPR": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), *arguments,
        env=environ, stdin=there, stdout=there, stderr=there, start_new_session=True,
    )  # fmt: skip
    os.close(there)
    screen = Screen(here, process)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        screen.close()


@pytest.fixture
async def ana(furnished: Furnished, tmp_path: Path) -> Desk:
    return await desk(furnished, furnished.ana, tmp_path)


async def test_one_talks_at_a_terminal(ana: Desk, furnished: Furnished) -> None:
    async with at_a_terminal(ana) as screen, await furnished.person(furnished.bob) as bob:
        await bob.call("subscribe", sphere=furnished.sphere)
        await screen.until("Share in Design team>")

        screen.press("hello\r")
        await bob.event("message_posted", body="hello")
        await screen.until("Ana: hello")
        await bob.post(furnished.sphere, "hi Ana")
        await screen.until("Bob: hi Ana")
        screen.press("\x04")

        assert await asyncio.wait_for(screen.process.wait(), PATIENCE_S) == 0


async def test_what_others_write_cannot_drive_the_terminal(ana: Desk, furnished: Furnished) -> None:
    async with at_a_terminal(ana) as screen, await furnished.person(furnished.bob) as bob:
        await screen.until("Share in Design team>")

        await bob.post(furnished.sphere, "\x1b]0;title\x07\x1b[5mblink\u202e")

        await screen.until("<U+001B>]0;title<U+0007><U+001B>[5mblink<U+202E>")
        assert "\x1b]0;title" not in screen.painted
        assert "\x1b[5m" not in screen.painted


async def test_what_is_erased_leaves_the_screen_and_what_scrolled_off_it(
    ana: Desk, furnished: Furnished
) -> None:
    async with at_a_terminal(ana) as screen, await furnished.person(furnished.bob) as bob:
        await screen.until("Share in Design team>")
        await bob.post(furnished.sphere, "secret")
        await screen.until("Bob: secret")

        await bob.call("leave", sphere=furnished.sphere)

        await screen.until("Bob left; their messages are erased")
        after = screen.painted.rpartition(CLEAR)[2]
        assert CLEAR in screen.painted
        assert "secret" not in after


async def test_a_line_under_way_survives_what_is_said_meanwhile(
    ana: Desk, furnished: Furnished
) -> None:
    async with at_a_terminal(ana) as screen, await furnished.person(furnished.bob) as bob:
        await bob.call("subscribe", sphere=furnished.sphere)
        await screen.until("Share in Design team>")
        screen.press("half a ")
        await screen.until("half a")
        await bob.post(furnished.sphere, "meanwhile")
        await screen.until("Bob: meanwhile")

        screen.press("line\r")

        await bob.event("message_posted", body="half a line")


async def test_control_c_drops_a_line_and_goes_on(ana: Desk, furnished: Furnished) -> None:
    async with at_a_terminal(ana) as screen, await furnished.person(furnished.bob) as bob:
        await bob.call("subscribe", sphere=furnished.sphere)
        await screen.until("Share in Design team>")

        screen.press("never mind")
        await screen.until("never mind")
        screen.press("\x03")
        await screen.until("Dropped")
        screen.press("rather this\r")

        await bob.event("message_posted", body="rather this")
        assert not [each for each in bob.heard(furnished.sphere) if "never" in each["body"]]


async def test_a_terminal_that_cannot_be_painted_is_talked_to_in_lines(
    ana: Desk, furnished: Furnished
) -> None:
    async with (
        at_a_terminal(ana, term="dumb") as screen,
        await furnished.person(furnished.bob) as bob,
    ):
        await bob.call("subscribe", sphere=furnished.sphere)
        await screen.until("Share in Design team>")

        screen.press("hello\n")
        await bob.event("message_posted", body="hello")
        await screen.until("Ana: hello")
        assert "\x1b" not in screen.painted
        await bob.post(furnished.sphere, "secret")
        await screen.until("Bob: secret")
        await bob.call("leave", sphere=furnished.sphere)
        await screen.until("this screen cannot forget it, clear it")
        screen.press("\x04")

        assert await asyncio.wait_for(screen.process.wait(), PATIENCE_S) == 0


async def test_a_terminal_is_asked_for_the_password(furnished: Furnished, tmp_path: Path) -> None:
    carol = await furnished.house.resident(furnished.organisation, "Carol", password=PASSWORD)
    somewhere = Desk(furnished.house.url, tmp_path)
    identity = ["--organisation", "acme", "--address", carol.address]
    async with at_a_terminal(somewhere, "sign-in", *identity) as screen:
        await screen.until(f"Password of {carol.address}: ")

        screen.press(f"{PASSWORD}\n")

        await screen.until("Signed in as Carol (member) in Acme, until ")
        assert PASSWORD not in screen.painted
        assert await asyncio.wait_for(screen.process.wait(), PATIENCE_S) == 0


async def test_leaving_from_a_command_asks_first(ana: Desk, furnished: Furnished) -> None:
    async with at_a_terminal(ana, "leave", "Design team") as screen:
        await screen.until("Type yes to go on")

        screen.press("no\n")

        await screen.until("Nothing was done")
        assert await asyncio.wait_for(screen.process.wait(), PATIENCE_S) == 2
    async with await furnished.person(furnished.ana) as still:
        assert len((await still.call("list"))["spheres"]) == 1
