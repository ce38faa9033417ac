"""The documents name files, settings and promises that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.settings import Settings
from server.sources import NOT_OURS, SUFFIX, variable
from tests.docs.examples import ROOT, section
from tests.docs.test_links import files, pages

_FILE = re.compile(r"`(?:[\w./]*/)?(\w+\.py)`")
_VARIABLE = re.compile(r"\bCLOISON_[A-Z0-9_]+")
RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def ids(page: Path) -> str:
    """Name a page in the report."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages(), ids=ids)
def test_every_module_that_a_document_names_exists(page: Path) -> None:
    names = {path.name for path in files() if path.suffix == ".py"}

    assert set(_FILE.findall(page.read_text(encoding="utf-8"))) <= names


@pytest.mark.parametrize("page", pages(), ids=ids)
def test_every_variable_that_a_document_names_is_read(page: Path) -> None:
    settings = {variable(Settings, name) for name in Settings.model_fields}
    read = settings | {name + SUFFIX for name in settings} | NOT_OURS

    assert set(_VARIABLE.findall(page.read_text(encoding="utf-8"))) <= read


def test_the_architecture_says_where_each_promise_is_enforced() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) ", section(text, "Where each promise is enforced"), re.MULTILINE)

    assert [int(row) for row in rows] == list(range(1, 16))


def test_the_decision_records_are_numbered_without_a_gap() -> None:
    numbers = [int(record.name[:4]) for record in RECORDS]

    assert numbers == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_decision_record_says_what_was_decided_why_and_what_was_measured(record: Path) -> None:
    text = record.read_text(encoding="utf-8")

    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)

    assert text.startswith(f"# {record.name[:4]}: ")
    assert headings == ["Context", "Decision", "Consequences", "Measured"]
