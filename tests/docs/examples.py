"""Examples: the fenced blocks of protocol.md, by the words behind their fences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\S*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(msgspec.Struct, frozen=True):
    """A fenced block: its language, what speaks in it, and its text."""

    language: str
    speaker: str
    text: str

    def values(self) -> list[Any]:
        """Return the JSON values that stand one behind the other in the block."""
        return [json.loads(source) for source in self.sources()]

    def sources(self) -> list[bytes]:
        """Return the text of each JSON value in the block, as it stands."""
        return list(_split(self.text))


def protocol() -> str:
    """Return protocol.md."""
    return (ROOT / "protocol.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """Return the section of ``text`` under a heading of the second level."""
    _, _, rest = text.partition(f"\n## {title}\n")
    assert rest, f"there is no section {title!r}"
    return re.split(r"^##? ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of ``text``, in order."""
    return [Block(*found) for found in _FENCE.findall(text)]


def _split(text: str) -> Iterator[bytes]:
    decoder = json.JSONDecoder()
    at = 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        _, end = decoder.raw_decode(text, at)
        yield text[at:end].encode()
        at = end
