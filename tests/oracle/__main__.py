"""Run the oracle long: ``python -m tests.oracle --steps 100000 [--seed N] [--crash]``."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time

from tests.oracle.marathon import Verdict, run

#: Steps between two lines of progress.
PROGRESS_EVERY = 5_000


def main() -> int:
    """Walk, print the seed, the progress and the verdict; return the exit code."""
    asked = _asked()
    print(f"seed {asked.seed}: {asked.steps} steps", flush=True)
    began = time.perf_counter()
    said = 0

    def report(steps: int, seed: str) -> None:
        nonlocal said
        if steps - said >= PROGRESS_EVERY:
            said = steps
            pace = steps / (time.perf_counter() - began)
            print(f"{steps:8} steps, {pace:.0f} a second; world {seed}", flush=True)

    verdict = asyncio.run(
        run(asked.seed, asked.steps, fast_links=not asked.plain, crash=asked.crash, report=report)
    )
    _say(verdict, asked, time.perf_counter() - began)
    return 0 if verdict.holds else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", default=str(secrets.randbelow(10**9)), help="as N, or N:world")
    parser.add_argument("--plain", action="store_true", help="over plain ASGI, not prepared frames")
    parser.add_argument("--crash", action="store_true", help="kill the server now and then")
    parser.add_argument("--counts", action="store_true", help="print what was tried, and answered")
    return parser.parse_args()


def _say(verdict: Verdict, asked: argparse.Namespace, seconds: float) -> None:
    if asked.counts:
        for name, count in sorted(verdict.counts.items()):
            print(f"{count:8} {name}")
    if verdict.holds:
        print(f"{verdict.steps} steps in {seconds:.0f} s: no deviation")
        return
    print("\n".join(verdict.trace))
    print(f"DEVIATION at step {verdict.steps}: {verdict.deviation}")
    how = "".join(f" --{name}" for name in ("crash", "plain") if getattr(asked, name))
    print(f"again: python -m tests.oracle --seed {verdict.seed} --steps {asked.steps}{how}")


if __name__ == "__main__":
    sys.exit(main())
