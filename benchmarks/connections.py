"""Connections: to open one, to keep one asleep, to start the server that takes them.

Measures handshakes with the session's check beside plain Starlette's without, resident memory
before and after, and the time from command to service. Invariant: memory is counted once the
garbage of the handshakes could have been collected, and by the server's process alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import plan, town
from benchmarks.bench import Bench
from benchmarks.figures import Target
from benchmarks.generator import free_port
from benchmarks.processes import cloison, serving

HANDSHAKES = Target(2, least=True, of_ratio=True)
MEMORY = Target(3)
START = Target(1)
INFLIGHT = 64


def handshakes(bench: Bench) -> None:
    """Open connections as fast as they are taken: upgrade, hello, welcome."""
    count = bench.either(500, 2_000)
    fast = bench.figure("handshakes/s with session check, and plain Starlette's", "/s", HANDSHAKES)
    cost = bench.figure("CPU per handshake", "us")
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.echo", str(port)]
    with bench.place() as place:
        bench.say(f"preparing {count} sessions")
        there = town.build(Path(place), spheres=1, members=count, joined=False)
        mine = plan.people(there, posters=0, subscribe=False)
        theirs = [plan.Planned("/")] * count
        with (
            cloison(there.folder) as server,
            serving(command, "ready", port=port) as plainest,
            bench.load(server, mine, floor=False) as load,
            bench.load(plainest, theirs, floor=True) as other,
        ):
            for run in range(bench.runs + 1):
                a, b = load.open(inflight=INFLIGHT), other.open(inflight=INFLIGHT)
                load.ask("close", 0, count)
                other.ask("close", 0, count)
                load.ask("idle", 0.3)
                if run:  # the first warms both
                    bench.looked(a, b)
                    fast.add(count / a["seconds"], count / b["seconds"])
                    cost.add(a["server_cpu_s"] / count * 1e6, b["server_cpu_s"] / count * 1e6)


def memory(bench: Bench) -> None:
    """Idle, authenticated, subscribed to nothing."""
    count = bench.either(2_000, 10_000)
    size = bench.figure(f"memory per idle connection, at {count}", "KB", MEMORY)
    with bench.place() as place:
        bench.say(f"preparing {count} sessions")
        there = town.build(Path(place), spheres=1, members=count, joined=False)
        planned = plan.people(there, posters=0, subscribe=False)
        with cloison(there.folder) as server, bench.load(server, planned, floor=False) as load:
            load.open(0, 100)  # what is loaded lazily is loaded
            load.ask("idle", 0.5)
            before = server.resident_kb
            load.open(100, count - 100, inflight=INFLIGHT)
            load.ask("idle", 1.5)
            size.add((server.resident_kb - before) / (count - 100))
            rest = load.ask("idle", 3.0)
            bench.figure("CPU of all these connections idle", "of a core").add(rest["server_cpu"])


def start(bench: Bench) -> None:
    """From the command to the line that says that it serves, on a database that is there."""
    span = bench.figure("start to serving, warm", "s", START)
    cost = bench.figure("CPU until it serves", "s")
    with bench.place() as place:
        there = town.build(Path(place), spheres=1, members=10)
        for run in range(bench.runs + 1):
            with cloison(there.folder) as server:
                if run:
                    span.add(server.starting_s)
                    cost.add(server.processor_s)
