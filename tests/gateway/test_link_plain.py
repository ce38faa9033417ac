"""What the plain link does where an ASGI server leaves it to."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from starlette.types import Message

from server.gateway.plain import PlainLink
from server.protocol.close import Close
from server.protocol.framing import TEXT
from tests.gateway.serving import (
    PATIENCE_S,
    SLOW,
    Ear,
    House,
    client_frame,
    opened,
    serving,
    until,
)

HASTY = msgspec.structs.replace(SLOW, close_timeout_s=0.05)


class Desk:
    """The other side of ASGI: what a server would give, and what it was given."""

    def __init__(self, limits: Any = SLOW) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.ear = Ear()
        self.link = PlainLink(self.incoming.get, self._send, self.ear, limits)
        self.ear.link = self.link

    async def _send(self, message: Message) -> None:
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append(message)

    def leave(self, code: int | None = 1000) -> None:
        """Disconnect."""
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": code})


async def test_messages_come_under_either_key() -> None:
    desk = Desk()
    for message in ({"text": "é"}, {"bytes": b"\xff"}, {"text": "a", "bytes": None},
                    {"text": None, "bytes": b"b"}):  # fmt: skip
        desk.incoming.put_nowait({"type": "websocket.receive", **message})
    desk.leave()

    await desk.link.run()

    assert desk.ear.messages == ["é", b"\xff", "a", b"b"]
    assert desk.ear.lost == [1000]


async def test_a_disconnection_without_a_code_is_1005() -> None:
    desk = Desk()
    desk.leave(None)

    await desk.link.run()

    assert desk.ear.lost == [1005]


async def test_what_was_sent_before_it_runs_leaves_when_it_does() -> None:
    desk = Desk()
    desk.ear.say(b"1", b"2", opcode=TEXT)
    desk.ear.say(b"3")
    desk.link.close(4000, "bye")
    assert desk.ear.lost == [4000]
    running = asyncio.ensure_future(desk.link.run())
    await until(lambda: len(desk.sent) == 4)
    desk.leave()
    await running

    assert [message.get("text") or message.get("bytes") for message in desk.sent] == [
        "1", "2", b"3", None,
    ]  # fmt: skip
    assert desk.sent[-1] == {"type": "websocket.close", "code": 4000, "reason": "bye"}


async def test_a_link_that_is_cut_before_it_runs_does_not_run() -> None:
    desk = Desk()
    desk.ear.say(b"unsent")
    desk.link.abort()

    await desk.link.run()

    assert desk.sent == []
    assert desk.ear.lost == [1006]


async def test_a_peer_that_does_not_answer_a_close_is_not_waited_for() -> None:
    desk = Desk(HASTY)
    desk.link.close(4000)

    async with asyncio.timeout(PATIENCE_S):
        await desk.link.run()

    assert [message["type"] for message in desk.sent] == ["websocket.close"]


async def test_a_stalled_peer_is_not_waited_for_either() -> None:
    desk = Desk(HASTY)
    desk.open.clear()
    running = asyncio.ensure_future(desk.link.run())
    while not desk.link.closed:
        desk.ear.say(b"x" * 60_000)
    assert desk.ear.lost == [Close.SLOW_READER]

    async with asyncio.timeout(PATIENCE_S):
        await running

    assert desk.sent == []


async def test_cutting_stops_within_a_parcel() -> None:
    desk = Desk()
    running = asyncio.ensure_future(desk.link.run())
    desk.open.clear()
    desk.ear.say(b"1", b"2", b"3")
    await asyncio.sleep(0.01)

    desk.open.set()
    desk.link.abort()
    await running

    assert len(desk.sent) <= 1
    assert desk.link.buffered == 0


@pytest.mark.parametrize("failure", [OSError(), RuntimeError("closed by the server")])
async def test_a_send_that_fails_is_the_end(failure: Exception) -> None:
    desk = Desk()
    desk.failure = failure
    running = asyncio.ensure_future(desk.link.run())

    desk.ear.say(b"x")
    await running

    assert desk.ear.lost == [1006]


async def test_a_bug_is_not_hidden() -> None:
    desk = Desk()
    desk.failure = ValueError("a bug")
    running = asyncio.ensure_future(desk.link.run())

    desk.ear.say(b"x")
    with pytest.raises(ExceptionGroup) as raised:
        await running

    assert raised.group_contains(ValueError)
    assert desk.ear.lost == [1006]


async def test_a_server_that_cancels_the_application_ends_the_link() -> None:
    desk = Desk()
    running = asyncio.ensure_future(desk.link.run())
    await asyncio.sleep(0)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert desk.ear.lost == [1006]
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
async def test_a_server_that_closes_by_itself_while_we_send_fills_no_log(
    ws: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(plain=True)
    async with serving(house, ws=ws, ws_max_size=100) as served:
        peer, ear = await opened(served, house)

        await peer.send(client_frame(2, b"x" * 200))
        while not ear.link.closed:
            ear.say(b"meanwhile")
            await asyncio.sleep(0)
        await until(lambda: not served.server.server_state.tasks)

    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
async def test_a_connection_that_only_listens_outlives_many_pings(ws: str) -> None:
    house = House(plain=True)
    async with serving(house, ws=ws, ws_ping_interval=0.02, ws_ping_timeout=0.02) as served:
        async with served.connect() as client:
            await until(lambda: house.ears)
            for number in range(20):
                await asyncio.sleep(0.005)
                house.ears[0].say(b"%d" % number)
                assert await client.recv() == b"%d" % number

        assert house.ears[0].lost == [1000]
