"""Blocks: Slack's Block Kit, as text.

Decides which kinds of block say something; those that ask something (buttons, inputs, menus) and
those that nobody here knows are dropped, for their answer could go nowhere. Of an image its
description is shown. Invariant: nothing here follows an address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from server.http.hooks.delivery import lines
from server.http.hooks.mrkdwn import link, rendered, unescaped

Block = Mapping[str, Any]


def render_blocks(blocks: Any) -> str:
    """Return blocks as lines of text; what is no block is dropped."""
    return lines(*(_rendered(block) for block in _objects(blocks)))


def _rendered(block: Block) -> str:
    render = _BLOCKS.get(str(block.get("type")))
    return "" if render is None else render(block)


def _objects(value: Any) -> list[Block]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _text(value: Any) -> str:
    """Return a text object, or a bare string, as text."""
    if not isinstance(value, dict):
        return rendered(_string(value))
    text = _string(value.get("text"))
    return unescaped(text) if value.get("type") == "plain_text" else rendered(text)


def _section(block: Block) -> str:
    fields = _objects(block.get("fields"))
    return lines(_text(block.get("text")), *(_text(field) for field in fields))


def _context(block: Block) -> str:
    said = (
        _text(element) or _string(element.get("alt_text"))
        for element in _objects(block.get("elements"))
    )
    return " · ".join(part for part in said if part)


def _titled(block: Block) -> str:
    """Render an image or a video: what it is called, or what it shows."""
    return lines(_text(block.get("title")), _text(block.get("description"))) or _string(
        block.get("alt_text")
    )


def _table(block: Block) -> str:
    rows = block.get("rows")
    return lines(
        *(
            " | ".join(_cell(cell) for cell in _objects(row))
            for row in (rows if isinstance(rows, list) else ())
        )
    )


def _cell(cell: Block) -> str:
    return _rendered(cell) if cell.get("type") == "rich_text" else _string(cell.get("text"))


# Rich text: a tree whose leaves are not escaped.


def _rich_text(block: Block) -> str:
    return lines(*(_rich(element).strip("\n") for element in _objects(block.get("elements"))))


def _rich(element: Block) -> str:
    kind = str(element.get("type"))
    if kind in _LEAVES:
        return _LEAVES[kind](element)
    parts = [_rich(one) for one in _objects(element.get("elements"))]
    if kind == "rich_text_list":
        return _listed(element, parts)
    said = "".join(parts)
    if kind == "rich_text_quote":
        return "\n".join(f"> {line}" for line in said.splitlines())
    return said


def _listed(element: Block, parts: list[str]) -> str:
    indent = element.get("indent")
    margin = "  " * min(indent, 8) if isinstance(indent, int) else ""
    ordered = element.get("style") == "ordered"
    return "\n".join(
        f"{margin}{f'{number}.' if ordered else '•'} {part}" for number, part in enumerate(parts, 1)
    )


def _emoji(element: Block) -> str:
    """Return the character, where its code points are given, or else the name between colons."""
    try:
        return "".join(chr(int(code, 16)) for code in _string(element.get("unicode")).split("-"))
    except (ValueError, OverflowError):
        return f":{_string(element.get('name'))}:"


_LEAVES: Final[Mapping[str, Callable[[Block], str]]] = {
    "text": lambda leaf: _string(leaf.get("text")),
    "link": lambda leaf: link(_string(leaf.get("url")), _string(leaf.get("text"))),
    "emoji": _emoji,
    "user": lambda leaf: f"@{_string(leaf.get('user_id'))}",
    "usergroup": lambda leaf: f"@{_string(leaf.get('usergroup_id'))}",
    "channel": lambda leaf: f"#{_string(leaf.get('channel_id'))}",
    "broadcast": lambda leaf: f"@{_string(leaf.get('range'))}",
    "date": lambda leaf: _string(leaf.get("fallback")),
    "color": lambda leaf: _string(leaf.get("value")),
}

_BLOCKS: Final[Mapping[str, Callable[[Block], str]]] = {
    "section": _section,
    "header": lambda block: _text(block.get("text")),
    "markdown": lambda block: _string(block.get("text")),
    "context": _context,
    "image": _titled,
    "video": _titled,
    "rich_text": _rich_text,
    "table": _table,
}
