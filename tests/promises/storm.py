"""A storm: posts without a pause, and members who are put out, or leave, in the middle of it.

After the reply to the removal nothing of the sphere may arrive on any device of whoever is out. The
tests run a short one. ``python -m tests.promises.storm 10000`` runs as many posts as one wishes,
over both links and both encodings, and prints what came of it.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec
from websockets.exceptions import ConnectionClosed

from tests.house import House, Resident, serving
from tests.people import Frame, Person

#: Posts of each writer that are under way at once: below what the server takes of a connection.
UNDER_WAY: Final = 50
#: How members go, by turns.
WAYS: Final = ("remove", "leave")


class Tally(msgspec.Struct):
    """What came of a storm."""

    posts: int = 0  #: stored
    late: int = 0  #: stored after the departure, while the devices of who is out were watched
    heard: int = 0  #: events that who is out had heard before
    cut: int = 0  #: devices that were cut with bytes unsent
    leaks: int = 0  #: frames of the sphere that came after


class Round(msgspec.Struct):
    """One sphere, two writers, and somebody with three devices who goes."""

    sphere: str
    victim: Resident
    host: Person
    writers: list[Person]
    devices: list[Person]


async def storm(
    house: House, posts: int, *, per_round: int = 200, elsewhere: House | None = None
) -> Tally:
    """Run rounds until so many posts were stored; half of it ``elsewhere``, on another node."""
    there = elsewhere or house
    organisation = await house.organisation()
    ana, bob = [await house.resident(organisation, name) for name in ("Ana", "Bob")]
    tally = Tally()
    number = 0
    while tally.posts < posts:
        carol = await house.resident(organisation, f"Carol {number}")
        sphere = await house.sphere(ana, bob, carol)
        encodings = ("msgpack", "json", "msgpack")
        one = Round(
            sphere=sphere,
            victim=carol,
            host=await house.person(ana),
            writers=[await house.person(ana), await there.person(bob)],
            devices=[
                await node.person(carol, encoding=encoding)
                for node, encoding in zip((there, there, house), encodings, strict=True)
            ],
        )
        await _weather(one, WAYS[number % 2], per_round, tally)
        number += 1
    return tally


async def _weather(one: Round, way: str, posts: int, tally: Tally) -> None:
    """Post, put somebody out half way, go on posting, and look at what they received."""
    for device in one.devices:
        await device.call("subscribe", sphere=one.sphere)
    under_way = [
        asyncio.create_task(_write(writer, one.sphere, posts // 2)) for writer in one.writers
    ]
    await one.devices[0].until(lambda frame: frame.get("seq", 0) > 3 + posts // 4)
    await _go(one, way)
    for device in one.devices:
        await _drained(device)
    marks = [len(device.frames) for device in one.devices]
    stored = [seq for seqs in await asyncio.gather(*under_way) for seq in seqs]
    stored.append((await one.host.post(one.sphere, "after"))["seq"])
    for device in one.devices:
        await _drained(device)
    gone = await _departure(one)
    _count(one, marks, stored, gone, tally)
    for person in (one.host, *one.writers, *one.devices):
        await person.close()


async def _write(writer: Person, sphere: str, posts: int) -> list[int]:
    """Post as fast as the server takes it; return the seqs."""
    seqs: list[int] = []
    for start in range(0, posts, UNDER_WAY):
        sent = [
            await writer.send(
                "post", sphere=sphere, revision=1, client_id=secrets.token_hex(8), body="word"
            )
            for _ in range(min(UNDER_WAY, posts - start))
        ]
        seqs += [(await writer.reply(request))["seq"] for request in sent]
    return seqs


async def _go(one: Round, way: str) -> None:
    """Put the member out, or let them leave on one device; return after the reply."""
    if way == "remove":
        await one.host.call("remove", sphere=one.sphere, member=one.victim.id)
    else:
        await one.devices[-1].call("leave", sphere=one.sphere)


async def _drained(device: Person) -> None:
    """Receive whatever the server had sent; a device that was cut has received all it ever will."""
    if device.close_code is None:
        try:
            await device.settled()
        except ConnectionClosed:
            await device.closed()


async def _departure(one: Round) -> int:
    """Return the seq at which the member was out."""
    events = await one.host.call("history", sphere=one.sphere, after=3, limit=500)
    left = [event["seq"] for event in events["events"] if event["type"] == "member_left"]
    return int(left[0])


def _count(one: Round, marks: list[int], stored: list[int], gone: int, tally: Tally) -> None:
    tally.posts += len(stored)
    tally.late += sum(seq > gone for seq in stored)
    for device, mark in zip(one.devices, marks, strict=True):
        heard = device.heard(one.sphere)
        tally.heard += len(heard)
        tally.cut += device.close_code is not None
        tally.leaks += sum(frame["seq"] >= gone for frame in heard)
        tally.leaks += sum(_is_of(frame, one.sphere) for frame in device.frames[mark:])
        if device.close_code is None:
            tally.leaks += _after_the_news(device.frames, one.sphere)


def _after_the_news(frames: list[Frame], sphere: str) -> int:
    """Count what came of a sphere after this device was told to forget it."""
    told = [n for n, frame in enumerate(frames) if frame["type"] == "sphere_forgotten"]
    if not told:
        return 1  # neither told nor, as the caller found, cut
    return sum(_is_of(frame, sphere) and frame["type"] != "left" for frame in frames[told[0] + 1 :])


def _is_of(frame: Frame, sphere: str) -> bool:
    return sphere in str(frame)


async def _long(posts: int) -> int:
    leaks = 0
    for fast in (True, False):
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            async with serving(Path(folder), fast_links=fast) as house:
                tally = await storm(house, posts // 2)
        leaks += tally.leaks
        link = "prepared frames" if fast else "plain ASGI"
        took = time.perf_counter() - began
        print(f"{link}: {tally}, {took:.1f} s")  # noqa: T201  # a command
    return leaks


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(_long(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))))
