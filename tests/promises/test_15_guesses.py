"""Promise 15: a thousand guesses at one account shut nobody out but who guesses."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.house import PASSWORD, HandClock, House, serving

WORDS = "the heron flies at dusk"
GUESSES = 1_000
#: Where the guesses come from; every address of 127/8 is this machine.
PLACES = [f"127.0.0.{number}" for number in range(2, 12)]


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """Return a server as it is shipped, for which no time passes: the guesses come at once."""
    async with serving(tmp_path, clock=clock) as running:
        yield running


def _sign_in(url: str, address: str, passwords: list[str], place: str) -> list[str]:
    """Try passwords one after the other from one place; return `in`, or why not, for each."""
    where = urlsplit(url)
    assert where.hostname is not None
    line = http.client.HTTPConnection(where.hostname, where.port, source_address=(place, 0))
    answers = []
    for password in passwords:
        body = {"organisation": "acme", "address": address, "password": password}
        line.request("POST", "/v1/sign-in", json.dumps(body).encode())
        response = line.getresponse()
        answer = json.loads(response.read())
        answers.append("in" if response.status == 200 else str(answer["error"]["code"]))
    line.close()
    return answers


async def test_a_thousand_guesses_later_the_owner_signs_in_and_never_noticed(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana", password=PASSWORD)
    bob = await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    at_home = (house.url, ana.address, [PASSWORD], "127.0.0.1")
    first = await asyncio.to_thread(_sign_in, *at_home)
    owner, friend = await house.person(ana), await house.person(bob)
    await owner.call("subscribe", sphere=sphere)
    each = GUESSES // len(PLACES)
    guesses = [
        asyncio.create_task(
            asyncio.to_thread(
                _sign_in,
                house.url,
                ana.address,
                [f"guess number {number} from here" for number in range(each)],
                place,
            )
        )
        for place in PLACES
    ]
    while not all(one.done() for one in guesses):
        await friend.post(sphere, WORDS)
        await owner.event("message_posted", body=WORDS)
        await asyncio.wait(guesses, timeout=0.05)
    answers = Counter(answer for one in guesses for answer in one.result())

    again = await asyncio.to_thread(_sign_in, *at_home)
    abroad = await asyncio.to_thread(_sign_in, *at_home[:3], "127.0.0.99")
    guesser = await asyncio.to_thread(_sign_in, *at_home[:3], PLACES[0])

    assert first + again + abroad == ["in"] * 3
    assert guesser == ["too_fast"]  # even the right password, from where it was guessed
    assert sum(answers.values()) == GUESSES
    assert set(answers) == {"sign_in_refused", "too_fast"}
    assert answers["sign_in_refused"] <= 10 * len(PLACES)
    await owner.post(sphere, "still here")
    assert owner.close_code is None
    for person in (owner, friend):
        await person.close()
