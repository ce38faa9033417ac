"""What the slim protocol promises beyond the contract of a link."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref

import msgspec
import pytest
import websockets

from server.gateway.conversation import Conversation
from server.gateway.link import LinkLimits, Parcel
from server.gateway.slim import SlimProtocol, close_frame, slim_protocols
from server.gateway.upgrade import SlimHttpProtocol
from server.protocol.close import Close
from server.protocol.framing import BINARY
from tests.gateway.serving import (
    HANDSHAKE,
    SLOW,
    House,
    Peer,
    client_frame,
    close_payload,
    opened,
    serving,
    settle,
    until,
)

CLOSE, PING = 0x88, 0x89
INTERVAL, TIMEOUT = SLOW.ping_interval_s, SLOW.ping_timeout_s


def slim(link: object) -> SlimProtocol:
    """Return the protocol that a link is."""
    assert isinstance(link, SlimProtocol)
    return link


# Keepalive.


async def test_a_peer_that_answers_pings_stays() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)
        served.pass_time(INTERVAL / 2)
        for _ in range(5):
            assert await peer.frame() == (PING, b"")
            await peer.send(client_frame(10))
            await until(lambda: slim(ear.link)._heard)
            served.pass_time(TIMEOUT)

        assert not ear.link.closed
        assert ear.messages == []


async def test_a_silent_peer_is_cut_with_1011() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)

        served.pass_time(INTERVAL + TIMEOUT)

        assert await peer.frames() == [
            (PING, b""),
            (CLOSE, close_payload(1011, "keepalive ping timeout")),
        ]
        assert ear.lost == [1011]


async def test_any_byte_is_a_sign_of_life() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)
        served.pass_time(INTERVAL)

        await peer.send(client_frame(2, b"unfinished")[:-1])
        await until(lambda: slim(ear.link)._heard)
        served.pass_time(TIMEOUT / 2)

        assert not ear.link.closed


async def test_a_peer_that_is_kept_waiting_is_not_a_silent_one() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)
        ear.link.pause_reading()

        served.pass_time(3 * (INTERVAL + TIMEOUT))
        ear.link.resume_reading()
        served.pass_time(TIMEOUT / 2)

        assert not ear.link.closed
        assert await peer.frame() == (PING, b"")


async def test_pings_are_rarer_than_their_timeout_when_that_is_shorter() -> None:
    limits = msgspec.structs.replace(SLOW, ping_interval_s=600, ping_timeout_s=60)
    house = House(limits)
    async with serving(house, limits) as served:
        peer, ear = await opened(served, house)
        pings = 0
        for _ in range(60):  # an hour
            served.pass_time(60)
            await peer.send(client_frame(10))
            slim(ear.link)._heard = False
            await until(lambda: slim(ear.link)._heard)
        ear.link.close(1000)
        while await peer.frame() == (PING, b""):
            pings += 1

        assert 3 <= pings <= 7


async def test_connections_are_not_pinged_all_at_once() -> None:
    house = House()
    async with serving(house) as served:
        for _ in range(16):
            await opened(served, house)

        seats = {id(slim(ear.link).seat) for ear in house.ears}

        assert len(seats) > 8


# Deadlines.


async def test_a_peer_that_does_not_answer_a_close_is_cut() -> None:
    limits = msgspec.structs.replace(SLOW, close_timeout_s=60)
    house = House(limits)
    async with serving(house, limits) as served:
        peer, ear = await opened(served, house)
        served.pass_time(INTERVAL / 2)
        assert await peer.frame() == (PING, b"")
        ear.link.close(4500)
        await settle(served, house)
        assert served.connections == 1

        served.pass_time(limits.close_timeout_s)

        assert await peer.rest() == close_frame(4500, "")
        await until(lambda: not served.connections)


async def test_a_stalled_peer_that_is_closed_is_cut_with_what_it_did_not_read() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house, receive_buffer=4_096)
        while not ear.link.closed:
            ear.say(b"x" * 60_000)
        assert ear.lost == [Close.SLOW_READER]

        served.pass_time(SLOW.close_timeout_s)
        await until(lambda: not served.connections)

        assert not (await peer.rest()).endswith(close_frame(4001, Close.SLOW_READER.reason))


async def test_a_peer_that_broke_the_protocol_is_given_time_to_read_why() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)

        await peer.send(client_frame(2, b"x" * 70_000) + client_frame(2, b"y" * 60_000) * 20)

        assert [frame[1][:2] for frame in await peer.frames()] == [close_payload(1009)]
        assert ear.lost == [1009]
        assert ear.messages == []
        peer.close()
        await until(lambda: not served.connections)


async def test_a_peer_that_broke_the_protocol_is_not_given_for_ever() -> None:
    house = House()
    async with serving(house) as served:
        peer, _ = await opened(served, house)
        await peer.send(client_frame(3))
        await peer.frames()
        assert served.connections == 1

        served.pass_time(SLOW.close_timeout_s)

        await until(lambda: not served.connections)


async def test_a_connection_that_never_finishes_its_request_is_cut() -> None:
    async with serving(House()) as served:
        peers = [Peer(served.dial()) for _ in range(3)]
        await peers[1].send(HANDSHAKE[:30])
        await peers[2].send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nhalf")
        await until(lambda: served.connections == 3)
        await until(lambda: all(getattr(one, "seat", None) for one in served.known))

        served.pass_time(SLOW.handshake_timeout_s)

        await until(lambda: not served.connections)


# Floods.


async def test_a_flood_of_pings_that_nobody_reads_the_answers_of_is_bounded() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house, receive_buffer=4_096)
        flood = client_frame(9, b"x" * 125) * 500

        async def send_for_ever() -> None:
            while True:
                await peer.send(flood)

        sending = asyncio.ensure_future(send_for_ever())
        await until(lambda: ear.link.closed)
        sending.cancel()

        assert ear.lost == [Close.SLOW_READER]
        assert slim(ear.link).buffered <= SLOW.outbox_bytes_max + 1_000


async def test_a_flood_of_pings_is_answered_in_few_writes() -> None:
    house = House()
    async with serving(house) as served:
        peer, _ = await opened(served, house)
        await peer.send(client_frame(9, b"x") * 200)

        pongs = [await peer.frame() for _ in range(200)]

        assert pongs == [(0x8A, b"x")] * 200


# The short cut.


async def test_a_framed_blob_may_be_written_straight_to_the_transport() -> None:
    house = House()
    async with serving(house) as served, served.connect() as client:
        await until(lambda: house.ears)
        write = house.ears[0].link.raw_write
        assert write is not None

        write(Parcel([b"a", b"b"], BINARY).blob)

        assert [await client.recv(), await client.recv()] == [b"a", b"b"]


async def test_congestion_is_told_within_the_write_that_causes_it() -> None:
    house = House()
    async with serving(house) as served:
        _, ear = await opened(served, house, receive_buffer=4_096)
        write = ear.link.raw_write
        assert write is not None
        blob = Parcel([b"x" * 60_000], BINARY).blob
        while not ear.congestion:
            write(blob)

        assert ear.congestion == [True]
        assert ear.link.congested
        assert not ear.link.closed


async def test_what_a_receiver_writes_when_told_of_the_end_precedes_the_close_frame() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)
        write = ear.link.raw_write
        assert write is not None
        ear.on_lost = lambda: write(Parcel([b"last"], BINARY).blob)

        await peer.send(client_frame(8, close_payload(1000)))

        assert await peer.frames() == [(BINARY, b"last"), (CLOSE, close_payload(1000))]


async def test_an_aborted_connection_is_reset() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)

        ear.link.abort()

        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(peer.sock, 1)


async def test_nothing_leaves_once_anything_scheduled_after_an_abort_runs() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house, receive_buffer=4_096)
        while not ear.link.congested:
            ear.say(b"x" * 60_000)
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def read_all() -> None:
            try:
                while peer.sock.recv(1 << 20):
                    pass
            except ConnectionResetError:
                ended.set_result(True)
            except BlockingIOError:
                ended.set_result(False)

        ear.link.abort()
        asyncio.get_running_loop().call_soon(read_all)

        assert await ended, "the kernel would have sent more as the peer read on"


async def test_bytes_that_the_kernel_keeps_count_as_unsent() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house, receive_buffer=4_096)
        unsent = [ear.link.unsent]
        ear.say(b"x" * 60_000)
        unsent.append(ear.link.unsent)
        assert ear.link.buffered == 0

        await peer.frame()
        await until(lambda: not ear.link.unsent)
        ear.link.abort()
        unsent.append(ear.link.unsent)

        assert unsent == [False, True, False]


async def test_what_a_receiver_writes_when_told_of_an_abort_does_not_leave() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)
        write = ear.link.raw_write
        assert write is not None
        ear.on_lost = lambda: write(b"secret")

        ear.link.abort()

        assert await peer.rest() == b""


# Codes.


def test_a_long_reason_is_cut_between_two_characters() -> None:
    assert close_frame(1000, "é" * 100) == b"\x88\x7c\x03\xe8" + ("é" * 61).encode()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 5000])
async def test_a_code_that_may_not_be_sent_is_a_bug_and_changes_nothing(code: int) -> None:
    house = House()
    async with serving(house) as served:
        _, ear = await opened(served, house)

        with pytest.raises(websockets.ProtocolError):
            ear.link.close(code)

        assert not ear.link.closed
        assert ear.lost == []


# Shutting down.


async def test_the_server_says_4000_when_it_stops_and_waits_for_the_answer() -> None:
    house = House()
    async with serving(house) as served, served.connect() as client:
        await until(lambda: house.ears)

        await served.server.shutdown()

        assert house.ears[0].lost == [Close.GOING_AWAY]
        with pytest.raises(websockets.ConnectionClosed):
            await client.recv()
        assert client.close_code == 4000
        assert served.connections == 0


# What sleeping costs.


async def test_a_sleeping_connection_keeps_nothing_of_its_handshake() -> None:
    gc.collect()
    gc.disable()
    try:
        house = House()
        async with serving(house) as served:
            _, ear = await opened(served, house)
            await settle(served, house)
            leftovers = [
                item
                for item in gc.get_objects()
                if isinstance(item, Conversation | SlimHttpProtocol)
            ]

            assert leftovers == []
            assert served.server.server_state.tasks == set()
            assert slim(ear.link)._inflow is None
            assert not hasattr(ear.link, "__dict__")
    finally:
        gc.enable()


async def test_the_parser_goes_when_it_is_no_longer_needed() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)
        link = slim(ear.link)

        await peer.send(client_frame(1, b"in ", fin=False))
        await until(lambda: link._inflow is not None)
        await peer.send(client_frame(0, b"parts"))
        await until(lambda: ear.messages == ["in parts"])

        assert link._inflow is None


async def test_a_receiver_is_released_at_the_end_even_if_the_link_is_kept() -> None:
    house = House()
    async with serving(house) as served:
        peer, ear = await opened(served, house)
        link, gone = ear.link, weakref.ref(ear)
        peer.close()
        await until(lambda: not served.connections)

        house.ears.clear()
        del ear

        assert link.closed
        assert gone() is None


# Limits.


async def test_each_pair_of_protocols_has_limits_and_a_wheel_of_its_own() -> None:
    small, large = (slim_protocols(LinkLimits(message_bytes_max=size)) for size in (10, 1_000_000))

    assert small.ws.limits is small.http.limits
    assert small.ws.wheel is small.http.wheel
    assert small.ws.wheel is not large.ws.wheel
    assert large.ws.limits.message_bytes_max == 1_000_000
    assert SlimProtocol.limits == LinkLimits()


async def test_connections_that_come_and_go_leave_nothing() -> None:
    house = House(echo=True)
    async with serving(house) as served:
        for number in range(40):
            peer, ear = await opened(served, house)
            await peer.send(client_frame(2, b"x"))
            await peer.frame()
            if number % 4 == 0:
                ear.link.abort()
            elif number % 4 == 1:
                ear.link.close(1000)
            peer.close(reset=number % 4 == 2)
        await until(lambda: not served.connections)

        assert not any(served.protocols.ws.wheel._ring)
        assert [len(ear.lost) for ear in house.ears] == [1] * 40


async def test_a_socket_that_is_not_tcp_serves_too(tmp_path: object) -> None:
    house = House(echo=True)
    path = f"{tmp_path}/socket"
    async with serving(house, uds=path), websockets.unix_connect(path, proxy=None) as client:
        await client.send("over a pipe")

        assert await client.recv() == "over a pipe"
    assert socket.AF_UNIX
