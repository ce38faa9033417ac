"""The rules of the house that no linter knows, read off the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.channels.broker_redis import NodeLimits
from server.channels.listening import HubLimits
from server.channels.outcome import Limits
from server.channels.writer import WriterLimits
from server.gateway.link import LinkLimits
from server.gateway.services import ReaderLimits
from server.gateway.speaker import ConnectionLimits
from server.parts import Parts
from server.settings import Settings

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for top in ("server", "storage") for path in (ROOT / top).rglob("*.py"))
LINES_MAX = 40
#: Functions longer than a screen, each with its reason. The fewer the better.
LONG = {
    "upgrade": "a migration is one list of tables, written by Alembic",
}
SPELT_BADLY = re.compile(r"(^|_)(utils?|helpers?|manager|base|misc|common)(_|$)")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_opens_by_saying_what_it_decides(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text("utf-8")))

    assert said
    assert said.splitlines()[0].endswith((".", ":"))


def test_a_function_fits_on_a_screen() -> None:
    long = {
        f"{_name(path)}:{one.name}": one.end_lineno - one.lineno + 1
        for path in MODULES
        for one in _functions(path)
        if one.end_lineno is not None
        and one.end_lineno - one.lineno >= LINES_MAX
        and one.name not in LONG
    }

    assert long == {}


def test_every_exception_to_the_length_is_still_one() -> None:
    long = {
        one.name
        for path in MODULES
        for one in _functions(path)
        if (one.end_lineno or 0) - one.lineno >= LINES_MAX
    }

    assert set(LONG) <= long


def test_modules_are_named_by_what_they_hold() -> None:
    assert [_name(path) for path in MODULES if SPELT_BADLY.search(path.stem)] == []


def test_whatever_is_silenced_says_why() -> None:
    silent = [
        f"{_name(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if re.search(r"#\s*(noqa|type:\s*ignore)", line)
        and not re.search(r"#\s*noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*( #| -|  #) *\S+ \S+", line)
        and not re.search(r"#\s*type: ignore\[[\w, -]+\]  # \S+ \S+", line)
    ]

    assert silent == []


def test_nothing_is_left_to_be_done() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|pytest\.mark\.(skip|xfail)|pytest\.skip\(")
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]

    assert [
        _name(path) for path in [*MODULES, *tests] if marks.search(path.read_text("utf-8"))
    ] == []


# -- settings


def _asked() -> set[str]:
    """Return every attribute that the server's code asks of its settings."""
    found = set()
    for path in (one for one in MODULES if one.name != "settings.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings"):
                found.add(node.attr)
    return found


def test_every_setting_reaches_a_part() -> None:
    by_name = {
        name
        for kind in (
            Limits,
            WriterLimits,
            HubLimits,
            ConnectionLimits,
            LinkLimits,
            NodeLimits,
            ReaderLimits,
        )
        for name in kind.__struct_fields__
    }
    derived = {"url": {"data_dir", "database_url"}, "keys_path": {"data_dir", "keys_dir"}}
    asked = _asked() | by_name
    for name, sources in derived.items():
        if name in asked:
            asked |= sources

    assert Settings.model_fields.keys() - asked == set()
    assert Parts.__struct_fields__


def test_every_setting_has_its_reason() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_every_bound_is_bounded_itself() -> None:
    for name, field in Settings.model_fields.items():
        if name.endswith(("_max", "_s", "_high", "_burst", "_per_second", "_kib")):
            kinds = {type(mark).__name__ for mark in field.metadata}
            assert {"Ge", "Le"} <= kinds, name


# -- promises


PROMISES = sorted((ROOT / "tests/promises").glob("test_*.py"))


def test_each_promise_that_is_kept_has_a_file_named_after_it() -> None:
    numbers = {path.name[5:7] for path in PROMISES}

    assert all(re.fullmatch(r"test_\d\d_[a-z_]+\.py", path.name) for path in PROMISES)
    assert {"00", "01", "02", "03", "05", "06", "10", "11", "13", "15"} <= numbers


@pytest.mark.parametrize("path", PROMISES, ids=_name)
def test_a_file_of_promises_says_which_one_it_keeps(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    number = int(path.name[5:7])

    assert said is not None
    assert number == 0 or re.match(rf"Promises? {number}\b", said)
