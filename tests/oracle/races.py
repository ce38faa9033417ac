"""Races: several commands at once, from different people, which must have happened in some order.

Invariant: an order explains a race when it explains every reply and every frame of it.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.oracle.deviation import Deviation
from tests.oracle.replies import perform
from tests.oracle.rules.vocabulary import Command
from tests.oracle.settling import Heard, compare, compare_replies, pings

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

#: Commands of a race.
WIDTH = 3
#: Steps that are drawn to find so many of different lines.
DRAWS_MAX = 40
#: The first half of `subscribe`: the former subscription is over, the snapshot not yet taken.
ENDS = "subscribe: ends the former one"
#: What ends sessions: whoever asks something at that moment may have no reply.
ENDINGS = {"change_role", "disable", "dismiss", "end_session", "set_policies"}
#: Characters of a reason, where several are given.
REASON_MAX = 400
Sent = tuple[Command, int]


async def race(walk: Walk) -> None:
    """Send several commands at once. Raises Deviation unless some order explains what came."""
    await walk.settle()
    before = pickle.dumps(walk.world)
    sent = [(step, await walk.send(step)) for step in draw_race(walk)]
    await _await_answers(walk, sent)
    await pings(walk)
    heard = {key: line.take() for key, line in walk.crowd.lines.items()}
    reasons = []
    for order in _orders(sent):
        walk.world = pickle.loads(before)  # noqa: S301  # our own, of a moment ago
        reason = _differs(walk, order, heard)
        if reason is None:
            walk.settled(heard)
            await walk.wonder()
            return
        reasons.append(f"{[step.kind for step, _ in order]}: {reason[:REASON_MAX]}")
    raise Deviation("\n  ".join(["no order of these explains it:", *sorted(set(reasons))]))


async def _await_answers(walk: Walk, sent: list[Sent]) -> None:
    for step, request in sent:
        me = walk.world.connections[step.connection]
        walk.note(f"at once: {me} {step.kind} {step.fields}")
        try:
            got = await walk.crowd.lines[step.connection].answer(request)
        except (ConnectionError, TimeoutError) as gone:
            raise Deviation(f"no reply to {step.kind}: {gone}") from None
        walk.count(step, got)


def _differs(walk: Walk, order: list[Sent], heard: Heard) -> str | None:
    """Let it happen in this order; return how what came differs, or None."""
    for step, request in order:
        me = walk.world.connections[step.connection]
        if step.kind == ENDS:
            me.hears.discard(walk.world.timeline(step.fields))
        else:
            me.replies[request] = perform(walk.world, step, request)
    return compare_replies(walk, heard) or compare(walk, heard)


def draw_race(walk: Walk) -> list[Command]:
    """Draw some commands of different lines, to be sent at once."""
    steps: list[Command] = []
    for _ in range(DRAWS_MAX):
        step = walk.draw()
        if not isinstance(step, Command) or step.kind in ENDINGS:
            continue
        if step.connection not in [one.connection for one in steps]:
            steps.append(step)
        if len(steps) == WIDTH:
            break
    return steps


def _orders(sent: list[Sent]) -> Iterator[list[Sent]]:
    """Go through every order in which commands sent at once may have happened.

    `subscribe` is two acts: it ends the former subscription, then takes a snapshot.
    """
    acts = [*sent]
    acts += [(step._replace(kind=ENDS), one) for step, one in sent if step.kind == "subscribe"]
    for order in itertools.permutations(acts):
        places = {(step.kind == ENDS, request, step.connection): place
                  for place, (step, request) in enumerate(order)}  # fmt: skip
        if all(
            place < places[False, request, connection]
            for (is_end, request, connection), place in places.items()
            if is_end
        ):
            yield list(order)
