"""Plot: the ratios to the floor as a drawing, with nothing but the standard library.

Decides colours and places only. Invariant: the file refers to nothing outside itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from benchmarks.figures import Figure, number

ROW, LEFT, WIDE = 22, 430, 420
DECADES = 2.5  #: shown on either side of the floor


def svg(figures: Iterable[Figure]) -> str:
    """Return a drawing: a bar for each figure that has a floor, from the floor's line."""
    drawn = [figure for figure in figures if figure.ratio]
    height = ROW * (len(drawn) + 2)
    middle = _across(1.0)
    bars = [_bar(place + 1, figure) for place, figure in enumerate(drawn)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 90} {height}"'
        ' font-family="sans-serif" font-size="12">'
        '<rect width="100%" height="100%" fill="white"/>'
        f'<text x="{middle}" y="14" text-anchor="middle">the floor of the same run</text>'
        + "".join(bars)
        + f'<line x1="{middle}" x2="{middle}" y1="20" y2="{height}" stroke="black"/></svg>\n'
    )


def _bar(place: int, figure: Figure) -> str:
    ratio = figure.ratio or 1.0
    y, begin, end = place * ROW, *sorted((_across(1.0), _across(ratio)))
    met = figure.target.met(figure) if figure.target else None
    colour = {True: "#2a7f62", False: "#b5483a", None: "#7a8ba3"}[met]
    label = escape(f"{figure.scenario}: {figure.name}")
    return (
        f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{label}</text>'
        f'<rect x="{begin:.1f}" y="{y + 3}" width="{max(end - begin, 1):.1f}" height="{ROW - 6}"'
        f' fill="{colour}"/>'
        f'<text x="{end + 4:.1f}" y="{y + 15}">{number(ratio)}</text>'
    )


def _across(ratio: float) -> float:
    part = (math.log10(ratio) + DECADES) / (2 * DECADES)
    return LEFT + WIDE * min(max(part, 0.0), 1.0)
