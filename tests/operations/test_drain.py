from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.house import House, serving
from tests.people import Person, call_http


async def _status(house: House, path: str, **headers: str) -> int:
    status, _, _ = await asyncio.to_thread(call_http, house.url, "GET", path, headers=headers)
    return status


async def _closed(person: Person) -> tuple[int, float]:
    return await person.closed(), time.monotonic()


async def test_a_server_that_stops_sends_people_away_bit_by_bit_and_lets_nobody_in(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, drain_spread_s=1.0) as house:
        acme = await house.organisation()
        people = [await house.person(await house.resident(acme, f"P{n}")) for n in range(4)]
        stopping = asyncio.create_task(house.stop())
        first = await asyncio.wait_for(
            asyncio.wait(
                [asyncio.create_task(_closed(one)) for one in people],
                return_when=asyncio.FIRST_COMPLETED,
            ),
            10,
        )

        assert await _status(house, "/readyz") == 503
        assert await _status(house, "/healthz") == 200
        assert await _status(
            house, "/v1/connect", connection="Upgrade", upgrade="websocket",
            **{"sec-websocket-version": "13", "sec-websocket-key": "A" * 22 + "==",
               "sec-websocket-protocol": "cloison.v1.json"},
        ) == 503  # fmt: skip
        still_here = [one for one in people if one.close_code is None]
        assert still_here
        await still_here[-1].call("list")

        rest = await asyncio.gather(*first[1])
        closed = [task.result() for task in first[0]] + rest
        assert {code for code, _ in closed} == {4000}
        moments = [at for _, at in closed]
        assert max(moments) - min(moments) >= 0.2
        await stopping


async def test_a_server_that_is_alone_stops_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as house:
        acme = await house.organisation()
        person = await house.person(await house.resident(acme, "Ana"))

        await house.stop()

        assert await person.closed() == 4000
