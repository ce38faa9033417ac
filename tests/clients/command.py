"""Command: the client as people run it, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.tokens import Identity, Stored, Tokens
from tests.clients.furnished import Furnished
from tests.house import Resident
from tests.people import PATIENCE_S

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "clients" / "cli_client.py"
#: No session of a test outlives the century.
LATE = 4_000_000_000_000


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return standard output as objects."""
        return [json.loads(line) for line in self.out.splitlines()]


class Desk:
    """A person at a shell: their environment, and a folder for what the client remembers."""

    def __init__(self, url: str, folder: Path, **environ: str) -> None:
        self.url = url
        self.folder = folder
        # Alone: nothing of whoever runs the tests, and no terminal of theirs to ask on.
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "CLOISON_SERVER": url,
            "PYTHONWARNINGS": "error",
            **environ,
        }

    @property
    def tokens(self) -> Tokens:
        """Return what the client remembers."""
        return Tokens(self.folder / "state" / "cloison")

    async def run(self, *arguments: str, stdin: str | bytes = b"") -> Ran:
        """Run a command to its end."""
        async with self.started(*arguments) as process:
            data = stdin.encode() if isinstance(stdin, str) else stdin
            out, err = await asyncio.wait_for(process.communicate(data), 3 * PATIENCE_S)
            assert process.returncode is not None
            return Ran(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def started(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a command, and end it with the block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(SCRIPT), *arguments,
            env=self.environ, cwd=self.folder, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def desk(furnished: Furnished, resident: Resident, folder: Path) -> Desk:
    """Return the desk of somebody who is signed in."""
    house = furnished.house
    made = Desk(house.url, folder / resident.member.name)
    made.folder.mkdir()
    identity = Identity(house.url, "acme", resident.address)
    made.tokens.save(Stored(identity, await house.token(resident), LATE))
    return made
