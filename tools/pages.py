"""Pages: documents whose second half is generated; the first half is written by people.

Invariant: what stands above the marker, and the marker itself, is never changed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

#: Below this line a page is generated, to its end.
MARKER = "<!-- Below this line: written by `make docs`. Change the code, not the text. -->"


class MarkerMissing(Exception):
    """The page does not say where its generated half begins."""


class Page(msgspec.Struct, frozen=True):
    """A document, and what renders its second half."""

    path: Path
    render: Callable[[], str]

    def fresh(self) -> str:
        """Return the document as it should be. Raises MarkerMissing."""
        return renewed(self.path.read_text(encoding="utf-8"), self.render())

    def is_stale(self) -> bool:
        """Say whether the document is not as it should be."""
        return self.path.read_text(encoding="utf-8") != self.fresh()

    def rewrite(self) -> None:
        """Bring the document up to date."""
        self.path.write_text(self.fresh(), encoding="utf-8")


def renewed(text: str, generated: str) -> str:
    """Return ``text`` with ``generated`` below its marker. Raises MarkerMissing."""
    above, found, _ = text.partition(MARKER)
    if not found:
        raise MarkerMissing(MARKER)
    return f"{above}{MARKER}\n\n{generated}\n"
