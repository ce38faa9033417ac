"""Progress: a bar on a terminal, and nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

_WIDTH = 40


def bar(stream: TextIO = sys.stderr) -> Callable[[int, int], None] | None:
    """Return what to call with how much is left, and of how much; None where nobody looks."""
    return _Bar(stream).moved if stream.isatty() else None


class _Bar:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def moved(self, left: int, total: int) -> None:
        done = 1.0 if not total else 1 - left / total
        filled = "█" * int(done * _WIDTH)
        self._stream.write(f"\r{filled:░<{_WIDTH}} {done:4.0%}{'' if left else chr(10)}")
        self._stream.flush()
