"""The generated halves of the documents: what is rendered, and when they are stale."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from server.gateway.dispatch import READS, WRITES
from server.protocol.scalars import SphereId
from server.settings import Settings
from tools import reference, variables, wire
from tools.comments import comments_in
from tools.markdown import number, prose, table
from tools.pages import MARKER, MarkerMissing, Page, renewed
from tools.pairs import REPLIES
from tools.shapes import Field, bounds_of, fields_of, type_name


class Colour(enum.StrEnum):
    """A vocabulary for these tests."""

    RED = "red"


class Sample(msgspec.Struct, kw_only=True):
    """A struct for these tests."""

    sphere: SphereId
    names: list[str]
    limit: Annotated[int, Meta(ge=1, le=5_000)] = 100
    colour: Colour | None = None


def shelf(root: Path, text: str = "Above.\n") -> Path:
    """Lay out both documents below ``root``, up to date."""
    (root / "docs").mkdir()
    for page in reference.pages(root):
        page.path.write_text(f"{text}{MARKER}\n", encoding="utf-8")
        page.rewrite()
    return root


def test_the_committed_documents_are_up_to_date() -> None:
    stale = [page.path.name for page in reference.stale()]

    assert stale == [], "run `make docs`"


def test_a_stale_document_is_named_and_left_alone_by_a_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = shelf(tmp_path) / "protocol.md"
    stale = page.read_text(encoding="utf-8").replace("stale_destination", "stale_address")
    page.write_text(stale, encoding="utf-8")

    status = reference.main(["--check"], tmp_path)

    assert status == 1
    assert capsys.readouterr().err == (
        "protocol.md is stale: run `make docs`, and commit what it writes.\n"
    )
    assert page.read_text(encoding="utf-8") == stale


def test_a_stale_document_is_rewritten_below_its_marker_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = shelf(tmp_path, "Written by people.\n\n") / "docs" / "settings.md"
    fresh = page.read_text(encoding="utf-8")
    page.write_text(fresh + "more", encoding="utf-8")

    status = reference.main([], tmp_path)

    assert status == 0
    assert capsys.readouterr().out == "docs/settings.md is rewritten.\n"
    assert page.read_text(encoding="utf-8") == fresh
    assert fresh.startswith("Written by people.\n\n<!--")


def test_a_check_of_fresh_documents_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = reference.main(["--check"], shelf(tmp_path))

    assert (status, *capsys.readouterr()) == (0, "", "")


def test_a_page_without_its_marker_is_refused() -> None:
    with pytest.raises(MarkerMissing):
        renewed("no marker here", "generated")


def test_a_page_keeps_what_stands_above_its_marker(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"above\n{MARKER}\nbelow", encoding="utf-8")

    Page(path, lambda: "generated").rewrite()

    assert path.read_text(encoding="utf-8") == f"above\n{MARKER}\n\ngenerated\n"


def test_a_comment_belongs_to_what_it_stands_beside_or_above() -> None:
    source = (
        "#: two lines\n#: above\nA = 1\n"
        "# not one of ours\nB = 2\n"
        "class C:\n    d: int  #: beside «é»\n    e = f = 3\n"
    )

    assert comments_in(source) == {"A": "two lines above", "C.d": "beside «é»"}


def test_a_field_is_shown_with_its_type_bounds_and_presence() -> None:
    shown = fields_of(Sample, {"Sample.names": "of people"})

    assert shown == [
        Field(name="sphere", type="`SphereId`", presence="always", note=""),
        Field(name="names", type="list of string", presence="always", note="of people"),
        Field(
            name="limit",
            type="integer, 1 to 5,000",
            presence="optional; 100 when absent",
            note="",
        ),
        Field(name="colour", type="`Colour` or null", presence="optional", note=""),
    ]


def test_bounds_are_said_in_words() -> None:
    assert bounds_of(Annotated[str, Meta(pattern="^a+")]) == "matches `^a+`"
    assert bounds_of(Annotated[str, Meta(min_length=1, max_length=9)]) == "1 to 9 characters"
    assert bounds_of(Annotated[int, Meta(ge=0)]) == "at least 0"
    assert bounds_of(Annotated[int, Meta(le=9)]) == "at most 9"
    assert type_name(bool) == "boolean"


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert table(("a",), [("x|y\nz",)]) == "| a |\n| --- |\n| x\\|y z |"


def test_numbers_and_prose_are_written_for_people() -> None:
    class Documented:
        """Say ``this``."""

    assert (number(1_048_576), number(20.0), number(0.1)) == ("1,048,576", "20", "0.1")
    assert prose(Documented) == "Say `this`."


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_variable_and_its_reason(name: str) -> None:
    shown = variables.settings()
    reason = Settings.model_fields[name].description

    assert f"| `{name}` | `CLOISON_{name.upper()}` |" in shown
    assert reason
    assert reason in shown


def test_the_reference_is_the_same_each_time() -> None:
    assert wire.reference() == wire.reference()


def test_what_a_question_answers_is_what_the_reference_says() -> None:
    for command, answer in READS.items():
        assert answer.__annotations__["return"] == REPLIES[command].__name__


def test_every_command_that_the_dispatch_knows_is_in_the_reference() -> None:
    assert {*READS, *WRITES} <= set(REPLIES)
