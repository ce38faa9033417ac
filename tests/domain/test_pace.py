from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain import pace as pace_module
from server.domain.pace import Pace, Paces

#: Rates whose interval is a whole number of milliseconds, so that the oracle is exact.
rates = st.sampled_from([1, 2, 5, 10, 20, 50, 100, 500, 1_000])
bursts = st.integers(1, 40)
gaps = st.lists(st.integers(0, 300) | st.just(0) | st.just(60_000), min_size=1, max_size=120)
START = 1_800_000_000_000


def _moments(steps: list[int]) -> list[int]:
    moments = [START]
    for step in steps:
        moments.append(moments[-1] + step)
    return moments


@given(rates, bursts, gaps)
def test_over_any_span_no_more_pass_than_the_burst_and_the_rate_allow(
    rate: int, burst: int, steps: list[int]
) -> None:
    pace = Pace(rate=rate, burst=burst)

    passed = [now for now in _moments(steps) if pace.delay(now) == 0]

    for first, begin in enumerate(passed):
        for count, end in enumerate(passed[first:], start=1):
            assert count <= burst + rate * (end - begin) / 1_000


@given(rates, bursts, gaps)
def test_nobody_is_refused_who_keeps_within_the_burst_and_the_rate(
    rate: int, burst: int, steps: list[int]
) -> None:
    pace = Pace(rate=rate, burst=burst)
    bucket = float(burst)
    before = START

    for now in _moments(steps):
        bucket = min(burst, bucket + rate * (now - before) / 1_000)
        before = now
        passes = pace.delay(now) == 0

        assert passes is (bucket >= 1 - 1e-9)
        bucket -= passes


@given(rates, bursts, gaps)
def test_who_waits_as_long_as_told_passes(rate: int, burst: int, steps: list[int]) -> None:
    pace = Pace(rate=rate, burst=burst)

    for now in _moments(steps):
        wait = pace.delay(now)
        if wait:
            assert pace.delay(now + wait) == 0
            break


@given(rates, bursts)
def test_a_refused_request_does_not_count(rate: int, burst: int) -> None:
    pace = Pace(rate=rate, burst=burst)
    answers = [pace.delay(START) for _ in range(burst + 50)]

    assert answers[:burst] == [0] * burst
    assert len(set(answers[burst:])) == 1


@given(rates, bursts, st.lists(st.integers(-100_000, 100_000), min_size=1, max_size=80))
def test_a_clock_that_steps_back_never_makes_one_wait_longer_than_two_bursts(
    rate: int, burst: int, steps: list[int]
) -> None:
    pace = Pace(rate=rate, burst=burst)

    waits = [pace.delay(now) for now in _moments(steps)]

    assert max(waits) <= 2 * burst * 1_000 / rate + 1_000 / rate + 1


@given(rates, bursts, st.lists(st.integers(-100_000, 100_000), min_size=1, max_size=80))
def test_each_step_back_of_the_clock_gives_no_more_than_one_burst_anew(
    rate: int, burst: int, steps: list[int]
) -> None:
    pace = Pace(rate=rate, burst=burst)
    moments = _moments(steps)

    passed = sum(pace.delay(now) == 0 for now in moments)

    backwards = sum(later < sooner for sooner, later in pairwise(moments))
    forwards = sum(max(0, later - sooner) for sooner, later in pairwise(moments))
    assert passed <= burst * (1 + backwards) + rate * forwards / 1_000


@pytest.mark.parametrize("rate", [3, 7, 2_000, 1_500.5])
def test_rates_that_divide_no_second_hold_too(rate: float) -> None:
    pace = Pace(rate=rate, burst=5)

    passed = sum(pace.delay(START + now) == 0 for now in range(2_000) for _ in range(3))

    assert rate * 2 * 0.999 + 4 <= passed <= rate * 2 + 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 500)), max_size=60))
def test_each_key_has_a_pace_of_its_own(asked: list[tuple[str, int]]) -> None:
    paces = Paces(rate=2, burst=3)
    alone = {key: Pace(rate=2, burst=3) for key in "abc"}
    now = START

    for key, step in asked:
        now += step

        assert paces.delay(key, now) == alone[key].delay(now)


def test_the_keys_that_were_silent_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "PACES_MAX", 2)
    paces = Paces(rate=1, burst=1)
    first = [paces.delay(key, START) for key in ("a", "b", "a", "c")]

    assert [wait > 0 for wait in first] == [False, False, True, False]
    assert paces.delay("a", START) > 0
    assert paces.delay("b", START) == 0
    assert len(paces._paces) == 2
