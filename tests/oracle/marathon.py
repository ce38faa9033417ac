"""Marathon: world after world, until so many steps are taken or something deviates."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.oracle.deviation import Deviation
from tests.oracle.ground import (
    KILLED_WORLDS,
    HouseGround,
    ProcessGround,
    house_ground,
    process_ground,
)
from tests.oracle.killed import kill
from tests.oracle.model.world import Undecided
from tests.oracle.walk import Walk

#: Steps in one world: then everything is founded anew, so that spheres stay small.
WORLD_STEPS = 400
#: Worlds on one server: then it starts afresh, on an empty database.
SERVER_WORLDS = 25


class Verdict(NamedTuple):
    """What a marathon came to."""

    steps: int
    counts: Counter[str]
    seed: str = ""  #: of the world that deviated
    deviation: str = ""
    trace: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Say whether the server did what the model allows."""
        return not self.deviation


Report = Callable[[int, str], None]


def _nothing(steps: int, seed: str) -> None:
    """Report nothing."""


async def run(
    seed: str,
    steps: int,
    *,
    fast_links: bool = True,
    crash: bool = False,
    report: Report = _nothing,
) -> Verdict:
    """Walk through worlds drawn from ``seed`` until so many steps are taken.

    A world's own seed is ``seed`` and its number (``7:12``); given that, only that world is walked.
    """
    total = Verdict(0, Counter())
    alone = ":" in seed
    number = 0
    while total.holds and total.steps < steps and not (alone and number):
        with tempfile.TemporaryDirectory() as folder:
            async with _ground(Path(folder), fast_links=fast_links, crash=crash) as ground:
                for _ in range(1 if alone else KILLED_WORLDS if crash else SERVER_WORLDS):
                    world_seed = seed if alone else f"{seed}:{number}"
                    report(total.steps, world_seed)
                    length = min(WORLD_STEPS, steps - total.steps)
                    total = add(total, await one_world(ground, world_seed, length))
                    number += 1
                    if total.steps >= steps or not total.holds:
                        break
    return total


def _ground(
    folder: Path, *, fast_links: bool, crash: bool
) -> AbstractAsyncContextManager[HouseGround | ProcessGround]:
    if crash:
        return process_ground(folder, Random(0))
    return house_ground(folder, fast_links=fast_links)


async def one_world(ground: HouseGround | ProcessGround, seed: str, steps: int) -> Verdict:
    """Walk through one world."""
    rng = Random(seed)
    walk = Walk(ground, await ground.world(rng), rng)
    if isinstance(ground, ProcessGround):
        walk.on_crash = kill
    began = time.perf_counter()
    try:
        await walk.run(steps)
    except Undecided as nobody_knows:
        walk.counts[f"undecided: {nobody_knows}"] += 1
    except Deviation as deviation:
        trace = tuple(walk.trace)
        return Verdict(walk.steps, walk.counts, seed, str(deviation), trace)
    finally:
        await walk.gallery.empty()
        await walk.crowd.leave()
    return Verdict(walk.steps, walk.counts, seconds=time.perf_counter() - began)


def add(one: Verdict, other: Verdict) -> Verdict:
    """Return what two walks came to, one after the other."""
    return other._replace(
        steps=one.steps + other.steps,
        counts=one.counts + other.counts,
        seconds=one.seconds + other.seconds,
    )
