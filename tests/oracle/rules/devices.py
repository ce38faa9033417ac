"""Devices: lines open, break and come back; sessions and people are ended (promises 1, 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.vocabulary import Act, Answer, Command, Deed, Draw, Propose, Step
from tests.oracle.unknown import Anything, Unordered, plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

#: Open lines in a world.
LINES_MAX = 14
#: Sessions of a member: below what ends the oldest.
SESSIONS_MAX = 8
#: What the client of a session that is over must see.
SESSION_ENDED = 4501


def sessions(world: World, me: Connection, _: Frame) -> Frame:
    """List the devices that I am signed in with."""
    mine = [one for one in world.sessions if one.member is me.member and not one.over]
    return {
        "type": "sessions",
        "sessions": Unordered(
            {"session": one.id, "began_at": one.began_at, "seen_at": Anything(int),
             "ends_at": Anything(int), "current": one is me.session}
            for one in mine
        ),
    }  # fmt: skip


def end_session(world: World, me: Connection, asked: Frame) -> Frame:
    """Sign another of my devices out."""
    for session in world.sessions:
        if plain(session.id) == asked["session"] and session.member is me.member:
            if session is me.session:
                raise Refusal("not_allowed")
            if not session.over:
                world.end(session, SESSION_ENDED)
                return {"type": "done"}
    raise Refusal("not_found")


async def connect(walk: Walk, asked: Frame) -> None:
    """Open a line: of a session that there is, or of a new one."""
    session = next((one for one in walk.world.sessions if one.key == asked.get("session")), None)
    if session is None:
        member = next(one for one in walk.world.members if one.id == asked["member"])
        session = await walk.crowd.sign_in(member)
    if session is not None:
        await walk.crowd.open(session)


async def cut(walk: Walk, asked: Frame) -> None:
    """Let a line break without a word; what was under way to it is compared first."""
    await walk.settle()
    await walk.crowd.close(asked["connection"], rudely=asked["rudely"])


async def sign_out(walk: Walk, asked: Frame) -> None:
    """Sign out over HTTP: the lines of the session close."""
    session = next(one for one in walk.world.sessions if one.key == asked["session"])
    await walk.settle()
    headers = {"authorization": f"Bearer {session.token}"}
    status, _ = await walk.crowd.call_http("POST", "/v1/sign-out", headers=headers)
    walk.expect("a session ends when it is asked to", status == (401 if session.over else 204))
    walk.world.end(session, SESSION_ENDED)
    await walk.settle()


async def shut_out(walk: Walk, asked: Frame) -> None:
    """Shut a member out, or let them in again, as the operator does."""
    member = next(one for one in walk.world.members if one.id == asked["member"])
    await walk.settle()
    await walk.wish("SetDisabled", member=member.id, disabled=asked["disabled"])
    member.disabled = asked["disabled"]
    if member.disabled:
        member.cut_off = True
        for admission in walk.world.admissions:
            admission.void |= admission.by is member
        for session in walk.world.sessions:
            if session.member is member:
                walk.world.end(session, SESSION_ENDED)
    await walk.settle()


async def pass_time(walk: Walk, asked: Frame) -> None:
    """Let time pass, where the clock is moved by hand."""
    walk.tick(asked["ms"])


# -- what may be tried


def _connect(draw: Draw) -> Step | None:
    if len(draw.world.living()) >= LINES_MAX:
        return None
    member = draw.rng.choice([one for one in draw.world.members if not one.disabled])
    mine = [one for one in draw.world.sessions if one.member is member]
    alive = [one.key for one in mine if not one.over]
    if alive and (draw.chance(0.6) or len(mine) >= SESSIONS_MAX):
        return Deed("connect", {"session": draw.rng.choice(alive)})
    return Deed("connect", {"member": member.id}) if len(mine) < SESSIONS_MAX else None


def _cut(draw: Draw) -> Step | None:
    me = draw.connection()
    if me is None or len(draw.world.living()) < LINES_MAX // 2:
        return None
    return Deed("cut", {"connection": me.key, "rudely": draw.chance(0.5)})


def _sign_out(draw: Draw) -> Step | None:
    me = draw.connection()
    return None if me is None else Deed("sign_out", {"session": me.session.key})


def _shut_out(draw: Draw) -> Step | None:
    member = draw.rng.choice(draw.world.members)
    return Deed("shut_out", {"member": member.id, "disabled": not member.disabled})


def _sessions(draw: Draw) -> Step | None:
    me = draw.connection()
    return None if me is None or draw.world.now is None else Command(me.key, "sessions", {})


def _end_session(draw: Draw) -> Step | None:
    pairs = [
        (me, session.id.value)
        for me in draw.world.living()
        for session in draw.world.sessions
        if session.id.value is not None
    ]
    near = [
        (me, session_id)
        for me, session_id in pairs
        for session in draw.world.sessions
        if session.id.value == session_id and session.member is me.member and not session.over
    ]
    if not pairs:
        return None
    me, session_id = draw.rng.choice(near if near and draw.chance(0.7) else pairs)
    return Command(me.key, "end_session", {"session": session_id})


COMMANDS: dict[str, Answer] = {"sessions": sessions, "end_session": end_session}
DEEDS: dict[str, Act] = {
    "connect": connect,
    "cut": cut,
    "sign_out": sign_out,
    "shut_out": shut_out,
    "pass": pass_time,
}
STEPS: list[tuple[float, Propose]] = [
    (5, _connect),
    (2, _cut),
    (0.3, _sign_out),
    (0.15, _shut_out),
    (0.5, _sessions),
    (0.5, _end_session),
]
