from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.channels import sequence
from server.channels.sequence import Sequence


def test_what_is_next_leaves_at_once() -> None:
    line: Sequence[str] = Sequence()
    line.begin(4)

    assert line.offer(5, "five") == ["five"]
    assert line.offer(6, "six") == ["six"]


def test_what_comes_early_waits_for_what_is_before_it() -> None:
    line: Sequence[str] = Sequence()
    line.begin(4)

    assert line.offer(6, "six") == []
    assert line.missing == (5, 5)
    assert line.offer(5, "five") == ["five", "six"]
    assert line.missing is None


def test_what_came_already_is_dropped() -> None:
    line: Sequence[str] = Sequence()
    line.begin(4)
    line.offer(5, "five")

    assert line.offer(5, "again") == []
    assert line.offer(3, "old") == []
    assert line.passed(5)
    assert not line.passed(6)


def test_before_the_beginning_everything_waits_and_nothing_is_missing() -> None:
    line: Sequence[str] = Sequence()

    assert line.offer(6, "six") == []
    assert line.offer(4, "four") == []
    assert line.missing is None
    assert line.begin(5) == ["six"]
    assert line.next == 7


def test_what_is_given_up_lets_the_rest_go() -> None:
    line: Sequence[str] = Sequence()
    line.begin(0)
    line.offer(3, "three")

    assert line.skip(3) == ["three"]
    assert line.next == 4


def test_no_more_is_held_than_the_bound_and_the_next_is_always_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequence, "HELD_MAX", 2)
    line: Sequence[int] = Sequence()
    line.begin(0)

    for seq in (5, 4, 3, 2):
        assert line.offer(seq, seq) == []

    assert line.offer(1, 1) == [1]
    assert line.missing == (2, 3)


@given(
    head=st.integers(0, 5),
    count=st.integers(0, 30),
    seed=st.integers(0, 10_000),
    begun_after=st.integers(0, 30),
    copies=st.integers(1, 3),
)
def test_whatever_the_order_and_the_repetitions_each_leaves_once_in_order(
    head: int, count: int, seed: int, begun_after: int, copies: int
) -> None:
    offered = [seq for seq in range(1, count + 1) for _ in range(copies)]
    random.Random(seed).shuffle(offered)
    line: Sequence[int] = Sequence()
    left: list[int] = []

    for number, seq in enumerate(offered):
        if number == begun_after:
            left += line.begin(head)
        left += line.offer(seq, seq)
    if line.next is None:
        left += line.begin(head)

    assert left == list(range(head + 1, count + 1))


@given(lost=st.sets(st.integers(1, 20)), seed=st.integers(0, 10_000))
def test_a_gap_stays_until_it_is_mended_and_then_everything_has_left_in_order(
    lost: set[int], seed: int
) -> None:
    offered = [seq for seq in range(1, 21) if seq not in lost]
    random.Random(seed).shuffle(offered)
    line: Sequence[int] = Sequence()
    left = line.begin(0)

    for seq in offered:
        left += line.offer(seq, seq)
    while (gap := line.missing) is not None:
        for seq in range(gap[0], gap[1] + 1):
            assert seq in lost
            left += line.offer(seq, seq)

    expected = range(1, max(offered, default=0) + 1)
    assert left == list(expected)
