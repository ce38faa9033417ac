"""Lengths of time, as people write them."""

from __future__ import annotations

import pytest

from server.administration.durations import duration, duration_or_never, written


@pytest.mark.parametrize(
    ("text", "ms"), [("90s", 90_000), ("15m", 900_000), ("12h", 43_200_000), (" 1d ", 86_400_000)]
)
def test_a_length_of_time_is_a_number_and_a_unit(text: str, ms: int) -> None:
    assert duration(text) == ms


@pytest.mark.parametrize("text", ["", "1", "d", "-1d", "1.5h", "1w", "1d2h", "9" * 30 + "d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        duration(text)


def test_never_is_no_length_of_time_at_all() -> None:
    assert duration_or_never("never") is None
    assert duration_or_never("1s") == 1_000


@pytest.mark.parametrize("text", ["1d", "36h", "90m", "61s", "never"])
def test_what_is_written_is_read_as_the_same(text: str) -> None:
    assert written(duration_or_never(text)) == text


def test_what_no_unit_fits_is_written_in_milliseconds() -> None:
    assert written(1_500) == "1500ms"
