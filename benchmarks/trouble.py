"""Trouble: readers that do not read, a flood of sign-ins, everybody back at once.

Measures what the others feel of it: the p99 of deliveries with the trouble beside that without, in
one run; and how long a restart is felt. Invariant: after the storm every connection holds every
event that anybody was told of, and was told of none twice.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from benchmarks import plan, town
from benchmarks.bench import Bench
from benchmarks.figures import Target
from benchmarks.generator import Load, Report, loading
from benchmarks.processes import cloison, serving, stop

UNCHANGED = Target(1.2, of_ratio=True)
STORM = Target(5)
SPHERE = 100  #: members of each sphere in the storm
POSTS_S = 30.0  #: at a thousand readers, a quarter of what the floor carries
ATTEMPTS_S = 100.0


def stuck(bench: Bench) -> None:
    """A tenth of a thousand readers stop reading; their outboxes fill before it is measured."""
    members, some = 1_000, 100
    half = bench.figure("p50 of deliveries, a tenth stuck, and none", "us")
    late = bench.figure("p99 of deliveries, a tenth stuck, and none", "us", UNCHANGED)
    with bench.place() as place:
        bench.say(f"preparing 1 x {members}")
        there = town.build(Path(place), spheres=1, members=members)
        planned = plan.people(there, posters=2, stuck=some, body_bytes=2_000)
        with (
            cloison(there.folder, outbox_bytes_max=8_388_608) as server,
            bench.load(server, planned, floor=False) as load,
        ):
            load.open(inflight=32)
            for _ in range(bench.runs):
                free = _at_rate(bench, load, members)
                load.ask("stall", members - some, some)
                _fill(load, members - some)
                held = _at_rate(bench, load, members - some)
                half.add(held["p50_us"], free["p50_us"])
                late.add(held["p99_us"], free["p99_us"])
                load.ask("close", members - some, some)
                load.open(members - some, some, inflight=32)


def _fill(load: Load, readers: int) -> None:
    """Post until the kernel takes no more for those who do not read: a megabyte each."""
    sent = 0
    while sent < 500:
        sent += load.saturate(window=4, readers=readers, warm=0, seconds=0.5)["posts"]


def _at_rate(bench: Bench, load: Load, readers: int) -> Report:
    report = load.rate(POSTS_S, readers=readers, warm=bench.warm, seconds=2 * bench.seconds)
    bench.looked(report)
    return report


def flood(bench: Bench) -> None:
    """A hundred wrong passwords a second, beside traffic in a sphere of 100."""
    members = 100
    half = bench.figure("p50 of deliveries, flooded and quiet", "us")
    late = bench.figure("p99 of deliveries, flooded and quiet", "us", UNCHANGED)
    with bench.place() as place:
        there = town.build(Path(place), spheres=1, members=members)
        planned = plan.people(there, posters=2)
        # The server may use both cores here: hashing on another than the loop is its design.
        with (
            cloison(there.folder, core=None) as server,
            bench.load(server, planned, floor=False) as load,
        ):
            load.open()
            for _ in range(bench.runs):
                quiet = _traffic(bench, load, members)
                command = [sys.executable, "-m", "benchmarks.flood", str(server.port)]
                with serving([*command, str(ATTEMPTS_S)], "ready", core=None) as flooder:
                    time.sleep(0.5)
                    flooded = _traffic(bench, load, members)
                    flooder.process.terminate()
                    printed, _ = flooder.process.communicate()
                bench.note(f"sign-ins answered: {json.loads(printed)}")
                half.add(flooded["p50_us"], quiet["p50_us"])
                late.add(flooded["p99_us"], quiet["p99_us"])


def _traffic(bench: Bench, load: Load, readers: int) -> Report:
    report = load.rate(100, readers=readers, warm=bench.warm, seconds=2 * bench.seconds)
    report["foreign_cpu"] = 0.0  # the flood is foreign, and meant
    bench.looked(report)
    return report


def storm(bench: Bench) -> None:
    """Everybody comes back, and asks for what they missed, after a kill amid posts."""
    if bench.tools.load is None:
        bench.note("not measured: it needs the generator in C")
        return
    count = bench.either(1_000, 5_000)
    spheres = count // SPHERE
    span = bench.figure(f"{count} clients back after a restart", "s", STORM)
    cost = bench.figure("CPU per client that comes back", "us")
    with bench.place() as place:
        bench.say(f"preparing {spheres} x {SPHERE}")
        there = town.build(Path(place), spheres=spheres, members=SPHERE)
        file = bench.folder / "storm.plan"
        plan.write(file, plan.people(there, posters=1, resume=True), "cloison.v1.msgpack")
        with cloison(there.folder) as server, loading(bench.tools, server, file) as load:
            load.open()
            killer = threading.Timer(2.0, server.kill)
            killer.start()  # while posts are under way
            load.rate(200, readers=SPHERE, warm=0.5, seconds=2)
            killer.join()
            port = server.port
            load.ask("idle", 0.1)
            with cloison(there.folder, port=port) as again:
                load.ask("server", again.pid)
                back = load.open(inflight=500)
                load.rate(200, readers=SPHERE, warm=0, seconds=1)
                bench.looked(back)
                span.add(back["seconds"])
                cost.add(back["server_cpu_s"] / count * 1e6)
                _judge(bench, load)
                stop(again.process)


def _judge(bench: Bench, load: Load) -> None:
    seen = load.ask("audit")
    lost = bench.figure("events that some client misses afterwards", "", Target(0))
    lost.add(seen["missing"] + seen["unfinished"])
    twice = bench.figure("events told twice to one client", "", Target(0))
    twice.add(seen["doubles"])
    bench.note(
        f"{seen['events']} events at {seen['connections']} clients compared;"
        f" {seen['overlaps']} came both live and in a page, which a client drops by seq"
    )
