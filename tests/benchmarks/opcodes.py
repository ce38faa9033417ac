"""Opcodes: how many instructions of Python something takes, counted and not timed.

The count is the same on every machine, busy or not, so a test may compare it. It leaves out what C
does, system calls too: those are for ``make bench``. Versions of Python count differently, so
figures are multiples of a fixed piece of work, counted on the same one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def count(act: Callable[[], object]) -> int:
    """Run ``act`` on this thread; return how many instructions that took."""
    counted = 0

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        nonlocal counted
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            counted += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return counted


class _Thing:
    def __init__(self, number: int) -> None:
        self.number = number

    def next(self) -> int:
        return self.number + 1


def _reference() -> list[int]:
    found: list[int] = []
    for number in range(100):
        thing = _Thing(number)
        if thing.next() % 2:
            found.append(thing.number)
    return found


def relative(act: Callable[[], object]) -> float:
    """Return how many turns of the reference's loop ``act`` is worth.

    One turn makes an object, calls a method, compares and appends: some 45 instructions.
    """
    return count(act) / (count(_reference) / 100)
