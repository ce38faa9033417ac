"""Journal: who may read and which settings hold, as a chain that shows tampering (promise 11)."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.sphere import Event
from tests.oracle.model.world import World
from tests.oracle.rules.reading import NO_DIGEST
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step, fields
from tests.oracle.unknown import Check, Comparison

_NONCE = re.compile(r"[0-9a-f]{32}\Z")


def journal(world: World, me: Connection, asked: Frame) -> Frame:
    """Show the records from my horizon on."""
    sphere, stay = world.inside(me.member, asked["sphere"])
    every = [event for event in sphere.events if event.record is not None]
    first = max(stay.horizon, asked.get("after", 0) + 1)
    seen = [event for event in every if event.seq >= first]
    before = [event for event in every if event.seq < first]
    limit = asked.get("limit", 100)
    return {
        "type": "journal",
        "anchor": before[-1].digest if before else NO_DIGEST,
        "records": Records(seen[:limit], before[-1:]),
        "more": len(seen) > limit,
    }


class Records(Check):
    """The records of a reply: each says what happened, and its digest covers what precedes."""

    def __init__(self, events: list[Event], before: list[Event]) -> None:
        self._events = events
        self._before = before

    def __repr__(self) -> str:
        """Show what they say."""
        return repr([event.record for event in self._events])

    def differs(self, comparison: Comparison, got: Any, path: str) -> str | None:
        """Return where they are not as they must be, or None."""
        said = [json.loads(one["record"]) for one in got]
        if not all(_NONCE.match(one.pop("nonce", "")) for one in said):
            return f"{path}: a record has no nonce"
        if found := comparison.difference([event.record for event in self._events], said, path):
            return found
        digests = [event.digest for event in self._events]
        if found := comparison.difference(digests, [one["digest"] for one in got], path):
            return found
        before = self._before[0].digest.value if self._before else NO_DIGEST
        for one in got:
            covered = bytes.fromhex(before) + one["record"].encode()
            if hashlib.sha256(covered).hexdigest() != one["digest"]:
                return f"{path}: the chain is broken at {one['record']}"
            before = one["digest"]
        return None


# -- what may be tried


def _journal(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    sphere_id = draw.sphere(me.member)
    sphere = draw.world.sphere(sphere_id)
    head = 0 if sphere is None else sphere.head
    asked = fields(
        sphere=sphere_id,
        after=draw.rng.randint(0, head + 1) if draw.chance(0.5) else None,
        limit=draw.rng.choice([1, 2, 500]) if draw.chance(0.5) else None,
    )
    return Command(me.key, "journal", asked)


COMMANDS: dict[str, Answer] = {"journal": journal}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(3, _journal)]
