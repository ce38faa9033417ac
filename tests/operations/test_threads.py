"""Private threads as an operator meets them: not at all, and whole or gone after a crash."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest

from server.protocol.scalars import MemberRole
from tests.house import House, Resident, serving
from tests.operations.test_backup import run
from tests.operations.test_metrics import read
from tests.people import Person, words_of
from tests.process import process

WORDS = "the heron flies at dusk"


async def _furnished(house: House) -> tuple[Resident, Resident, str, str]:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana", MemberRole.MANAGER)
    bob = await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as one, await house.person(bob) as other:
        thread = await one.converse(sphere, bob.id)
        await one.whisper(sphere, thread, "mine")
        await other.whisper(sphere, thread, WORDS)
    return ana, bob, sphere, thread


async def test_no_tool_of_the_operator_shows_a_thread(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics_port=0) as house:
        *_, thread = await _furnished(house)
        figures = await read(house)
        said: list[subprocess.CompletedProcess[str]] = [
            await asyncio.to_thread(run, *arguments, folder=tmp_path)
            for arguments in (
                ("doctor",),
                ("backup", str(tmp_path / "copy.sqlite3")),
                ("org", "list"),
                ("org", "show", "acme"),
                ("member", "list", "acme"),
            )
        ]
    shown = "".join([figures, *(one.stdout + one.stderr for one in said)])
    assert "Bob" in shown
    for secret in (thread, WORDS, "thread"):
        assert secret not in shown


@pytest.mark.parametrize("answered", [1, 2, 3])
async def test_killed_while_somebody_leaves_the_server_comes_back_with_all_or_nothing(
    tmp_path: Path, answered: int
) -> None:
    async with serving(tmp_path) as house:
        ana, bob, sphere, thread = await _furnished(house)
        tokens = [await house.token(ana), await house.token(bob)]
    async with process(tmp_path) as server:
        leaver = await Person(server.url, tokens[1], encoding="json").hello()
        asked = [await leaver.send("list") for _ in range(answered)]
        await leaver.send("leave", sphere=sphere)
        await leaver.answer(asked[-1])
        await server.stop(signal.SIGKILL)
        await leaver.close()

    async with serving(tmp_path) as back, Person(back.url, tokens[0]) as stays:
        seen = await stays.history(sphere, thread=thread)
        listed = await stays.call("list")
        async with Person(back.url, tokens[1]) as other:
            theirs = await other.call("list")
        held = back.holds(WORDS)

    inside = bool(theirs["spheres"])
    assert len(theirs["threads"]) == len(theirs["spheres"])
    assert words_of(seen) == (["mine", WORDS] if inside else ["mine"])
    assert (bob.id in listed["threads"][0]["members"]) is inside
    assert not held
