"""Process: the server as an operator runs it, in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests import engines
from tests.people import PATIENCE_S

ROOT = Path(__file__).parents[1]


class Running:
    """A server process that serves."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, said: list[str]) -> None:
        self.process = process
        self.url = url
        self.said = said  #: lines of its standard output so far
        self.command = (sys.executable, "-m", "server", "serve")

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def line(self, wanted: str) -> str:
        """Return the next line of standard output that holds ``wanted``."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.process.stdout.readline()).decode():
                self.said.append(line)
                if wanted in line:
                    return line
        raise AssertionError(f"the server never said {wanted!r}: {''.join(self.said)}")


@asynccontextmanager
async def process(folder: Path, *flags: str, **settings: str) -> AsyncIterator[Running]:
    """Run ``python -m server serve`` on a free port, on the database in ``folder``."""
    cheap = {"ARGON2_MEMORY_KIB": "19456", "ARGON2_TIME": "2", "ARGON2_LANES": "1"}
    chosen = {"PORT": "0", "DATA_DIR": str(folder), **cheap, **settings}
    chosen |= {name.upper(): value for name, value in engines.settings(folder).items()}
    environment = os.environ | {f"CLOISON_{name}": value for name, value in chosen.items()}
    with (folder / "stderr.log").open("ab") as log:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "serve", *flags,
            cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    running = Running(started, "", [])
    try:
        line = await running.line("serves on")
        running.url = re.findall(r"https?://\S+", line)[0]
        yield running
    finally:
        await running.stop(signal.SIGKILL)
        # Read to the end, so that the pipe's transport closes with the process.
        assert started.stdout is not None
        await started.stdout.read()
