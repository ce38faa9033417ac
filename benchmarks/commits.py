"""Commits: how long one bare SQLite commit takes here: the least that a durable post can cost.

    python -m benchmarks.commits FOLDER COUNT PAUSE_US

Prints the median in microseconds. One row of a post's size, write-ahead log, synchronous=FULL,
nothing else. Invariant: as many commits, as far apart, as the posts that are compared with them.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from pathlib import Path
from statistics import median


def main(folder: Path, count: int, pause_s: float) -> float:
    """Return the median of so many commits, in microseconds."""
    store = sqlite3.connect(folder / "commits.sqlite3", isolation_level=None)
    store.execute("PRAGMA journal_mode=wal")
    store.execute("PRAGMA synchronous=FULL")
    store.execute("CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, content BLOB)")
    spans = []
    for _ in range(count):
        began = time.perf_counter()
        store.execute("BEGIN IMMEDIATE")
        store.execute("INSERT INTO event (content) VALUES (?)", (b"x" * 320,))
        store.execute("COMMIT")
        spans.append((time.perf_counter() - began) * 1e6)
        time.sleep(pause_s)
    store.close()
    return median(spans)


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1e6))
