"""Markdown: tables and prose, as text. Knows nothing of what it is asked to show."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars inside a cell are escaped."""
    lines = [_row(heads), _row(["---"] * len(heads))]
    return "\n".join([*lines, *(_row([_cell(text) for text in row]) for row in rows)])


def prose(documented: object) -> str:
    """Return the docstring of ``documented``, its double backticks as Markdown's single ones."""
    return (inspect.getdoc(documented) or "").replace("``", "`")


def line(documented: object) -> str:
    """Return the docstring of ``documented`` as one line."""
    return " ".join(prose(documented).split())


def code(text: object) -> str:
    """Return ``text`` as code."""
    return f"`{text}`"


def join(blocks: Iterable[str]) -> str:
    """Return blocks with an empty line between each; empty blocks are left out."""
    return "\n\n".join(block for block in blocks if block)


def number(value: float) -> str:
    """Return a number as people read it: thousands apart, no idle decimals."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
