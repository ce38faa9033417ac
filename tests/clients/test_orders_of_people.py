"""Who I am and who the others are, from the command line, against the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.command import Desk, desk
from tests.clients.furnished import Furnished


@pytest.fixture
async def ana(furnished: Furnished, tmp_path: Path) -> Desk:
    return await desk(furnished, furnished.ana, tmp_path)


@pytest.fixture
async def bob(furnished: Furnished, tmp_path: Path) -> Desk:
    return await desk(furnished, furnished.bob, tmp_path)


async def test_what_somebody_says_of_themselves_shows_in_a_shared_sphere(
    ana: Desk, bob: Desk
) -> None:
    said = await ana.run("describe", "title", "Architect", "--to", "sphere")
    hidden = await ana.run("describe", "about", "a secret", "--to", "hidden")
    seen = await bob.run("profile", "Ana", "--sphere", "Design team")

    assert (said.code, hidden.code) == (0, 0)
    assert "title     Architect" in seen.out
    assert "a secret" not in seen.out


async def test_one_may_say_something_else_in_one_sphere_and_take_it_back(
    ana: Desk, bob: Desk
) -> None:
    await ana.run("describe", "title", "Architect")
    await ana.run("describe", "title", "Gardener", "--sphere", "Design team")
    here = await bob.run("profile", "Ana", "--sphere", "Design team")
    mine = await ana.run("profile")
    await ana.run("describe", "title", "--sphere", "Design team")
    nothing = await bob.run("profile", "Ana", "--sphere", "Design team")
    await ana.run("describe", "title", "--sphere", "Design team", "--clear")
    again = await bob.run("profile", "Ana", "--sphere", "Design team")

    assert "Gardener" in here.out
    assert "Architect  (to those who share a sphere with me)" in mine.out
    assert "Gardener  (in «Design team»)" in mine.out
    assert "title" not in nothing.out
    assert "Architect" in again.out


async def test_a_field_without_a_text_is_a_misuse(ana: Desk) -> None:
    ran = await ana.run("describe", "title")

    assert ran.code == 2
    assert "--clear" in ran.err


async def test_the_directory_lists_members_where_there_is_one(
    ana: Desk, furnished: Furnished
) -> None:
    refused = await ana.run("directory")
    await furnished.house.directory(furnished.organisation)
    found = await ana.run("directory", "bo", "--json")
    shown = await ana.run("profile", "bob")

    assert refused.code == 1
    assert [record["name"] for record in found.records] == ["Bob"]
    assert "Bob" in shown.out


async def test_another_device_can_be_signed_out_by_its_id(ana: Desk, furnished: Furnished) -> None:
    async with await furnished.person(furnished.ana) as elsewhere:
        listed = await ana.run("devices", "--json")
        other = next(one["session"] for one in listed.records if not one["current"])
        ended = await ana.run("end-device", other)

        assert ended.code == 0
        assert await elsewhere.closed() == 4501
    wrong = await ana.run("end-device", "phone")
    assert wrong.code == 2


async def test_a_new_name_is_told_to_who_shares_a_sphere(ana: Desk, bob: Desk) -> None:
    taken = await ana.run("call-me", "Anna")
    told = await bob.run("history", "Design team", "--limit", "1")

    assert taken.code == 0
    assert "is now called Anna" in told.out
