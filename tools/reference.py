"""Reference: write the generated halves of the documents, or check that they are up to date.

``python -m tools.reference`` rewrites what is stale; with ``--check`` it changes nothing, names
what is stale, and exits 1. Touches no file but the pages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import figures, variables, wire
from tools.markdown import prose
from tools.pages import Page

ROOT = Path(__file__).resolve().parent.parent


def pages(root: Path = ROOT) -> list[Page]:
    """Return the documents that have a generated half."""
    return [
        Page(root / "protocol.md", wire.reference),
        Page(root / "docs" / "settings.md", variables.settings),
        Page(root / "docs" / "metrics.md", figures.figures),
    ]


def stale(root: Path = ROOT) -> list[Page]:
    """Return the documents that do not say what the code says."""
    return [page for page in pages(root) if page.is_stale()]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.reference", description=prose(sys.modules[__name__])
    )
    parser.add_argument("--check", action="store_true", help="change nothing; fail when stale")
    check: bool = parser.parse_args(arguments).check
    found = stale(root)
    for page in found:
        name = page.path.relative_to(root).as_posix()
        if check:
            sys.stderr.write(f"{name} is stale: run `make docs`, and commit what it writes.\n")
        else:
            page.rewrite()
            sys.stdout.write(f"{name} is rewritten.\n")
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
