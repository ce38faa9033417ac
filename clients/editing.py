"""Editing: a terminal where a line is edited at the bottom, and everything else painted above it.

Alone in importing prompt_toolkit, which is slow to load: only a person at a terminal pays for it.
Decides nothing about what is said. Invariant: nothing reaches the screen but safe text, and this
module's own order to clear it; what is typed is kept in memory only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from clients.safe_text import safe_line

#: Home, then the screen, then what scrolled off it: promise 13 says forget, not scroll away.
_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"


class EditingTerminal:
    """A line being edited, and the lines above it.

    ``settings`` go to the editor: tests give it a keyboard and a screen of theirs.
    """

    def __init__(self, **settings: Any) -> None:
        self._message = ""
        self._asked: Callable[[], str] = str
        self._status = ""
        self._editor: PromptSession[str] = PromptSession(
            message=lambda: self._message,
            # In memory: a file of everything somebody wrote would outlive their departure.
            history=InMemoryHistory(),
            # The line comes back as an event: once is enough.
            erase_when_done=True,
            enable_suspend=True,
            bottom_toolbar=lambda: self._status or None,
            **settings,
        )

    async def read(self, prompt: Callable[[], str]) -> str:
        """Return a line; Ctrl-C drops what is typed, Ctrl-D ends."""
        self._asked, self._message = prompt, prompt()
        try:
            # Its own handler of unhandled errors would wait for a key with the loop stopped.
            return await self._editor.prompt_async(set_exception_handler=False)
        except KeyboardInterrupt:
            self.write(["-- Dropped; Ctrl-D or /quit to go away --"])
            return ""

    def write(self, lines: Iterable[str]) -> None:
        """Paint lines above the line being edited."""
        sys.stdout.write(_safe(lines))

    def repaint(self, lines: Iterable[str]) -> None:
        """Clear the screen and what scrolled off it, then paint."""
        sys.stdout.write(_CLEAR + (_safe(lines) or "\n"))

    def refresh(self) -> None:
        """Show the present prompt, unless a line was begun under the old one, or is over."""
        editing = self._editor.app.is_running and not self._editor.app.is_done
        if editing and not self._editor.default_buffer.text:
            self._message = self._asked()
            self._editor.app.invalidate()

    def on_change(self, typed: Callable[[str], None]) -> None:
        """Call ``typed`` with what is typed, at each key."""
        self._editor.default_buffer.on_text_changed += lambda buffer: typed(buffer.text)

    def status(self, words: str) -> None:
        """Show a few words below the line."""
        self._status = safe_line(words)
        if self._editor.app.is_running:
            self._editor.app.invalidate()

    def forget_typed(self) -> None:
        """Begin another history."""
        self._editor.history = InMemoryHistory()
        self._editor.default_buffer.history = self._editor.history


@contextmanager
def editing() -> Iterator[EditingTerminal]:
    """Provide the terminal of this process."""
    # Raw, so that clearing the screen keeps its turn among the lines; these are safe already.
    with patch_stdout(raw=True):
        yield EditingTerminal()


def _safe(lines: Iterable[str]) -> str:
    return "".join(f"{safe_line(line)}\n" for line in lines)
