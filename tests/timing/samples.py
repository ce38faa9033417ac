"""Samples: two series of durations, taken in turn, and what the difference of their medians says.

The interval is a bootstrap over the rounds: both durations of a round are drawn together, so that
what slowed the machine for a while slows both.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

RESAMPLES = 1_000
#: How sure an interval is: with a dozen questions in a run, one in a thousand stays rare.
CONFIDENCE = 0.999


class Verdict(NamedTuple):
    """Medians of two series, and the interval of their difference: microseconds."""

    one_us: float
    other_us: float
    low_us: float
    high_us: float

    @property
    def distinguishes(self) -> bool:
        """Say whether the interval holds no zero."""
        return self.low_us > 0 or self.high_us < 0


def taken(
    one: Callable[[], object], other: Callable[[], object], rounds: int, draw: random.Random
) -> list[tuple[float, float]]:
    """Ask both questions in each round, in an order drawn anew; return microseconds."""
    pairs = []
    for _ in range(rounds):
        if draw.random() < 0.5:  # either order
            first = _timed(one)
            pairs.append((first, _timed(other)))
        else:
            first = _timed(other)
            pairs.append((_timed(one), first))
    return pairs


def _timed(ask: Callable[[], object]) -> float:
    began = perf_counter_ns()
    ask()
    return (perf_counter_ns() - began) / 1_000


def judged(pairs: list[tuple[float, float]], draw: random.Random) -> Verdict:
    """Return the medians, and the bootstrap interval of their difference."""
    differences = sorted(_difference(draw.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    beyond = int(RESAMPLES * (1 - CONFIDENCE) / 2)
    return Verdict(
        one_us=median(one for one, _ in pairs),
        other_us=median(other for _, other in pairs),
        low_us=differences[beyond],
        high_us=differences[-1 - beyond],
    )


def _difference(pairs: list[tuple[float, float]]) -> float:
    return median(one for one, _ in pairs) - median(other for _, other in pairs)
