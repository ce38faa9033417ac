"""The contract of a link, kept by each of them under each server and on each loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import websockets

from server.gateway.link import LinkLimits
from server.protocol.close import Close
from server.protocol.framing import BINARY, TEXT
from tests.gateway.serving import (
    SLOW,
    Ear,
    House,
    Served,
    client_frame,
    close_payload,
    opened,
    serving,
    settle,
    until,
)

CLOSE = 0x88
CHUNK = b"x" * 60_000  #: below the high-water mark, so that one alone congests nobody

#: What carries the link, and uvicorn's name for the WebSocket implementation under it.
KINDS = {
    "slim": (False, None),
    "plain over slim": (True, None),
    "plain over websockets-sansio": (True, "websockets-sansio"),
    "plain over wsproto": (True, "wsproto"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name one of the KINDS."""
    return str(request.param)


@asynccontextmanager
async def lodging(
    kind: str, limits: LinkLimits = SLOW, *, echo: bool = False
) -> AsyncIterator[tuple[Served, House]]:
    """Serve a house over a link of this kind."""
    plain, ws = KINDS[kind]
    house = House(limits, plain=plain, echo=echo)
    async with serving(house, limits, ws=ws) as served:
        yield served, house


async def stall(ear: Ear) -> int:
    """Speak to a peer that does not read until that shows; return how often."""
    said = 0
    while not ear.link.congested:
        ear.say(CHUNK)
        said += 1
        for _ in range(10):  # turns enough for a writer of its own to have written
            await asyncio.sleep(0)
    return said


async def test_messages_arrive_whole_in_order_and_with_their_type(kind: str) -> None:
    sent: list[str | bytes] = ["é", b"\x00\xff", "", b"", b"b" * 126, "t" * 65_535, b"c" * 65_536]

    async with lodging(kind) as (served, house), served.connect() as client:
        for message in sent:
            await client.send(message)
        await until(lambda: len(house.ears[0].messages) == len(sent))

        assert house.ears[0].messages == sent


async def test_a_parcel_leaves_as_one_message_for_each_payload(kind: str) -> None:
    payloads = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 65_535, b"e" * 65_536]

    async with lodging(kind) as (served, house), served.connect() as client:
        await until(lambda: house.ears)
        house.ears[0].say(*payloads)
        house.ears[0].say(*payloads, opcode=TEXT)
        received = [await client.recv() for _ in range(2 * len(payloads))]

        assert received == [*payloads, *(payload.decode() for payload in payloads)]


async def test_a_conversation_goes_both_ways(kind: str) -> None:
    async with lodging(kind, echo=True) as (served, _), served.connect() as client:
        for message in ("one", b"two", "three"):
            await client.send(message)
            assert await client.recv() == message


async def test_closing_sends_what_is_queued_then_the_code_then_nothing(kind: str) -> None:
    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)

        ear.say(b"last", b"words")
        ear.link.close(Close.SESSION_EXPIRED, "good night")
        ear.say(b"too late")
        ear.link.close(Close.GOING_AWAY)
        frames = [await peer.frame() for _ in range(3)]
        await peer.send(client_frame(8, close_payload(4500)))

        assert frames == [
            (BINARY, b"last"),
            (BINARY, b"words"),
            (CLOSE, close_payload(4500, "good night")),
        ]
        assert await peer.frames() == []
        assert ear.lost == [4500]


async def test_a_link_is_closed_from_the_moment_it_closes(kind: str) -> None:
    async with lodging(kind) as (served, house):
        _, ear = await opened(served, house)

        ear.link.close(1000)

        assert ear.link.closed
        assert ear.link.raw_write is None
        assert ear.lost == [1000]


@pytest.mark.parametrize(("code", "told"), [(1000, 1000), (4321, 4321), (None, 1005)])
async def test_the_receiver_hears_the_code_the_peer_closed_with(
    kind: str, code: int | None, told: int
) -> None:
    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)

        await peer.send(client_frame(8, close_payload(code) if code else b""))
        answer = await peer.frame()
        assert await peer.frames() == []
        await until(lambda: ear.lost)

        assert answer == (CLOSE, close_payload(code) if code else b"")
        assert ear.lost == [told]
        assert ear.link.closed


async def test_the_receiver_hears_that_the_peer_vanished(kind: str) -> None:
    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)

        peer.close(reset=True)
        await until(lambda: ear.lost)
        ear.say(b"anybody?")
        ear.link.close(1000)
        ear.link.abort()
        await until(lambda: not served.connections)

        assert len(ear.lost) == 1
        assert ear.lost[0] in {1005, 1006}  # uvicorn's own protocols say 1005
        assert ear.link.closed


async def test_nothing_is_delivered_after_the_link_closed(kind: str) -> None:
    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)

        ear.link.close(1000)
        await peer.send(client_frame(2, b"still there?") + client_frame(8, close_payload(1000)))
        await peer.frames()

        assert ear.messages == []
        assert ear.lost == [1000]


async def test_a_link_may_be_closed_by_the_message_it_delivers(kind: str) -> None:
    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)
        ear.on_message = lambda _: ear.link.close(4503)

        await peer.send(client_frame(2, b"first") + client_frame(2, b"second"))

        assert await peer.frame() == (CLOSE, close_payload(4503))
        assert ear.messages == [b"first"]


async def test_a_message_over_the_limit_closes_with_1009(kind: str) -> None:
    limits = msgspec.structs.replace(SLOW, message_bytes_max=100)

    async with lodging(kind, limits) as (served, house), served.connect() as client:
        await client.send(b"x" * 100)
        await client.send(b"x" * 101)
        with pytest.raises(websockets.ConnectionClosed):
            await client.recv()

        assert client.close_code == 1009
        assert house.ears[0].messages == [b"x" * 100]
        assert house.ears[0].lost == [1009]


async def test_a_slow_reader_is_cut_with_4001_while_others_receive(kind: str) -> None:
    limits = msgspec.structs.replace(SLOW, outbox_bytes_max=300_000)

    async with lodging(kind, limits) as (served, house), served.connect() as quick:
        await until(lambda: house.ears)
        quick_ear = house.ears[0]
        slow, slow_ear = await opened(served, house, receive_buffer=4_096)
        said = 0
        while not slow_ear.link.closed:
            slow_ear.say(CHUNK)
            quick_ear.say(CHUNK)
            said += 1
            assert await quick.recv() == CHUNK
            assert slow_ear.link.buffered <= 300_000

        assert slow_ear.lost == [Close.SLOW_READER]
        assert slow_ear.congestion == [True]
        assert not quick_ear.link.closed
        received = [await slow.frame() for _ in range(said)]
        assert received[:-1] == [(BINARY, CHUNK)] * (said - 1)
        assert received[-1] == (CLOSE, close_payload(4001, Close.SLOW_READER.reason))


async def test_congestion_is_told_when_it_begins_and_when_it_ends(kind: str) -> None:
    limits = msgspec.structs.replace(SLOW, outbox_bytes_max=100_000_000)

    async with lodging(kind, limits) as (served, house):
        peer, ear = await opened(served, house, receive_buffer=4_096)
        said = await stall(ear)
        assert ear.congestion == [True]
        assert ear.link.buffered > limits.outbox_bytes_high
        assert ear.link.unsent

        for _ in range(said):
            await peer.frame()
        await until(lambda: not ear.link.congested)

        assert ear.congestion == [True, False]
        assert ear.link.buffered <= limits.outbox_bytes_high


async def test_a_reader_that_is_not_congested_takes_a_parcel_of_any_size(kind: str) -> None:
    limits = msgspec.structs.replace(SLOW, outbox_bytes_high=4_096, outbox_bytes_max=8_192)
    payloads = [bytes([number]) * 60_000 for number in range(100)]

    async with lodging(kind, limits) as (served, house), served.connect() as client:
        await until(lambda: house.ears)
        house.ears[0].say(*payloads)

        assert [await client.recv() for _ in payloads] == payloads


async def test_aborting_drops_what_was_not_sent(kind: str) -> None:
    limits = msgspec.structs.replace(SLOW, outbox_bytes_max=100_000_000)

    async with lodging(kind, limits) as (served, house):
        peer, ear = await opened(served, house, receive_buffer=4_096)
        await stall(ear)
        ear.say(b"never to be read")

        ear.link.abort()
        ear.say(b"nor this")
        await settle(served, house)
        served.pass_time(SLOW.close_timeout_s)  # what a server may still wait for
        received = await peer.rest()

        assert ear.lost == [1006]
        assert ear.link.buffered == 0
        assert not ear.link.unsent
        assert b"never to be read" not in received
        assert b"nor this" not in received


async def test_aborting_ends_a_close_that_waits() -> None:
    async with lodging("slim") as (served, house):
        peer, ear = await opened(served, house)

        ear.link.close(4500)
        await settle(served, house)
        ear.link.abort()
        ear.link.abort()

        assert await peer.rest()
        assert ear.lost == [4500]


async def test_a_paused_link_delivers_nothing_until_it_is_resumed(kind: str) -> None:
    messages = [f"number {number}" for number in range(10)]

    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)
        ear.on_message = lambda _: ear.link.pause_reading()
        await peer.send(b"".join(client_frame(1, message.encode()) for message in messages))
        await until(lambda: ear.messages)
        await settle(served, house)
        assert ear.messages == messages[:1]

        ear.link.resume_reading()
        await settle(served, house)
        assert ear.messages == messages[:2]

        ear.on_message = None
        ear.link.resume_reading()
        await until(lambda: len(ear.messages) == len(messages))
        assert ear.messages == messages


async def test_a_paused_link_can_be_closed(kind: str) -> None:
    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)
        ear.link.pause_reading()
        await peer.send(client_frame(2, b"unheard"))
        await settle(served, house)

        ear.link.close(4500)
        assert await peer.frame() == (CLOSE, close_payload(4500))
        await peer.send(client_frame(8, close_payload(4500)))

        assert await peer.frames() == []
        assert ear.messages == []
        await until(lambda: not served.connections)


async def test_a_link_may_be_used_from_what_it_calls(kind: str) -> None:
    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)

        def insist() -> None:
            ear.say(b"one more thing")
            ear.link.close(1000)
            ear.link.pause_reading()
            ear.link.resume_reading()
            ear.link.abort()

        ear.on_lost = insist
        await peer.send(client_frame(8, close_payload(1000)))
        await until(lambda: not served.connections)

        assert ear.lost == [1000]
        assert b"one more thing" not in await peer.rest()


async def test_hundreds_of_messages_in_one_read_are_all_delivered(kind: str) -> None:
    messages = [str(number) for number in range(5_000)]

    async with lodging(kind) as (served, house):
        peer, ear = await opened(served, house)
        await peer.send(b"".join(client_frame(1, message.encode()) for message in messages))
        await until(lambda: len(ear.messages) == len(messages))

        assert ear.messages == messages


async def test_what_is_queued_when_the_peer_leaves_is_dropped(kind: str) -> None:
    limits = msgspec.structs.replace(SLOW, outbox_bytes_max=100_000_000)

    async with lodging(kind, limits) as (served, house):
        peer, ear = await opened(served, house, receive_buffer=4_096)
        await stall(ear)

        peer.close(reset=True)
        await until(lambda: ear.lost)
        await until(lambda: not served.connections)

        assert ear.congestion == [True]
