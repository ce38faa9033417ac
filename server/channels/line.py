"""Line: what an endpoint with a long request or answer may ask of its HTTP connection.

ASGI has no word for it: it comes in ``scope["extensions"]`` where the server is ours, and a stand-
in does what can be done without. Decides nothing. Invariant: after ``abort`` no byte that was
handed over and is not sent yet leaves, where the server is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

#: The name of the extension: ``{"line": Line}``.
LINE: Final = "cloison.line"


class Line(Protocol):
    """An HTTP connection."""

    @property
    def lost(self) -> bool:
        """Say whether nobody is there any more."""
        ...

    def outlast(self) -> None:
        """Let the request take longer than others."""
        ...

    def abort(self) -> None:
        """Cut the connection, and drop what is not sent."""
        ...


class PlainLine:
    """Under a server that is not ours: the answer is left unfinished, and the server hangs up."""

    lost = False

    def outlast(self) -> None:
        """Do nothing: how long a request may take is the server's own affair."""

    def abort(self) -> None:
        """Do nothing: what is handed over is handed over."""


def line_of(scope: Mapping[str, Any]) -> Line:
    """Return the connection of a request."""
    extension = scope.get("extensions", {}).get(LINE)
    line: Line = PlainLine() if extension is None else extension["line"]
    return line
