from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.safe_text import safe_line, safe_lines, safe_name

HARMLESS_FORMATS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", "<U+001B>[31mred"),
        ("\x9b31mred", "<U+009B>31mred"),
        ("\x1b]0;title\x07", "<U+001B>]0;title<U+0007>"),
        ("over\rwritten", "over<U+000D>written"),
        ("back\x08space", "back<U+0008>space"),
        ("\u202egnp.exe", "<U+202E>gnp.exe"),
        ("\u2066isolated\u2069", "<U+2066>isolated<U+2069>"),
        ("\u200fmark", "<U+200F>mark"),
        ("zero\u200bwidth", "zero<U+200B>width"),
        ("\ufeffbom", "<U+FEFF>bom"),
        ("half \ud800", "half <U+D800>"),
        ("line\u2028end", "line<U+2028>end"),
        ("nul\x00", "nul<U+0000>"),
        ("tag\U000e0041", "tag<U+E0041>"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(hostile: str, shown: str) -> None:
    assert safe_line(hostile) == shown


@pytest.mark.parametrize(
    "text", ["plain", "Ça va, Zoë?", "日本語", "שלום", "نص", "👩‍👩‍👧", "می‌خواهم", "café"]
)
def test_what_people_write_is_left_as_it_is(text: str) -> None:
    assert safe_line(text) == text


def test_marks_that_pile_up_are_thinned() -> None:
    assert safe_line("e" + "\u0301" * 500 + "f") == "e" + "\u0301" * 8 + "f"


def test_a_name_shows_even_the_joiners_that_would_make_it_look_like_another() -> None:
    assert safe_name("An\u200da") == "An<U+200D>a"


def test_a_name_is_never_empty() -> None:
    assert safe_name("") == "(no name)"


def test_every_kind_of_line_break_breaks_a_line_and_a_tab_is_spaces() -> None:
    assert safe_lines("a\nb\r\nc\u2028d\u2029e\tf") == ["a", "b", "c", "d", "e    f"]


@given(st.text(st.characters()))
def test_no_character_that_could_drive_a_terminal_gets_through(text: str) -> None:
    for line in [safe_line(text), safe_name(text), *safe_lines(text)]:
        for character in line:
            harmless = unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
            assert harmless or character in HARMLESS_FORMATS


@given(st.text(st.characters()))
def test_safe_text_is_left_as_it_is(text: str) -> None:
    assert safe_line(safe_line(text)) == safe_line(text)
