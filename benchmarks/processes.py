"""Processes: the server under test and its floors on one core, whatever loads them on another.

Decides how a process is started, pinned, looked at and ended. Invariant: every process started here
is ended here, by its own handle, however the run ends.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 30.0  #: for a process to start, and to end when told
SERVER_CORE, LOAD_CORE = 0, 1

#: The server's own bounds on one peer do not apply to a machine full of peers.
LOOSE = {
    "CLOISON_CONNECTIONS_MAX": "40000",
    "CLOISON_CONNECTIONS_PER_ADDRESS_MAX": "40000",
    "CLOISON_POSTS_PER_SECOND": "1000000",
    "CLOISON_POSTS_PENDING_MAX": "4096",
    "CLOISON_LOG_LEVEL": "warning",
}


@dataclass(slots=True)
class Running:
    """A process that serves on a port of this machine."""

    process: subprocess.Popen[str]
    port: int
    starting_s: float

    @property
    def pid(self) -> int:
        """Return its number."""
        return self.process.pid

    @property
    def resident_kb(self) -> int:
        """Return its resident memory, or 0 where the system does not tell."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) if found else 0

    @property
    def processor_s(self) -> float:
        """Return the processor time that it has used, or 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(PATIENCE_S)


def cores() -> int:
    """Return how many cores there are to pin to."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def pin(pid: int, core: int | None) -> None:
    """Keep a process that has just started on one core, where there is more than one."""
    if core is not None and cores() > 1:
        os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[core]})


def spawn(
    command: Sequence[str],
    *,
    core: int | None,
    environment: Mapping[str, str] | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stderr: IO[str] | None = None,
) -> subprocess.Popen[str]:
    """Start a process on a core; ``core`` None leaves it to the system."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    pin(process.pid, core)
    return process


@contextmanager
def serving(
    command: Sequence[str],
    ready: str,
    *,
    core: int | None = SERVER_CORE,
    environment: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[Running]:
    """Run a server until the block ends; ``ready`` is the line by which it says that it serves."""
    with TemporaryFile("w+") as complaints:
        began = time.perf_counter()
        process = spawn(command, core=core, environment=environment, stderr=complaints)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(ready, line)
            if found is None:
                complaints.seek(0)
                raise RuntimeError(f"{command[0]} did not start: {line}{complaints.read()}")
            port = int(found[1]) if found.groups() else port
            yield Running(process, port, time.perf_counter() - began)
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process: politely, then not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


@contextmanager
def cloison(
    folder: Path, *, core: int | None = SERVER_CORE, **settings: object
) -> Iterator[Running]:
    """Run the server of this checkout on a folder that is prepared."""
    chosen = {f"CLOISON_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**LOOSE, "CLOISON_DATA_DIR": str(folder), "CLOISON_PORT": "0", **chosen}
    command = [sys.executable, "-m", "server", "serve"]
    with serving(command, r"serves on http://.*:(\d+)", core=core, environment=environment) as it:
        yield it
