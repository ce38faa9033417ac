"""Figures: what was measured, beside its floor and its target; as a table and as JSON.

Decides how several runs become one number: the median of the values, and the median of the ratios
of pairs that were measured one after the other. Invariant: a figure without a floor has no ratio.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

#: Cores that others used; above it the wall-clock figures of a run are not worth much.
FOREIGN_MAX = 0.15


@dataclass(frozen=True, slots=True)
class Target:
    """What the design asks of a figure: of its value, or of its ratio to the floor."""

    bound: float
    least: bool = False
    of_ratio: bool = False

    def __str__(self) -> str:
        """Return it as a reader expects it."""
        sign = "at least" if self.least else "at most"
        return f"{sign} {number(self.bound)}{' x floor' if self.of_ratio else ''}"

    def met(self, figure: Figure) -> bool | None:
        """Say whether a figure meets it; None when that was not measured."""
        seen = figure.ratio if self.of_ratio else figure.value
        if seen is None:
            return None
        return seen >= self.bound if self.least else seen <= self.bound


@dataclass(slots=True)
class Figure:
    """One quantity, over several runs."""

    scenario: str
    name: str
    unit: str
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    target: Target | None = None

    def add(self, value: float, floor: float | None = None) -> None:
        """Add the outcome of a run, and of the floor's beside it."""
        self.values.append(value)
        if floor is not None:
            self.floors.append(floor)

    @property
    def value(self) -> float:
        """Return the median over the runs."""
        return median(self.values)

    @property
    def floor(self) -> float | None:
        """Return the median of the floor."""
        return median(self.floors) if self.floors else None

    @property
    def ratio(self) -> float | None:
        """Return the median ratio of a run to the floor beside it."""
        if len(self.floors) != len(self.values) or not all(self.floors):
            return None
        return median(a / b for a, b in zip(self.values, self.floors, strict=True))

    def as_json(self) -> dict[str, Any]:
        """Return everything, for a file."""
        return {
            "scenario": self.scenario,
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "floor": self.floor,
            "ratio": self.ratio,
            "values": self.values,
            "floors": self.floors,
            "target": str(self.target) if self.target else None,
            "met": self.target.met(self) if self.target else None,
        }


def number(value: float | None) -> str:
    """Return three significant digits, in thousands where that is shorter."""
    if value is None:
        return ""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f} M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.1f} k"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a table for a terminal."""
    head = ("scenario", "figure", "", "floor", "ratio", "target", "")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    met = figure.target.met(figure) if figure.target else None
    return (
        figure.scenario,
        figure.name,
        f"{number(figure.value)} {figure.unit}".strip(),
        number(figure.floor),
        number(figure.ratio),
        str(figure.target or ""),
        "" if met is None else "met" if met else "MISSED",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
