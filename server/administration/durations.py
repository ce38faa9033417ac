"""Durations: lengths of time as people write them: ``90s``, ``15m``, ``12h``, ``1d``.

Decides the form, not which are allowed: that is the policy's. In milliseconds, like every time.
"""

from __future__ import annotations

import re

UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
_FORM = re.compile(r"(\d{1,9})([smhd])")
NEVER = "never"


def duration(text: str) -> int:
    """Return milliseconds. Raises ValueError."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no length of time: write 90s, 15m, 12h or 1d.")
    return int(found[1]) * UNITS[found[2]]


def duration_or_never(text: str) -> int | None:
    """Return milliseconds, or None for ``never``. Raises ValueError."""
    return None if text.strip() == NEVER else duration(text)


def written(ms: int | None) -> str:
    """Return a length of time in the largest unit that it is a whole number of."""
    if ms is None:
        return NEVER
    unit, size = next(((unit, size) for unit, size in UNITS.items() if ms % size == 0), ("ms", 1))
    return f"{ms // size}{unit}"
