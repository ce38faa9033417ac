"""Questions that come in the same moment are one look at the store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from server import errors
from storage.database import Transaction
from storage.gathering import TOGETHER_MAX, Gathering
from tests.channels.desk import Desk, desk


class Looks:
    """What was asked, a set a look; a look may be held up."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.open = threading.Event()
        self.open.set()
        self.failing: Exception | None = None

    def __call__(self, _: Transaction, keys: Collection[str]) -> dict[str, str]:
        self.asked.append(set(keys))
        self.open.wait(10)
        if self.failing is not None:
            raise self.failing
        return {key: key.upper() for key in keys if key != "nobody"}


def _gathering(at: Desk, looks: Looks) -> Gathering[str, str]:
    return Gathering(at.database, looks)


async def _under_way(looks: Looks, count: int) -> None:
    while len(looks.asked) < count:  # noqa: ASYNC110  # on another thread, which tells nobody
        await asyncio.sleep(0.001)


async def test_a_lone_question_is_asked_at_once_and_what_is_not_there_is_none(
    tmp_path: Path,
) -> None:
    looks = Looks()
    async with desk(tmp_path) as at:
        gathering = _gathering(at, looks)

        assert await gathering.find("ana") == "ANA"
        assert await gathering.find("nobody") is None
    assert looks.asked == [{"ana"}, {"nobody"}]


async def test_whoever_asks_while_a_look_is_under_way_shares_the_next_one(tmp_path: Path) -> None:
    looks = Looks()
    async with desk(tmp_path) as at:
        gathering = _gathering(at, looks)
        looks.open.clear()
        first = asyncio.create_task(gathering.find("ana"))
        await _under_way(looks, 1)
        others = [asyncio.create_task(gathering.find(one)) for one in ("ana", "bob", "carol")]
        await asyncio.sleep(0)
        looks.open.set()

        assert await asyncio.gather(first, *others) == ["ANA", "ANA", "BOB", "CAROL"]
    # Ana's second question was put after the first look began, which may not have seen the news.
    assert looks.asked == [{"ana"}, {"ana", "bob", "carol"}]


async def test_no_look_is_longer_than_its_bound(tmp_path: Path) -> None:
    looks = Looks()
    async with desk(tmp_path) as at:
        gathering = _gathering(at, looks)
        names = [f"n{number}" for number in range(2 * TOGETHER_MAX + 1)]

        found = await asyncio.gather(*map(gathering.find, names))

    assert found == [name.upper() for name in names]
    assert [len(asked) for asked in looks.asked] == [TOGETHER_MAX, TOGETHER_MAX, 1]


async def test_who_went_away_takes_nobodys_answer_along(tmp_path: Path) -> None:
    looks = Looks()
    async with desk(tmp_path) as at:
        gathering = _gathering(at, looks)
        looks.open.clear()
        gone = asyncio.create_task(gathering.find("ana"))
        stays = asyncio.create_task(gathering.find("bob"))
        await _under_way(looks, 1)
        gone.cancel()
        looks.open.set()

        assert await stays == "BOB"


async def test_a_look_that_fails_fails_for_all_who_asked_and_for_nobody_after(
    tmp_path: Path,
) -> None:
    looks = Looks()
    async with desk(tmp_path) as at:
        gathering = _gathering(at, looks)
        looks.failing = errors.StorageUnavailable()

        found = await asyncio.gather(
            gathering.find("ana"), gathering.find("bob"), return_exceptions=True
        )
        looks.failing = None

        assert {type(one) for one in found} == {errors.StorageUnavailable}
        assert await gathering.find("ana") == "ANA"


async def test_a_question_nobody_can_answer_any_more_ends_with_its_loop(tmp_path: Path) -> None:
    looks = Looks()
    async with desk(tmp_path) as at:
        gathering = _gathering(at, looks)
        looks.open.clear()
        asked = asyncio.create_task(gathering.find("ana"))
        await _under_way(looks, 1)
        assert gathering._looking is not None
        gathering._looking.cancel()
        looks.open.set()

        with pytest.raises(asyncio.CancelledError):
            await asked
