"""Settling: everything that came on every line, compared with what was foretold.

A ping goes round behind whatever was sent; what must still come is waited for, within a bound.
Invariant: nothing too much, nothing too little, each lane in its order.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.oracle.deviation import Deviation
from tests.oracle.landed import SIGNALS
from tests.oracle.lanes import is_told, lane_of
from tests.oracle.model.people import Connection, Frame
from tests.oracle.rules.signals import misplaced
from tests.oracle.unknown import Comparison, plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

#: Seconds to wait for what must come, once the line is settled: a little, then more.
PATIENCE_S = (0, 0.01, 0.05, 0.2, 3.0)
Heard = dict[int, list[Frame]]


async def settle(walk: Walk) -> Heard:
    """Compare everything that came on every line; return it. Raises Deviation."""
    await pings(walk)
    heard: Heard = {key: [] for key in walk.crowd.lines}
    for patience in PATIENCE_S:
        await asyncio.sleep(patience)
        for key, line in walk.crowd.lines.items():
            heard[key] += line.take()
        if not _is_short(walk, heard):
            break
    if reason := compare(walk, heard):
        raise Deviation(reason)
    return heard


async def pings(walk: Walk) -> None:
    """Wait until whatever was sent before now has come. Raises Deviation."""
    waiting = [
        line.settled()
        for key, line in walk.crowd.lines.items()
        if walk.world.connections[key].closed is None and line.close_code is None
    ]
    try:
        await asyncio.gather(*waiting)
    except Exception as broken:
        raise Deviation(f"a line broke: {broken!r}") from broken


def _is_short(walk: Walk, heard: Heard) -> bool:
    """Say whether fewer frames came than must."""
    return any(
        len(connection.told) > sum(map(is_told, heard[key]))
        if connection.closed is None
        else walk.crowd.lines[key].close_code is None
        for key, connection in walk.world.connections.items()
    )


def compare(walk: Walk, heard: Heard) -> str | None:
    """Return how what came differs from what was told in the model, or None."""
    comparison = walk.comparison()
    for key, connection in walk.world.connections.items():
        if found := _compare_lanes(comparison, connection, heard[key]):
            return found
        for frame in heard[key]:
            if frame["type"] in SIGNALS and (why := misplaced(walk.world, connection, frame)):
                return f"{connection} got a signal, {why}: {frame}"
        connection.told.clear()
        connection.heard = set(connection.hears)
        code = walk.crowd.lines[key].close_code
        if code != connection.closed:
            return f"{connection} is closed with {code}, not {connection.closed}"
    return None


def compare_replies(walk: Walk, heard: Heard) -> str | None:
    """Return how replies that came differ from those that were foretold, or None."""
    comparison = walk.comparison()
    for key, connection in walk.world.connections.items():
        for frame in heard[key]:
            foretold = connection.replies.pop(frame.get("id", -1), None)
            found = foretold and comparison.difference(foretold, frame)
            if found:
                return f"the reply to {connection}: foretold / got: {found}"
    return None


def _compare_lanes(
    comparison: Comparison, connection: Connection, frames: list[Frame]
) -> str | None:
    lanes: dict[str, list[Frame]] = {}
    for frame in filter(is_told, frames):
        lanes.setdefault(lane_of(frame), []).append(frame)
    foretold: dict[str, list[Frame]] = {}
    for told in connection.told:
        foretold.setdefault(str(plain(told.lane)), []).append(told.frame)
    for lane in [*foretold, *(one for one in lanes if one not in foretold)]:
        due, got = foretold.get(lane, []), lanes.get(lane, [])
        for one, other in zip(due, got, strict=False):
            if found := comparison.difference(one, other):
                return (
                    f"{connection} in {lane}: foretold / got: {found}"
                    f"\n  foretold: {plain(due)}\n  got:      {got}"
                )
        if len(due) > len(got) and connection.closed is None:
            return f"{connection} in {lane} never got {plain(due[len(got) :])}; got {got}"
        if len(got) > len(due):
            return f"{connection} in {lane} got too much: {got[len(due) :]}"
    return None
