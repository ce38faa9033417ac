"""Erasure: whatever interrupts it, it is finished before the next start serves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.keyring_file import FileKeyring
from storage.veil import ROOT_ID
from tests.house import House, serving
from tests.people import Person

pytestmark = pytest.mark.embedded

WORDS = "the heron flies at dusk"


async def _author(house: House) -> tuple[str, str]:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(bob) as author:
        await author.post(sphere, WORDS)
    return sphere, await house.token(bob)


def _keys(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "keys" / "keys.sqlite3")) as keyring:
        count: int = keyring.execute(
            "SELECT count(*) FROM secret WHERE id != ?", (ROOT_ID,)
        ).fetchone()[0]
        return count


async def test_a_key_lives_as_long_as_its_author_stays(tmp_path: Path) -> None:
    async with serving(tmp_path) as house:
        sphere, token = await _author(house)
        both = _keys(tmp_path)
        async with await Person(house.url, token).hello() as author:
            await author.call("leave", sphere=sphere)

        assert (both, _keys(tmp_path)) == (2, 1)


async def test_a_locked_keyring_delays_the_destruction_and_the_next_start_makes_up_for_it(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as house:
        sphere, token = await _author(house)
        keyring = house.parts.database.keyring
        assert isinstance(keyring, FileKeyring)
        keyring._file.execute("PRAGMA busy_timeout=10")
        with closing(sqlite3.connect(tmp_path / "keys" / "keys.sqlite3")) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            async with await Person(house.url, token).hello() as author:
                left = await author.call("leave", sphere=sphere)
            pending, kept = house.parts.eraser.pending, _keys(tmp_path)

    async with serving(tmp_path) as again:
        finished = not again.parts.eraser.pending

    assert left["certificate"]["messages_erased"] == 1
    assert (pending, kept) == (True, 2)
    assert finished
    assert _keys(tmp_path) == 1
