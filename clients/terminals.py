"""Terminals: where a conversation is typed and painted.

Chooses the best that there is, and offers the plainest: lines in, lines out. Decides nothing about
what is said. Invariant: nothing reaches the screen but safe text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from clients.conversation import Terminal
from clients.lines import Lines
from clients.safe_text import safe_line

#: What TERM says of a terminal that cannot move its cursor.
_INCAPABLE: Final = frozenset({"", "dumb", "unknown"})


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Provide the best terminal that standard input, standard output and libraries allow."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "") in _INCAPABLE:
        yield PlainTerminal(sys.stdin.fileno(), sys.stdout, sys.stderr)
        return
    try:
        from clients.editing import editing  # noqa: PLC0415 - slow to import, and optional
    except ImportError:
        yield PlainTerminal(sys.stdin.fileno(), sys.stdout, sys.stderr)
        return
    with editing() as screen:
        yield screen


class PlainTerminal:
    """Lines in, lines out: for a terminal that cannot be painted."""

    def __init__(self, descriptor: int, out: TextIO, err: TextIO) -> None:
        self._lines = Lines(descriptor)
        self._out = out
        self._err = err
        self._message = ""

    async def read(self, prompt: Callable[[], str]) -> str:
        """Return a line. Raises EOFError."""
        self._message = prompt()
        self._ask()
        line = await self._lines.next()
        self._message = ""
        if line is None:
            raise EOFError
        return line

    def write(self, lines: Iterable[str]) -> None:
        """Print lines; the prompt, if there is one, is asked again below them."""
        if self._message:
            self._err.write("\n")
            self._err.flush()
        self._out.write("".join(f"{safe_line(line)}\n" for line in lines))
        self._out.flush()
        self._ask()

    def repaint(self, _lines: Iterable[str]) -> None:
        """Say what cannot be done: paper does not forget."""
        self.write(["-- Something above is erased: this screen cannot forget it, clear it --"])

    def refresh(self) -> None:
        """Leave the prompt: it cannot be repainted, and a line may have been begun."""

    def forget_typed(self) -> None:
        """Do nothing: there is no key to have a line back."""

    def on_change(self, _typed: Callable[[str], None]) -> None:
        """Do nothing: a line is seen when it is whole."""

    def status(self, _words: str) -> None:
        """Do nothing: paper has no place that changes."""

    def _ask(self) -> None:
        self._err.write(safe_line(self._message))
        self._err.flush()
