"""Rules: one module a feature. Later ones may lean on earlier ones, never the other way."""

from __future__ import annotations

from tests.oracle.rules import (
    arrivals,
    connectors,
    departures,
    devices,
    governance,
    guests,
    journal,
    marks,
    messages,
    office,
    posts,
    profiles,
    readers,
    reading,
    requests,
    signals,
    spheres,
    threads,
)
from tests.oracle.rules.vocabulary import Act, Answer, Feature, Propose

#: Every feature that is compared.
FEATURES: tuple[Feature, ...] = (
    spheres,
    arrivals,
    posts,
    reading,
    departures,
    connectors,
    profiles,
    devices,
    threads,
    requests,
    journal,
    office,
    guests,
    governance,
    readers,
    signals,
    marks,
    messages,
)

COMMANDS: dict[str, Answer] = {
    kind: answer for feature in FEATURES for kind, answer in feature.COMMANDS.items()
}
DEEDS: dict[str, Act] = {name: act for feature in FEATURES for name, act in feature.DEEDS.items()}
STEPS: list[tuple[float, Propose]] = [step for feature in FEATURES for step in feature.STEPS]
