"""Nodes: what it costs that another node hears.

``python -m benchmarks.nodes redis://127.0.0.1:6379`` joins two brokers of one process through a
Redis that runs, and says what a publication costs both sides together, how long one takes alone,
and how long a departure waits until the other node confirmed it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from server.channels.broker_redis import RedisBroker
from server.channels.outcome import Publication
from server.channels.redis_places import plan_of
from server.protocol import codec
from server.protocol.events import MessagePosted
from storage import migrations
from storage.database import Database
from storage.keyring_file import FileKeyring
from storage.timeline import Entry

TIMELINE = "t" * 26
BODY = "x" * 100
MANY = 50_000
#: Posts that one turn of the loop publishes, as after a commit of as many.
BATCHES = (1, 8, 64)


def _said(seq: int) -> Publication:
    event = MessagePosted(sphere=TIMELINE, seq=seq, at=1, author="a" * 26, body=BODY)
    return Publication(entries=(Entry(event=event, content=codec.store(event)),))


async def _throughput(here: RedisBroker, heard: list[int], seq: int, batch: int) -> float:
    """Return the microseconds of processor that a publication takes, on both nodes together."""
    said = [_said(seq + number) for number in range(MANY)]
    began, last = time.process_time(), seq + MANY - 1
    for start in range(0, MANY, batch):
        for one in said[start : start + batch]:
            here.publish(one)
        await asyncio.sleep(0)
    while heard[-1] < last:  # noqa: ASYNC110  # an event would cost what is measured
        await asyncio.sleep(0.001)
    return (time.process_time() - began) / MANY * 1e6


async def _latency(here: RedisBroker, heard: list[int], seq: int) -> list[float]:
    took = []
    for number in range(500):
        began = time.perf_counter()
        here.publish(_said(seq + number))
        while heard[-1] < seq + number:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
        took.append((time.perf_counter() - began) * 1e3)
    return took


async def _confirmation(here: RedisBroker) -> list[float]:
    took = []
    for _ in range(500):
        done = asyncio.Event()
        began = time.perf_counter()
        here.publish(Publication(departures=((TIMELINE, "a" * 26),)))
        here.after(done.set)
        await done.wait()
        took.append((time.perf_counter() - began) * 1e3)
    return took


async def _measure(url: str, folder: Path) -> None:
    database = Database(
        f"sqlite+aiosqlite:///{folder / 'd.sqlite3'}", FileKeyring(folder / "k.sqlite3")
    )
    await database.write(migrations.upgrade)
    here, there = (RedisBroker(plan_of(url), database, prefix="bench") for _ in range(2))
    heard = [0]
    there.listen(lambda one: heard.extend(entry.event.seq for entry in one.entries))
    for broker in (here, there):
        await broker.start()
    for broker in (here, there):
        await broker.heard()
    await there.follow(TIMELINE)
    seq = 1
    for batch in BATCHES:
        cost = await _throughput(here, heard, seq, batch)
        print(f"{batch:3} in a turn: {cost:5.1f} us a publication, both nodes and the loop")
        seq += MANY
    for name, took in (
        ("alone", await _latency(here, heard, seq)),
        ("departure, confirmed", await _confirmation(here)),
    ):
        cuts = statistics.quantiles(took, n=100)
        print(f"{name}: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")
    for broker in (here, there):
        await broker.stop()
    await database.close()


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as scratch,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_measure(sys.argv[1], Path(scratch)))
