"""Run the benchmarks: ``python -m benchmarks [--quick] [--only NAME]``; see ``--help``.

Decides which scenarios run, in which order, and what is printed. Invariant: what was not measured
is said as clearly as what was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import connections, durable, fanout, plot, trouble
from benchmarks.bench import Bench
from benchmarks.figures import table
from benchmarks.generator import Tools
from benchmarks.processes import cores

SCENARIOS: dict[str, Callable[[Bench], None]] = {
    "start": connections.start,
    "fanout-100": fanout.small,
    "fanout-1000": fanout.large,
    "rooms": fanout.rooms,
    "lone": durable.lone,
    "durable": durable.saturated,
    "handshakes": connections.handshakes,
    "memory": connections.memory,
    "storm": trouble.storm,
    "stuck": trouble.stuck,
    "flood": trouble.flood,
    "plain": fanout.plain,
}
QUICK = ("fanout-100", "rooms", "lone", "durable", "handshakes", "memory")

NOT_MEASURED = (
    "PostgreSQL (docs/adr/0017), and what goes through Redis (`python -m benchmarks.nodes`).",
    "Receiving posts without storing them: no command does that.",
    "Other servers: their figures, of another machine, are in docs/performance.md.",
    "TLS, compression, real networks, more than one core of server.",
)


def main() -> int:
    """Run what was asked for; print the table."""
    asked = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every block is left
    names = asked.only or (QUICK if asked.quick else tuple(SCENARIOS))
    began = time.perf_counter()
    with TemporaryDirectory(dir=asked.folder) as folder:
        _keep_bytecode(Path(folder) / "bytecode")
        bench = Bench(Tools.made(Path(folder)), Path(folder), asked.quick)
        for name in names:
            bench.scenario = name
            bench.say((SCENARIOS[name].__doc__ or "").strip())
            SCENARIOS[name](bench)
    _print(bench, names, time.perf_counter() - began)
    if asked.json:
        asked.json.write_text(_as_json(bench))
    if asked.plot:
        asked.plot.write_text(plot.svg(bench.figures))
    return 0


def _keep_bytecode(folder: Path) -> None:
    """Let servers start from compiled modules, as they do anywhere but where that is forbidden."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="Measure a server of this checkout beside its floors."
    )
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer, smaller, once")
    parser.add_argument(
        "--only", action="append", choices=SCENARIOS, help="this scenario (may be repeated)"
    )
    parser.add_argument("--json", type=Path, help="file for the raw numbers")
    parser.add_argument("--plot", type=Path, help="file for a drawing of the ratios (SVG)")
    parser.add_argument(
        "--folder", type=Path, help="where the databases are made (its disk counts)"
    )
    return parser


def _print(bench: Bench, names: tuple[str, ...] | list[str], seconds: float) -> None:
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" {platform.machine()}, {cores()} cores; server on one, load on another."
    )
    print(f"Medians of {bench.runs} runs, in {seconds:.0f} s. Floor: C, one send per delivery.\n")
    print(table(bench.figures))
    print()
    for note in dict.fromkeys(bench.notes):
        print(f"  {note}")
    if bench.tools.load is None:
        print("  No C compiler: the generator was Python's, which is the bottleneck; no floor.")
    if bench.noisy:
        print(
            f"  Others used {bench.others:.1f} cores meanwhile: trust CPU figures, then ratios, and"
            " no seconds."
        )
    if cores() < 2:
        print("  One core only: server and load shared it.")
    skipped = [name for name in SCENARIOS if name not in names]
    if skipped:
        print(f"  Not run: {', '.join(skipped)}.")
    for words in NOT_MEASURED:
        print(f"  Not measured: {words}")


def _as_json(bench: Bench) -> str:
    figures = [figure.as_json() for figure in bench.figures]
    about = {"python": sys.version, "sqlite": sqlite3.sqlite_version, "cores": cores()}
    return json.dumps(
        {"about": about, "figures": figures, "notes": bench.notes, "noisy": bench.noisy}, indent=1
    )


if __name__ == "__main__":
    sys.exit(main())
