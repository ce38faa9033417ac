from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from server.protocol import replies
from server.protocol.codec import JSON, MSGPACK
from server.protocol.framing import BINARY, TEXT, Parcel, frame

EDGES = [0, 1, 124, 125, 126, 127, 255, 256, 65_534, 65_535, 65_536, 65_537, 1_000_000]
OPCODES = {TEXT: Opcode.TEXT, BINARY: Opcode.BINARY}


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("length", EDGES)
def test_a_frame_is_what_websockets_would_send(length: int, opcode: int) -> None:
    payload = b"x" * length

    framed = frame(opcode, payload)

    assert framed == Frame(OPCODES[opcode], payload).serialize(mask=False)


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65_535, b"\x82\x7e\xff\xff"),
        (65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_length_takes_the_fewest_bytes(length: int, head: bytes) -> None:
    assert frame(BINARY, bytes(length))[:-length] == head


sizes = st.integers(0, 300) | st.sampled_from(EDGES[:-1])


@given(st.lists(sizes, max_size=6), st.sampled_from([TEXT, BINARY]))
def test_a_parcel_weighs_what_it_holds(lengths: list[int], opcode: int) -> None:
    payloads = [bytes(length) for length in lengths]

    parcel = Parcel(payloads, opcode)

    assert parcel.size == len(parcel.blob)
    assert parcel.blob == b"".join(frame(opcode, payload) for payload in payloads)
    assert (parcel.payloads, parcel.opcode) == (payloads, opcode)


def test_a_parcel_is_framed_once_however_many_take_it() -> None:
    parcel = Parcel([b"one", b"two"], TEXT)

    assert parcel.blob is parcel.blob


def test_an_encoding_frames_what_it_encodes() -> None:
    for encoding, opcode in ((JSON, TEXT), (MSGPACK, BINARY)):
        message = replies.Done(id=7)

        assert encoding.frame(message) == frame(opcode, encoding.encode(message))
