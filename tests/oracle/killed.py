"""Killed: the server is killed in the middle of what several people ask, and comes back.

Whatever was answered is durable; whatever was not is entirely done or not at all. So some of the
commands, in some order, with all that were answered among them, must explain what everybody heard
until then, and what each finds on coming back.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
from collections.abc import Iterator

from tests.oracle.deviation import Deviation
from tests.oracle.lanes import is_told, lane_of
from tests.oracle.model.people import Frame
from tests.oracle.model.world import World
from tests.oracle.races import Sent, draw_race
from tests.oracle.replies import perform
from tests.oracle.rules.vocabulary import Command
from tests.oracle.unknown import Comparison, plain
from tests.oracle.walk import Walk

#: Of what nobody can see afterwards whether it was done (a bequest shows when its author leaves):
#: it is not under way when the server is killed.
UNSEEN = {
    "bequeath",
    "describe",
    "invite",
    "invite_visitor",
    "invite_member",
    "withdraw_invitation",
    "set_policies",
    "appear",
}
#: Seconds between the commands and the end, at most: a commit takes milliseconds.
DELAY_MAX_S = 0.008


async def kill(walk: Walk) -> None:
    """Kill the server, start it again, and find out what had been done. Raises Deviation."""
    await walk.settle()
    await walk.gallery.empty()
    before = pickle.dumps(walk.world)
    steps = [step for step in draw_race(walk) if step.kind not in UNSEEN]
    sent = [(step, await walk.send(step)) for step in steps]
    await asyncio.sleep(walk.rng.random() * DELAY_MAX_S)
    await walk.ground.crash()
    for line in walk.crowd.lines.values():
        await line.closed()
    heard = {key: line.take() for key, line in walk.crowd.lines.items()}
    for step, request in sent:
        answer = [one["type"] for one in heard[step.connection] if one.get("id") == request]
        walk.note(f"killed during: {step.connection} {step.kind} {step.fields} -> {answer}")
    walk.note("the server was killed, and is back")
    found = await _look(walk)
    reasons = []
    for done in _histories(sent, heard):
        world: World = pickle.loads(before)  # noqa: S301  # our own, of a moment ago
        reason = _differs(world, done, heard) or _refutes(world, found)
        if reason is None:
            await _go_on(walk, world, heard)
            return
        reasons.append(f"{[step.kind for step, _ in done]}: {reason}"[:1500])
    raise Deviation("\n  ".join(["nothing that may have been done explains it:", *reasons]))


def _histories(sent: list[Sent], heard: dict[int, list[Frame]]) -> Iterator[list[Sent]]:
    """Go through what may have been done: in any order, with all that was answered."""
    answered = {
        (step.connection, request)
        for step, request in sent
        if any(frame.get("id") == request for frame in heard[step.connection])
    }
    for count in range(len(sent), -1, -1):
        for done in itertools.permutations(sent, count):
            if answered <= {(step.connection, request) for step, request in done}:
                yield list(done)


def _differs(world: World, done: list[Sent], heard: dict[int, list[Frame]]) -> str | None:
    """Return how what was heard is no beginning of what was to be heard, or None."""
    comparison = Comparison(world.taken)
    for step, request in done:
        reply = perform(world, step, request)
        for frame in heard[step.connection]:
            if frame.get("id") == request and (found := comparison.difference(reply, frame)):
                return found
    for key, connection in world.connections.items():
        due: dict[str, list[Frame]] = {}
        for told in connection.told:
            due.setdefault(str(plain(told.lane)), []).append(told.frame)
        for frame in filter(is_told, heard[key]):
            left = due.get(lane_of(frame), [])
            if not left:
                return f"{connection} got too much: {frame}"
            if found := comparison.difference(left.pop(0), frame):
                return f"{connection}: {found}"
    return None


Found = list[tuple[str, Command, Frame]]


async def _look(walk: Walk) -> Found:
    """Let somebody of each member look at all that is theirs, on a new line."""
    found: Found = []
    for session in {one.session.member: one.session for one in walk.world.living()}.values():
        connection = await walk.crowd.open(session)
        walk.world.connections.pop(connection.key)
        line = walk.crowd.lines.pop(connection.key)
        listed = await line.answer(await line.send("list"))
        found.append((session.member.id, Command(0, "list", {}), listed))
        for view in listed["spheres"]:
            for kind in ("subscribe", "history"):
                asked = {"sphere": view["sphere"]}
                asked |= {} if kind == "subscribe" else {"after": 0, "limit": 500}
                got = await line.answer(await line.send(kind, **asked))
                found.append((session.member.id, Command(0, kind, asked), got))
        for view in listed["threads"]:
            place = {name: view[name] for name in ("sphere", "thread")}
            for kind, more in (("subscribe", {}), ("history", {"after": 0, "limit": 500})):
                got = await line.answer(await line.send(kind, **place, **more))
                found.append((session.member.id, Command(0, kind, {**place, **more}), got))
        await line.close()
    return found


def _refutes(world: World, found: Found) -> str | None:
    """Return how what people found on coming back is not what the model holds, or None."""
    comparison = Comparison(world.taken)
    for member, step, got in found:
        me = next(one for one in world.connections.values() if one.member.id == member)
        foretold = perform(world, step._replace(connection=me.key), got["id"])
        if reason := comparison.difference(foretold, got):
            return f"{me} {step.kind}: {reason}"
    return None


async def _go_on(walk: Walk, world: World, heard: dict[int, list[Frame]]) -> None:
    """Go on from what was done: every line is gone, and some come back."""
    walk.clients.hear(heard)
    walk.world = world
    sessions = []
    for key, connection in tuple(world.connections.items()):
        sessions.append(connection.session)
        connection.hears.clear()
        connection.told.clear()
        await walk.crowd.close(key)
    for session in sessions:
        if not session.over:
            await walk.crowd.open(session)
