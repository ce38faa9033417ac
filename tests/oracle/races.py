"""Races: several commands at once, from different people, which must have happened in some order.

Invariant: an order explains a race when it explains every reply and every frame of it.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.oracle.deviation import Deviation
from tests.oracle.model.sphere import Sphere, may_see
from tests.oracle.replies import perform
from tests.oracle.rules.vocabulary import Command
from tests.oracle.settling import Heard, compare, compare_replies, pings
from tests.oracle.unknown import plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

#: Commands of a race.
WIDTH = 3
#: Steps that are drawn to find so many of different lines.
DRAWS_MAX = 150
#: Of the races, those about one timeline; and those that somebody begins to listen in.
ABOUT_ONE = 0.6
LISTENERS = 0.5
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
    """Draw some commands of different lines, to be sent at once: mostly about one timeline."""
    steps = _begin_to_listen(walk) if walk.rng.random() < LISTENERS else []
    is_about_one = walk.rng.random() < ABOUT_ONE
    for _ in range(DRAWS_MAX):
        step = walk.draw()
        if not isinstance(step, Command) or step.kind in ENDINGS:
            continue
        if is_about_one and steps and _place(step) != _place(steps[0]):
            continue
        if step.connection not in [one.connection for one in steps]:
            steps.append(step)
        if len(steps) == WIDTH:
            break
    return steps


def _place(step: Command) -> tuple[object, object]:
    return step.fields.get("sphere"), step.fields.get("thread")


def _begin_to_listen(walk: Walk) -> list[Command]:
    """Have somebody subscribe: mostly who came last; and what they may not see change meanwhile."""
    near = [
        (stay.horizon, me.key, sphere)
        for me in walk.world.living()
        for sphere in walk.world.spheres
        if (stay := sphere.stays.get(me.member)) is not None
    ]
    if not near:
        return []
    horizon, key, sphere = walk.rng.choice(near)
    if walk.rng.random() < LISTENERS:
        horizon, key = max((since, me) for since, me, where in near if where is sphere)
    return [Command(key, "subscribe", plain(sphere.place)), *_change(walk, sphere, horizon, key)]


def _change(walk: Walk, sphere: Sphere, below: int, but: int) -> list[Command]:
    """Have a message from below a place be deleted, or reacted to, on another line."""
    near = [
        (me.key, event)
        for me in walk.world.living()
        if me.key != but and (stay := sphere.stays.get(me.member)) is not None
        for event in sphere.events[: below - 1]
        if event.message and not event.erased and may_see(stay, event)
    ]
    if not near:
        return []
    key, message = walk.rng.choice(near)
    asked = {**plain(sphere.place), "message": message.seq}
    if message.author is walk.world.connections[key].member and message.alias is None:
        return [Command(key, "delete", asked)]
    return [Command(key, "react", {**asked, "reaction": "thanks"})]


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
