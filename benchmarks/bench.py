"""Bench: what every scenario works with: tools, a folder, a tempo, and where figures go.

Decides how long things are measured and how often. Invariant: a figure is added by the scenario
that measured it, under its name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import plan
from benchmarks.figures import FOREIGN_MAX, Figure, Target
from benchmarks.generator import Load, Report, Tools, flooring, loading
from benchmarks.processes import Running

SUBPROTOCOL = "cloison.v1.msgpack"


@dataclass(slots=True)
class Bench:
    """The surroundings of a scenario."""

    tools: Tools
    folder: Path
    quick: bool
    scenario: str = ""
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    foreign: list[float] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """Return how often each thing is measured."""
        return 2 if self.quick else 5

    @property
    def seconds(self) -> float:
        """Return how long one measurement lasts."""
        return 1.0 if self.quick else 3.0

    @property
    def warm(self) -> float:
        """Return how long the traffic flows before it is measured."""
        return 0.3 if self.quick else 0.7

    def either(self, quick: int, full: int) -> int:
        """Return a size that fits the time there is."""
        return quick if self.quick else full

    def figure(self, name: str, unit: str, target: Target | None = None) -> Figure:
        """Return a new figure of the present scenario."""
        made = Figure(self.scenario, name, unit, target=target)
        self.figures.append(made)
        return made

    def note(self, words: str) -> None:
        """Say something beside the table."""
        self.notes.append(f"{self.scenario}: {words}")

    def looked(self, *reports: Report) -> None:
        """Keep how much of the machine others used, and say what went wrong."""
        for report in reports:
            self.foreign.append(report["foreign_cpu"])
            if report.get("refusals"):
                self.note(f"{report['refusals']} refusals: {report['first_refusal'].strip()}")
            if report.get("owed", 0) > 0:
                self.note(f"{report['owed']} deliveries never came")
            if report.get("own_cpu", 0) > 0.9:
                self.note("the generator was as busy as a core allows")

    @property
    def others(self) -> float:
        """Return how many cores others used, in the median measurement."""
        return median(self.foreign) if self.foreign else 0.0

    @property
    def noisy(self) -> bool:
        """Say whether others used the machine while it was measured."""
        return self.others > FOREIGN_MAX

    def place(self) -> TemporaryDirectory[str]:
        """Return a folder of its own for a database."""
        return TemporaryDirectory(dir=self.folder)

    def say(self, words: str) -> None:
        """Show that something is going on."""
        print(f"  {self.scenario}: {words}", file=sys.stderr, flush=True)

    @contextmanager
    def load(self, server: Running, planned: list[plan.Planned], *, floor: bool) -> Iterator[Load]:
        """Run a generator with this plan against a server or a floor."""
        file = plan.write(self.folder / f"{server.pid}.plan", planned, "" if floor else SUBPROTOCOL)
        with loading(self.tools, server, file) as load:
            yield load

    @contextmanager
    def floor_load(
        self, planned: list[plan.Planned], *, coalescing: bool = False
    ) -> Iterator[Load | None]:
        """Run a floor and a generator that is connected to it; None without a compiler."""
        with flooring(self.tools, coalescing=coalescing) as server:
            if server is None:
                yield None
                return
            with self.load(server, planned, floor=True) as load:
                load.open()
                yield load
