from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from server import errors
from server.auth.live import LiveSessions
from server.channels.broker_memory import MemoryBroker
from server.channels.endings import Endings
from server.channels.outcome import Hidden, Publication, Replaced, together
from server.domain.facts import Member
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.close import Close
from server.protocol.events import SphereForgotten
from server.protocol.scalars import MemberRole
from storage import members
from storage.sessions import Session
from tests.channels.lines import Switchboard, switchboard, until
from tests.house import HandClock, Resident

NOW = 1_800_000_000_000
HOUR = 3_600_000
ANA = Member(id="ana", organisation="acme", name="Ana", role=MemberRole.MEMBER)
MANAGER = MemberRole.MANAGER


class Door:
    """A connection that remembers how it was closed."""

    def __init__(self) -> None:
        self.closed: Close | None = None

    def end(self, close: Close) -> None:
        """Remember why."""
        self.closed = close


class Node:
    """What one node holds of sessions, fed by a broker."""

    def __init__(self, broker: MemoryBroker, clock: HandClock) -> None:
        self.live = LiveSessions()
        self._clock = clock
        broker.listen(Endings(self.live, clock).deliver)

    def open(self, session: str) -> Door:
        """Open a socket of a session that began an hour ago."""
        stored = Session(
            id=session,
            member=ANA,
            organisation_name="Acme",
            disabled=False,
            hidden=False,
            created_at=NOW - HOUR,
            seen_at=NOW,
            policy=SessionPolicy(),
            password_set_at=NOW - HOUR,
            password_age_max_ms=None,
        )
        self.live.attach(stored, door := Door(), self._clock.now())
        return door


@pytest.fixture
def nodes(clock: HandClock) -> tuple[MemoryBroker, Node, Node]:
    """Return two nodes that hear the same broker."""
    broker = MemoryBroker()
    return broker, Node(broker, clock), Node(broker, clock)


def test_a_session_that_ends_is_closed_on_every_node_and_opens_on_none(
    nodes: tuple[MemoryBroker, Node, Node],
) -> None:
    broker, one, other = nodes
    doors = [one.open("s1"), other.open("s1"), one.open("s2")]

    broker.publish(Publication(ended=("s1",)))

    assert [door.closed for door in doors] == [Close.SESSION_ENDED, Close.SESSION_ENDED, None]
    for node in (one, other):
        with pytest.raises(errors.NotAuthenticated):
            node.open("s1")


def test_a_policy_reaches_every_node(nodes: tuple[MemoryBroker, Node, Node]) -> None:
    broker, one, other = nodes
    doors = [one.open("s1"), other.open("s2")]
    strict = SessionPolicy(lifetime_ms=HOUR // 2, idle_ms=HOUR // 2)

    broker.publish(
        Publication(
            replaced=(Replaced(organisation="acme", password=PasswordPolicy(), session=strict),)
        )
    )

    for node in (one, other):
        node.live.due(NOW)
    assert [door.closed for door in doors] == [Close.SESSION_EXPIRED] * 2


def test_publications_come_together_each_kind_in_its_place() -> None:
    hidden = Hidden(organisation="o", sphere="s", inside=frozenset())

    every = together(
        [
            Publication(departures=(("s", "m"),), ended=("one",)),
            Publication(revoked=("c",), hidden=(hidden,), ended=("other",)),
        ]
    )

    assert every == Publication(
        departures=(("s", "m"),), revoked=("c",), hidden=(hidden,), ended=("one", "other")
    )
    assert together([]) == Publication()


async def _managers(board: Switchboard) -> tuple[Resident, Resident]:
    acme = await board.house.organisation()
    return await board.house.resident(acme, "Max", MANAGER), await board.house.resident(
        acme, "Mia", MANAGER
    )


@pytest.mark.parametrize("act", ["disable", "change_role", "dismiss"])
async def test_what_a_manager_asked_who_was_stopped_meanwhile_is_not_done(
    tmp_path: Path, act: str
) -> None:
    async with switchboard(tmp_path) as board:
        boss, mia = await _managers(board)
        one, other = await board.greet(boss, "Max"), await board.greet(mia, "Mia")
        fields: dict[str, Any] = {"role": "member"} if act == "change_role" else {}
        fields |= {"erase": True} if act == "dismiss" else {}
        board.hold()
        one.say(act, 5, member=mia.id, **fields)
        await board.committed.wait()
        other.say("disable", 6, member=boss.id)

        board.gate.set()

        await until(lambda: any(frame.get("id") == 5 for frame in one.frames))
        await until(lambda: other.closed)
        await one.call("withdraw_invitation", 7, invitation="a" * 26)  # written after what waited
        left = await board.parts.database.read(members.active, boss.id)
    assert left is not None
    assert not [frame for frame in other.frames if frame.get("type") == "done"]


async def test_who_ended_their_own_session_is_answered_and_told_nothing_else(
    tmp_path: Path,
) -> None:
    async with switchboard(tmp_path) as board:
        boss, mia = await _managers(board)
        sphere = await board.house.sphere(mia)
        line = await board.greet(boss, "Max")
        await line.call("enter", 8, sphere=sphere)
        scrub, done, begun = board.parts.eraser.scrub, asyncio.Event(), asyncio.Event()

        async def slow(*, retry: bool = True) -> bool:
            begun.set()
            await done.wait()
            return await scrub(retry=retry)

        board.parts.eraser.scrub = slow  # type: ignore[method-assign]  # an erasure that takes long
        line.say("change_role", 9, member=boss.id, role="member")  # erases: they had entered
        line.say("list", 10)
        await begun.wait()
        notice = SphereForgotten(sphere="behind you")
        board.parts.services.hub.deliver(Publication(notices=((boss.id, notice),)))
        open_until_answered = not line.closed

        done.set()

        await until(lambda: line.closed)
    assert open_until_answered
    assert line.code == 4501
    assert line.frames[-1] == {"type": "done", "id": 9}
    assert "behind you" not in str(line.frames)
