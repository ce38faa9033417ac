from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.domain.naming import ADDRESS_CHARS_MAX, check_address, check_name, check_reaction
from server.protocol.scalars import NAME_CHARS_MAX

#: Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt): what renders as nothing.
IGNORABLE = [
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]  # fmt: skip
#: Characters that steer direction, break lines, are not characters, or belong to no standard.
STEERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
BREAKING = "\n\r\t\v\f\x00\x1b\x7f\x85\u2028\u2029"

names = st.text(max_size=NAME_CHARS_MAX)


def _passes(name: str) -> str | None:
    try:
        return check_name(name)
    except errors.InvalidField:
        return None


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Design team", "Design team"),
        ("  Design   team ", "Design team"),
        ("Cafe\u0301", "Café"),
        ("設計\u3000チーム", "設計 チーム"),
        ("Équipe\u00a0n°\u202f3", "Équipe n° 3"),
        ("🦎 lizards", "🦎 lizards"),
        ("فريق التصميم", "فريق التصميم"),
    ],
)
def test_a_name_is_composed_and_its_spaces_are_single(typed: str, shown: str) -> None:
    assert check_name(typed) == shown


@pytest.mark.parametrize("name", ["", " ", "\u3000\u00a0 \u2003"])
def test_a_name_must_hold_something_that_shows(name: str) -> None:
    with pytest.raises(errors.InvalidField, match="something that shows"):
        check_name(name)


@pytest.mark.parametrize("character", STEERING + BREAKING + "\ud800\ue000\uffff\u2800")
def test_a_name_neither_steers_nor_breaks_nor_blanks(character: str) -> None:
    with pytest.raises(errors.InvalidField, match=f"U\\+{ord(character):04X}"):
        check_name(f"Design{character}team")


def test_no_character_that_unicode_calls_ignorable_hides_in_a_name() -> None:
    hidden = [
        f"U+{point:04X}"
        for first, last in IGNORABLE
        for point in range(first, last + 1)
        if _passes(f"Design team{chr(point)}") is not None
    ]

    assert hidden == []


def test_no_name_outgrows_the_wire_by_being_composed() -> None:
    outgrown = [
        f"U+{point:04X}"
        for point in range(sys.maxunicode + 1)
        if len(unicodedata.normalize("NFC", chr(point))) > 1
        and len(_passes(chr(point) * NAME_CHARS_MAX) or "") > NAME_CHARS_MAX
    ]

    assert outgrown == []


@given(names)
def test_a_checked_name_stays_as_it_is(name: str) -> None:
    shown = _passes(name)

    assert shown is None or check_name(shown) == shown


@given(names)
def test_a_name_that_passes_is_one_line_with_nothing_invisible(name: str) -> None:
    shown = _passes(name)

    if shown is not None:
        assert shown == shown.strip() != ""
        assert "  " not in shown
        assert not any(first <= ord(one) <= last for one in shown for first, last in IGNORABLE)
        assert shown.isprintable()


@given(names)
def test_two_spellings_of_one_name_come_out_alike(name: str) -> None:
    other = unicodedata.normalize("NFD", name)

    assert _passes(name) == _passes(other)


@pytest.mark.parametrize("name", ["\u0301", "\u0301\u0308 \u20dd"])
def test_marks_with_nothing_to_stand_on_are_no_name(name: str) -> None:
    with pytest.raises(errors.InvalidField, match="something that shows"):
        check_name(name)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ana@demo.example", "ana@demo.example"),
        ("  Ana@Demo.example\n", "Ana@Demo.example"),
        ("ana", "ana"),
        ("é@例え.jp", "é@例え.jp"),
        ("x" * ADDRESS_CHARS_MAX, "x" * ADDRESS_CHARS_MAX),
    ],
)
def test_an_address_is_kept_as_typed(typed: str, kept: str) -> None:
    assert check_address(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "  ",
        "ab",
        "x" * (ADDRESS_CHARS_MAX + 1),
        "ana @demo",
        "an\na@demo",
        "ana@\u202edemo",
        "ana@demo\u200b",
        "ana@\u00a0demo",
        "ana@demo\x00",
    ],
)
def test_an_address_is_one_word_that_shows_within_its_bounds(typed: str) -> None:
    with pytest.raises(errors.InvalidField, match="An address h"):
        check_address(typed)


@pytest.mark.parametrize(
    "reaction",
    ["👍", "❤️", "❤️‍🔥", "👩‍💻", "🏳️‍🌈", "1️⃣", "🇫🇷", "👍🏽", "thank you", "+1", "è", "x" * 32],
)
def test_a_reaction_is_an_emoji_or_a_word_or_two(reaction: str) -> None:
    assert check_reaction(reaction) == unicodedata.normalize("NFC", reaction)


def test_a_reaction_is_in_one_form_without_outer_or_doubled_spaces() -> None:
    assert check_reaction(" well   done ") == "well done"
    assert check_reaction("e\u0300") == "è"


@pytest.mark.parametrize(
    "reaction",
    [
        *(" ", "\u200d", "\ufe0f", "\u200d👍", "👍\u200d", "👍\u200d ", "👍\u200d\u200d💻"),
        *("❤\ufe0f\ufe0f", "👍 \ufe0f", "👍\u200d\ufe0f", "a\u200bb", "a\u202eb", "\u3164"),
        *("👍\U000e0041", "a\nb", "\u0344" * 20),
    ],
)
def test_what_does_not_show_is_no_reaction(reaction: str) -> None:
    with pytest.raises(errors.InvalidField):
        check_reaction(reaction)
