"""Profiles: how long property tests search.

``quick`` is what every run gets: the same examples each time, so that a red run is red again.
``HYPOTHESIS_PROFILE=long`` draws new ones, many.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_slow_is_no_fault = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "quick",
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=_slow_is_no_fault,
)
settings.register_profile(
    "long", max_examples=3_000, deadline=None, suppress_health_check=_slow_is_no_fault
)


def load() -> None:
    """Choose the profile, before the tests that it rules are read."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
