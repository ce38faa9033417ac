"""Durable: what it costs to store a post before it is acknowledged.

Measures one post at a time, beside one bare commit of SQLite, and as many as the store takes.
Invariant: both write to the same disk, in the same folder, in turns.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import plan, town
from benchmarks.bench import Bench
from benchmarks.figures import Target
from benchmarks.processes import SERVER_CORE, cloison, spawn

PAUSE_US = 2_000  #: between two lone posts: nothing else is under way when one comes
LONE = Target(1.5, of_ratio=True)
SATURATED = Target(10_000, least=True)


def lone(bench: Bench) -> None:
    """One post at a time, in a sphere of two."""
    count = bench.either(150, 500)
    half = bench.figure("p50 from post to acknowledgement, and of a bare commit", "us", LONE)
    late = bench.figure("p99 from post to acknowledgement", "us")
    with bench.place() as place:
        there = town.build(Path(place), spheres=1, members=2)
        with (
            cloison(there.folder) as server,
            bench.load(server, plan.people(there, posters=1), floor=False) as load,
        ):
            load.open()
            load.ask("lone", 50, PAUSE_US)
            for _ in range(bench.runs):
                report = load.ask("lone", count, PAUSE_US)
                bench.looked(report)
                half.add(report["ack_p50_us"], bare_commit_us(there.folder, count))
                late.add(report["ack_p99_us"])


def bare_commit_us(folder: Path, count: int) -> float:
    """Return the median of so many bare commits, on the server's core."""
    command = [sys.executable, "-m", "benchmarks.commits", str(folder), str(count), str(PAUSE_US)]
    process = spawn(command, core=SERVER_CORE)
    printed, _ = process.communicate()
    return float(printed)


def saturated(bench: Bench) -> None:
    """Eight members, alone in eight spheres, 64 posts outstanding each."""
    posts = bench.figure("posts/s, 512 outstanding", "/s", SATURATED)
    cost = bench.figure("CPU per post", "us")
    late = bench.figure("p99 from post to acknowledgement", "us")
    with bench.place() as place:
        there = town.build(Path(place), spheres=8, members=1)
        with (
            cloison(there.folder) as server,
            bench.load(server, plan.people(there, posters=1), floor=False) as load,
        ):
            load.open()
            for _ in range(bench.runs):
                report = load.saturate(window=64, readers=1, warm=bench.warm, seconds=bench.seconds)
                bench.looked(report)
                posts.add(report["acks_s"])
                cost.add(report["server_cpu"] / report["acks_s"] * 1e6)
                late.add(report["ack_p99_us"])
