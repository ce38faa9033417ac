"""Figures: the generated half of ``docs/metrics.md``: what may be read, and of what kind.

Pure: asks a Metrics that counts nothing what it would show. Invariant: each figure appears, with
all of its labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import Metric

from server.metrics import GAUGES, LABELS, Metrics
from server.tallies import Tallies
from tools.markdown import code, table

#: What a label may say: vocabularies that are fixed by the protocol, by HTTP, or here.
VOCABULARIES = {
    "code": "a code of [protocol.md](../protocol.md), or `other`",
    "type": "an event's type",
    "status": "a status of HTTP",
}


def figures() -> str:
    """Return the table of figures."""
    return table(("figure", "kind", "labels", "what it tells"), sorted(_rows(), key=_by_name))


def _by_name(row: Sequence[str]) -> str:
    return row[0].strip("`").removesuffix("_total")


def _rows() -> Iterator[tuple[str, str, str, str]]:
    metrics = Metrics(Tallies())
    metrics.read(dict.fromkeys(GAUGES, lambda: 0.0))
    for family in metrics.registry.collect():
        labels = LABELS.get(family.name.removeprefix("cloison_"), ())
        told = ", ".join(f"{code(label)}, {VOCABULARIES[label]}" for label in labels)
        yield code(_name(family)), family.type, told, family.documentation


def _name(family: Metric) -> str:
    """Return the name under which it is read."""
    return f"{family.name}_total" if family.type == "counter" else family.name
