"""Progress: a bar on a terminal, and nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

_WIDTH = 40


def bar(stream: TextIO | None = None) -> Callable[[int, int], None] | None:
    """Return what to call with how much is left, and of how much; None where nobody looks.

    It is drawn on standard error, unless another stream is named.
    """
    stream = stream or sys.stderr
    return _Bar(stream).moved if stream.isatty() else None


class _Bar:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = ""

    def moved(self, left: int, total: int) -> None:
        """Show how far it is, if that shows a difference."""
        done = 1.0 if not total else 1 - left / total
        filled = "█" * int(done * _WIDTH)
        shown = f"\r{filled:░<{_WIDTH}} {done:4.0%}{'' if left else chr(10)}"
        if shown != self._shown:
            self._shown = shown
            self._stream.write(shown)
            self._stream.flush()
