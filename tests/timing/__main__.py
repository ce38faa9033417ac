"""The command: ask, and print a verdict for each pair of questions.

Exit codes: 0 nothing is told apart; 1 something is.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.timing.questions import file, invisible, sign_in
from tests.timing.samples import CONFIDENCE

QUESTIONS = {"sign-in": sign_in, "invisible": invisible, "file": file}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.timing")
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--rounds", type=int, default=2_000, help="of two requests each")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    chosen = parser.parse_args(arguments)
    told_apart = []
    print(f"{chosen.rounds} rounds, seed {chosen.seed}; medians in microseconds")
    with tempfile.TemporaryDirectory() as folder:
        for name, found in QUESTIONS[chosen.question](
            Path(folder), chosen.rounds, random.Random(chosen.seed)
        ):
            word = "TOLD APART" if found.distinguishes else "alike"
            print(
                f"{name:18} {found.one_us:9.1f} {found.other_us:9.1f}  difference"
                f" {found.low_us:+8.1f} to {found.high_us:+8.1f}  {word}",
                flush=True,
            )
            told_apart += [name] if found.distinguishes else []
    verdict = "told apart: " + ", ".join(told_apart) if told_apart else "nothing is told apart"
    print(f"At {CONFIDENCE:.1%} confidence, {verdict}.")
    return 1 if told_apart else 0


if __name__ == "__main__":
    sys.exit(main())
