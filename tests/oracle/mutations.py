"""Mutations: break the server's rules one by one, and see the oracle notice.

``python -m tests.oracle.mutations [--jobs N] [words of one]``. Each mutant lives in a throw-away
copy of the sources, in a process of its own, with a bounded number of steps.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.oracle.mutants import MUTANTS, Mutant, Patch

ROOT = Path(__file__).parents[2]
SOURCES = ("server", "storage", "tests", "clients")
#: Steps in which a mutant must be noticed.
STEPS_MAX = 8_000
#: Steps of the walk where nothing is broken, which comes first.
CONTROL_STEPS = 2_000


class Stale(Exception):  # what it is
    """A mutant's text is not in the sources exactly once."""


def patched(mutant: Mutant, root: Path) -> dict[Path, str]:
    """Return the files of a mutant as they would be. Raises Stale."""
    found: dict[Path, str] = {}
    for patch in mutant.patches:
        path = _where(patch, root)
        text = found.get(path) or path.read_text("utf-8")
        if text.count(patch.old) != 1:
            raise Stale(
                f"{mutant.what}: {patch.file} holds {text.count(patch.old)} of {patch.old!r}"
            )
        found[path] = text.replace(patch.old, patch.new)
    return found


def _where(patch: Patch, root: Path) -> Path:
    """Return the file that holds a text: the one that is named, or where it was moved to."""
    named = root / patch.file
    if named.exists() and patch.old in named.read_text("utf-8"):
        return named
    every = [path for top in ("server", "storage") for path in (root / top).rglob("*.py")]
    holding = [path for path in every if patch.old in path.read_text("utf-8")]
    return holding[0] if len(holding) == 1 else named


async def hunt(mutant: Mutant, steps: int, seed: str) -> tuple[bool, str]:
    """Walk on a mutant; return whether it was noticed, and where."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in SOURCES:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("*.pyc"))
        shutil.copy(ROOT / "protocol.md", root)  # it says which features there are
        try:
            for path, text in patched(mutant, root).items():
                path.write_text(text, "utf-8")
        except Stale as stale:
            return False, f"out of date: {stale}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.oracle", "--steps", str(steps), "--seed", seed,
            cwd=root, env=os.environ | {"PYTHONPATH": folder},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await process.communicate())[0].decode()
    noticed = re.search(r"^DEVIATION at step (\d+): (.*)$", said, re.MULTILINE)
    if noticed is None:
        return False, said.strip().splitlines()[-1]
    return True, f"{noticed[1]:>6}  {noticed[2]}"


async def main() -> int:
    """Hunt every mutant (or those whose name holds a word), and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.mutations", description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS_MAX)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("only", nargs="?", default="")
    asked = parser.parse_args()
    chosen = [one for one in MUTANTS if asked.only in one.what]
    free = asyncio.Semaphore(asked.jobs)

    async def one(mutant: Mutant) -> bool:
        async with free:
            noticed, where = await hunt(mutant, asked.steps, asked.seed)
        mark = "noticed" if noticed else "MISSED "
        print(f"{mark}  {mutant.promise:>6}  {mutant.what:<60.60} {where[:120]}", flush=True)
        return noticed

    if (await hunt(Mutant("nothing", "", ()), min(asked.steps, CONTROL_STEPS), asked.seed))[0]:
        print("the oracle deviates where nothing is broken: its word means nothing")
        return 1
    found = await asyncio.gather(*map(one, chosen))
    print(f"{sum(found)} of {len(found)} mutants noticed")
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
