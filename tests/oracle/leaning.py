"""Leaning: what a world has more of than others, so that its rare moments come together.

If everything were tried as often everywhere, what needs four things in a row would hardly ever
happen. So people gather first; then each world leans towards a few features, drawn from its seed.
Invariant: whatever may be tried may be tried in every world.
"""

from __future__ import annotations

from random import Random

from tests.oracle.rules import FEATURES, STEPS, arrivals, posts, spheres

#: Steps in which people gather.
GATHERING_STEPS = 50
#: Features that a world leans towards, and how much.
LEANINGS = 4
FACTOR = 4


def _weights(features: list[object], factor: float) -> list[float]:
    return [
        weight * (factor if feature in features else 1)
        for feature in FEATURES
        for weight, _ in feature.STEPS
    ]


#: How often each step is tried while people gather.
GATHERING = _weights([spheres, arrivals, posts], FACTOR)


def leaning(rng: Random) -> list[float]:
    """Return how often each step is tried in a world."""
    weights = _weights(rng.sample([*FEATURES], LEANINGS), FACTOR)
    assert len(weights) == len(STEPS)
    return weights
