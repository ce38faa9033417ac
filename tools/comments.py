"""Comments: what the ``#:`` comments of a module say, by the name that they stand beside.

Reads source text and nothing else. Invariant: a comment belongs to the assignment on whose line it
ends, or else to the one that follows it at once; any other comment is nobody's.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType

_MARK = "#:"
_Assignment = ast.Assign | ast.AnnAssign
Comments = dict[str, str]


def comments_of(module: ModuleType) -> Comments:
    """Return the comments of a module, by ``NAME`` or ``Class.name``."""
    return comments_in(inspect.getsource(module))


def comments_in(source: str) -> Comments:
    """Return the comments in ``source``, by ``NAME`` or ``Class.name``."""
    lines = source.splitlines()
    found: Comments = {}
    for name, node in _assignments(ast.parse(source)):
        text = _beside(lines, node) or _above(lines, node)
        if text:
            found[name] = text
    return found


def _assignments(tree: ast.Module) -> Iterator[tuple[str, _Assignment]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                yield from ((f"{node.name}.{name}", one) for name, one in _assignment(inner))
        else:
            yield from _assignment(node)


def _assignment(node: ast.stmt) -> Iterator[tuple[str, _Assignment]]:
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return
    yield from ((target.id, node) for target in targets if isinstance(target, ast.Name))


def _beside(lines: list[str], node: _Assignment) -> str:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    # Columns are counted in bytes of UTF-8.
    rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode().strip()
    return rest.removeprefix(_MARK).strip() if rest.startswith(_MARK) else ""


def _above(lines: list[str], node: _Assignment) -> str:
    taken: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith(_MARK):
            break
        taken.append(line.strip().removeprefix(_MARK).strip())
    return " ".join(reversed(taken))
