"""Beats: when the spheres whose attendance changed say so: all together, once in a while.

One timer for all of them, which runs only while there is something to tell. Knows no room: it is
told which spheres are restless, and calls one function for each. Invariant: a sphere is told of at
most once a beat, and no turn of the loop makes many more than WRITES_MAX writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Writes of one turn of the loop: a person in hundreds of spheres comes to all of them at once. As
#: many as one message makes in a sphere of two thousand.
WRITES_MAX = 2_000

Soon = Callable[[Callable[[], None]], object]
Later = Callable[[float, Callable[[], None]], object]


class Beats:
    """The restless spheres, and the next beat."""

    def __init__(
        self, tell: Callable[[str], int], *, every_s: float, soon: Soon, later: Later | None
    ) -> None:
        self.count = 0
        self._tell = tell  #: tells the listeners of a sphere; returns how many writes it made
        self._every_s = every_s
        self._soon = soon
        self._later = later
        self._restless: dict[str, None] = {}
        self._due: dict[str, None] = {}
        self._running = False

    @property
    def restless(self) -> list[str]:
        """Return the spheres that have something to tell, or soon will have."""
        return [*self._due, *self._restless]

    def stir(self, sphere: str) -> None:
        """Tell of a sphere at the next beat."""
        self._restless[sphere] = None
        if not self._running:
            self._running = True
            self._wait()

    def still(self, sphere: str) -> None:
        """Drop a sphere that nobody listens to."""
        self._restless.pop(sphere, None)
        self._due.pop(sphere, None)

    def _wait(self) -> None:
        later = self._later or asyncio.get_running_loop().call_later
        later(self._every_s, self._beat)

    def _beat(self) -> None:
        self.count += 1
        self._due, self._restless = self._restless, {}
        self._go_on()

    def _go_on(self) -> None:
        writes = 0
        while self._due and writes < WRITES_MAX:
            sphere = next(iter(self._due))
            del self._due[sphere]
            writes += self._tell(sphere)
        if self._due:
            self._soon(self._go_on)
        elif self._restless:
            self._wait()
        else:
            self._running = False
