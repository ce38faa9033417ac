"""Whatever a peer sends, and however it is cut into reads, websockets' own parser is right.

The protocol runs here on a tape instead of a socket, because only so are the reads exactly as
drawn; what it says on real ones is in ``test_conformance.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from server.gateway.inflow import BATCH_MAX, Inflow, frame_size, simple_frames
from server.gateway.link import LinkLimits
from server.gateway.slim import FRAMES_PER_TURN, SlimProtocol, slim_protocols
from tests.gateway.serving import Ear, House, client_frame, close_payload, until

LIMIT = 300
LIMITS = LinkLimits(message_bytes_max=LIMIT, flood_pause_s=0)

Outcome = tuple[list[bytes | str], list[tuple[int, bytes]]]  #: messages taken, frames answered


def judged(data: bytes) -> Outcome:
    """Return what websockets makes of ``data``, given whole: the oracle."""
    parser = Protocol(SERVER, state=OPEN, max_size=LIMIT, logger=logging.getLogger("silent"))
    parser.receive_data(data)
    messages: list[bytes | str] = []
    answers: list[tuple[int, bytes]] = []
    opcode, parts = Opcode.CONT, b""
    for frame in parser.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode is Opcode.CLOSE:
            return messages, [*answers, (0x88, bytes(frame.data))]
        if frame.opcode is Opcode.PING:
            answers.append((0x8A, bytes(frame.data)))
        elif frame.opcode is not Opcode.PONG:
            opcode = opcode if frame.opcode is Opcode.CONT else frame.opcode
            parts += bytes(frame.data)
            if frame.fin:
                try:
                    messages.append(parts.decode() if opcode is Opcode.TEXT else parts)
                except UnicodeDecodeError:
                    return messages, [*answers, (0x88, close_payload(1007))]
                parts = b""
    if parser.parser_exc is not None:
        assert parser.close_sent is not None
        answers.append((0x88, close_payload(int(parser.close_sent.code))))
    return messages, answers


#: A handshake, as the HTTP parser hands it on.
HEAD = {
    "method": "GET",
    "scheme": "http",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 50_000),
    "headers": [
        (b"host", b"here"),
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"sec-websocket-version", b"13"),
    ],
}


class Tape(asyncio.Transport):
    """A transport that records, and that is read by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.finished = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Record ``data``."""
        assert not self.finished, "nothing follows the end"
        self.written += data

    def get_write_buffer_size(self) -> int:
        """Say that all was taken."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have none."""

    def pause_reading(self) -> None:
        """Stop, once."""
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        """Start, once."""
        assert not self.reading
        self.reading = True

    def can_write_eof(self) -> bool:
        """Say yes, as TCP does."""
        return True

    def write_eof(self) -> None:
        """End the recording."""
        self.finished = True

    def close(self) -> None:
        """End the recording."""
        self.finished = True

    def abort(self) -> None:
        """End the recording."""
        self.finished = True


async def detached(tape: Tape) -> tuple[SlimProtocol, Ear]:
    """Return a protocol that has shaken hands over ``tape``, and its ear."""
    house = House(LIMITS)
    config = Config(house, log_config=None)
    config.load()
    protocol = slim_protocols(LIMITS).ws(config, ServerState(), {})
    protocol.connection_made(tape)
    protocol.take_head(HEAD, b"/")
    await until(lambda: house.ears)
    tape.written = b""
    return protocol, house.ears[0]


async def played(reads: Iterable[bytes], *, pausing: bool) -> Outcome:
    """Return what the protocol makes of ``reads``, pausing at every message if it is told to."""
    tape = Tape()
    protocol, ear = await detached(tape)
    if pausing:
        ear.on_message = lambda _: protocol.pause_reading()
    for read in reads:
        protocol.data_received(read)
        for _ in range(1_000):
            if tape.reading or tape.finished:
                break
            known = len(ear.messages)
            protocol.resume_reading()
            await asyncio.sleep(0)
            assert not pausing or len(ear.messages) <= known + 1
    answers = list(_frames(tape.written))
    assert ear.lost == [_code(payload) for first, payload in answers if first == 0x88]
    protocol.connection_lost(None)
    return ear.messages, answers


def _code(payload: bytes) -> int:
    return int.from_bytes(payload[:2], "big") or 1005


def _frames(data: bytes) -> Iterable[tuple[int, bytes]]:
    while data:
        first, length = data[:2]
        yield first, data[2 : 2 + length]
        data = data[2 + length :]


def _without_own_reason(outcome: Outcome) -> Outcome:
    messages, answers = outcome
    own = {close_payload(code) for code in (1002, 1007, 1009)}
    return messages, [
        (first, payload[:2] if first == 0x88 and payload[:2] in own else payload)
        for first, payload in answers
    ]


SIZES = st.sampled_from([0, 1, 5, 124, 125, 126, 127, LIMIT - 1, LIMIT])
TEXTS = st.text(max_size=8).map(str.encode) | SIZES.map(lambda size: b"a" * size)
BYTES = st.binary(max_size=8) | SIZES.map(lambda size: b"\xff" * size)
CONTROLS = st.builds(client_frame, st.sampled_from([9, 10]), st.binary(max_size=125))
WHOLE = st.builds(client_frame, st.just(1), TEXTS) | st.builds(client_frame, st.just(2), BYTES)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """Draw a message in parts, with control frames between them."""
    opcode, payload = draw(st.tuples(st.just(1), TEXTS) | st.tuples(st.just(2), BYTES))
    cuts = draw(st.lists(st.integers(0, len(payload)), min_size=1, max_size=4))
    places = [0, *sorted(cuts), len(payload)]
    stream = b""
    for number, (start, end) in enumerate(pairwise(places)):
        fin = number == len(places) - 2
        stream += client_frame(0 if number else opcode, payload[start:end], fin=fin)
        stream += b"" if fin else draw(st.just(b"") | CONTROLS)
    return stream


CODES = st.sampled_from([1000, 1005, 4000, 999])
ODD = st.one_of(
    st.builds(client_frame, st.integers(0, 15), BYTES, fin=st.booleans(), masked=st.booleans()),
    st.builds(client_frame, st.integers(0, 15), BYTES, rsv=st.integers(0, 7)),
    st.builds(client_frame, st.sampled_from([1, 2]), st.just(b"x" * (LIMIT + 1))),
    st.builds(client_frame, st.sampled_from([9, 10, 8]), st.just(b"x" * 126)),
    st.builds(client_frame, st.just(1), st.sampled_from([b"\xff", b"a\xc3", b"\xed\xa0\x80"])),
    st.builds(lambda code: client_frame(8, close_payload(code, "é")), CODES),
    st.binary(max_size=20),
)
#: Sound for a while, so that what is odd comes in every state; then anything.
STREAMS = st.builds(
    lambda sound, odd: b"".join(sound) + b"".join(odd),
    st.lists(st.one_of(WHOLE, WHOLE, CONTROLS, fragmented()), max_size=10),
    st.lists(st.one_of(ODD, WHOLE), max_size=3),
)


@settings(max_examples=250, deadline=None)
@given(data=STREAMS, cuts=st.lists(st.integers(0, 2_000), max_size=8), pausing=st.booleans())
@example(data=client_frame(2, b"x" * 10), cuts=[6], pausing=False)  # the head, then the rest
@example(data=client_frame(1, fin=False) + client_frame(0), cuts=[6, 7], pausing=True)
@example(data=client_frame(9) * 600 + client_frame(1, b"x"), cuts=[], pausing=True)
def test_any_stream_in_any_reads_is_what_websockets_says_it_is(
    *, data: bytes, cuts: list[int], pausing: bool
) -> None:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    reads = [data[start:end] for start, end in pairwise(places)]

    outcome = asyncio.run(played(reads, pausing=pausing))

    assert _without_own_reason(outcome) == _without_own_reason(judged(data))


@settings(max_examples=100, deadline=None)
@given(STREAMS)
def test_a_stream_that_comes_byte_by_byte_is_what_websockets_says_it_is(data: bytes) -> None:
    reads = [data[at : at + 1] for at in range(len(data))]

    outcome = asyncio.run(played(reads, pausing=False))

    assert _without_own_reason(outcome) == _without_own_reason(judged(data))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_the_size_of_a_frame_is_known_from_its_head(size: int) -> None:
    frame = client_frame(2, b"x" * size)
    head = frame[: len(frame) - size - 4]

    assert frame_size(b"before" + head, 6) == len(frame)
    assert frame_size(b"before" + head[:-1], 6) is None


def test_a_read_full_of_tiny_frames_is_parsed_in_batches() -> None:
    data = client_frame(2) * 10_000

    events, end = simple_frames(data, 0, LIMIT)

    assert events == [(0x82, b"")] * BATCH_MAX
    assert end == BATCH_MAX * 6


def test_an_unfinished_message_of_empty_parts_takes_no_memory() -> None:
    inflow = Inflow(LIMIT)
    inflow.feed(client_frame(2, fin=False) + client_frame(0, fin=False) * 10_000)

    while inflow.take() is not None:
        pass

    assert not inflow.idle
    assert inflow._message is not None
    assert not inflow._message


async def test_a_flood_of_frames_leaves_the_loop_to_others_after_each_turn() -> None:
    tape = Tape()
    protocol, ear = await detached(tape)
    flood = client_frame(1, b"x") * (FRAMES_PER_TURN * 10)

    protocol.data_received(flood)

    assert len(ear.messages) <= 2 * FRAMES_PER_TURN
    assert not tape.reading
    for _ in range(7):
        await asyncio.sleep(0)
    assert len(ear.messages) < FRAMES_PER_TURN * 10
    await until(lambda: tape.reading)
    assert len(ear.messages) == FRAMES_PER_TURN * 10
    protocol.connection_lost(None)
