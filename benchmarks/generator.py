"""Generator: the process that loads a server, driven line by line.

Compiles ``load.c`` and ``floor.c`` when there is a C compiler; without one the generator is
``python_load.py``, which speaks the same lines but cannot saturate the server; no floor then.
Invariant: nothing that is compiled stays on this machine after the run.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.processes import LOAD_CORE, Running, serving, spawn, stop

HERE = Path(__file__).resolve().parent
PATIENCE_S = 180.0  #: for the compiler

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tools:
    """What was compiled; None where there is no compiler, or it does not know this system."""

    load: Path | None
    floor: Path | None

    @classmethod
    def made(cls, folder: Path) -> Self:
        """Compile into ``folder``, which the caller removes."""
        return cls(_compiled("load", folder), _compiled("floor", folder))


def _compiled(name: str, folder: Path) -> Path | None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    program = folder / name
    done = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(HERE / f"{name}.c")],
        check=False,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    return program if done.returncode == 0 else None


class Load:
    """A load generator on its own core: each method is one command, and returns its report."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        greeting = self._hear()
        self.connections: int = greeting["connections"]
        self.posters: int = greeting["posters"]

    def ask(self, *words: object) -> Report:
        """Give one command; return its report. Raises RuntimeError when it cannot be obeyed."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def open(self, start: int = 0, count: int | None = None, *, inflight: int = 64) -> Report:
        """Open connections and run their steps. Raises RuntimeError when some are not served."""
        count = self.connections - start if count is None else count
        report = self.ask("open", start, count, inflight)
        if report["ready"] != count:
            raise RuntimeError(f"{report['ready']} of {count} connections were served: {report}")
        return report

    def saturate(
        self, *, window: int, readers: int, acks: bool = True, warm: float, seconds: float
    ) -> Report:
        """Keep ``window`` posts of each poster outstanding."""
        return _per_second(self.ask("saturate", window, readers, int(acks), warm, seconds))

    def rate(self, posts: float, *, readers: int, warm: float, seconds: float) -> Report:
        """Post at a fixed rate, whatever becomes of the posts."""
        return _per_second(self.ask("rate", posts, readers, warm, seconds))

    def _hear(self) -> Report:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        report: Report = json.loads(line) if line else {"error": "the generator ended"}
        if "error" in report:
            raise RuntimeError(f"load: {report['error']}")
        return report


def _per_second(report: Report) -> Report:
    for name in ("posts", "acks", "deliveries"):
        report[f"{name}_s"] = report[name] / report["seconds"]
    return report


@contextmanager
def loading(tools: Tools, server: Running, plan: Path) -> Iterator[Load]:
    """Run a load generator against a server until the block ends."""
    program = [str(tools.load)] if tools.load else [sys.executable, "-m", "benchmarks.python_load"]
    command = [*program, "127.0.0.1", str(server.port), str(plan), str(server.pid)]
    process = spawn(command, core=LOAD_CORE, stdin=subprocess.PIPE)
    try:
        yield Load(process)
    finally:
        stop(process)


@contextmanager
def flooring(tools: Tools, *, coalescing: bool = False) -> Iterator[Running | None]:
    """Run the floor until the block ends; None without a compiler."""
    if tools.floor is None:
        yield None
        return
    port = free_port()
    command = [str(tools.floor), *(["-b"] if coalescing else []), str(port)]
    with serving(command, re.escape("ready"), port=port) as floor:
        yield floor


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
