"""Machine: what the system says of its clock, its swap and its file systems.

For the doctor; decides nothing about what is a fault. Where a system does not tell, nothing is
known: these are Linux's own files.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

SWAPS = Path("/proc/swaps")
MOUNTS = Path("/proc/self/mountinfo")
BLOCKS = Path("/sys/class/block")

#: What adjtimex(2) returns while nothing keeps the clock.
_TIME_ERROR = 5
#: More than a ``struct timex`` on any system.
_TIMEX_BYTES = 512


def clock_is_kept() -> bool | None:
    """Say whether something (NTP) keeps the clock, or None where that cannot be told."""
    if sys.platform != "linux":
        return None
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR


def plain_swaps() -> Iterator[str]:
    """Yield the places that memory is swapped to, but those in memory and encrypted ones."""
    for line in _lines(SWAPS)[1:]:
        place = Path(line.split()[0])
        uuid = _lines(BLOCKS / place.resolve().name / "dm" / "uuid")
        if not place.name.startswith("zram") and not "".join(uuid).startswith("CRYPT-"):
            yield str(place)


def file_system(path: Path) -> str | None:
    """Return the kind of file system that a path is on: ``ext4``, ``nfs4``."""
    found: tuple[int, str] | None = None
    for line in _lines(MOUNTS):
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        depth = len(point.parts)
        if path.resolve().is_relative_to(point) and (found is None or depth >= found[0]):
            found = depth, after.split()[0]
    return found[1] if found else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
