"""Landed: which commands protocol.md has, so that the model speaks the protocol that is there.

A feature changes frames of others when it comes (a field more in a view). Its rules may be written
before it is there, or after; until its commands are compared, its signals are left out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PROTOCOL = Path(__file__).parents[2] / "protocol.md"
#: What is true for a moment, comes when it likes, and is compared nowhere yet.
SIGNALS = frozenset({"presence", "typing", "read_shown"})


@cache
def landed(kind: str) -> bool:
    """Say whether protocol.md has a command, or an event, of this type."""
    return f"\n### `{kind}`\n" in _PROTOCOL.read_text("utf-8")
