from __future__ import annotations

import pytest

from server.domain.audience import may_be_signalled
from server.domain.facts import Seat
from server.domain.presence import is_shown, may_type


@pytest.mark.parametrize(
    ("hidden", "entered", "shown"),
    [(False, False, True), (True, False, False), (False, True, True), (True, True, True)],
)
def test_who_hides_is_not_shown_but_where_they_entered_as_a_manager(
    *, hidden: bool, entered: bool, shown: bool
) -> None:
    assert is_shown(hidden=hidden, entered=entered) is shown


@pytest.mark.parametrize(
    ("last", "now", "told"),
    [(None, 0, True), (1_000, 3_999, False), (1_000, 4_000, True), (1_000, 999, True)],
)
def test_typing_is_told_again_after_a_while_and_a_clock_that_steps_back_silences_nobody(
    *, last: int | None, now: int, told: bool
) -> None:
    assert may_type(last, now, 3_000) is told


def test_a_signal_is_for_those_inside_alone() -> None:
    roster = {"ana": Seat(horizon=7)}

    assert may_be_signalled(roster, "ana", None)
    assert not may_be_signalled(roster, "bob", None)


@pytest.mark.parametrize(("about", "heard"), [(6, False), (7, True), (8, True)])
def test_a_signal_about_an_event_is_not_for_those_who_came_later(
    *, about: int, heard: bool
) -> None:
    assert may_be_signalled({"ana": Seat(horizon=7, entered=True)}, "ana", about) is heard
