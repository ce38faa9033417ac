from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import wire
from clients.failures import Misuse
from clients.wire import Incoherent, check_body, encoding

ENCODINGS = ["msgpack", "json"]


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_frame_comes_back_as_it_went(name: str) -> None:
    frame = {"type": "post", "id": 1, "body": "été 👩‍👩‍👧", "revision": None}

    assert encoding(name).decode(encoding(name).encode(frame)) == frame


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("json", "{"),
        ("json", "[]"),
        ("json", "{}"),
        ("json", '{"type": 1}'),
        ("json", "[" * 100_000),
        ("json", b"\xff"),
        ("msgpack", b""),
        ("msgpack", b"\xc1"),
        ("msgpack", b"\x80\x80"),
        ("msgpack", b"\x81\xa4type\xa1\xff"),
        ("msgpack", "text"),
        ("msgpack", b"\x91" * 10_000),
    ],
)
def test_what_is_not_a_frame_is_incoherent(name: str, data: bytes | str) -> None:
    with pytest.raises(Incoherent):
        encoding(name).decode(data)


@given(st.binary())
def test_no_bytes_whatever_make_the_decoder_stumble(data: bytes) -> None:
    for name in ENCODINGS:
        with suppress(Incoherent):
            assert isinstance(encoding(name).decode(data)["type"], str)


def test_the_encodings_have_the_names_of_the_protocol() -> None:
    assert [encoding(name).subprotocol for name in ENCODINGS] == [
        "cloison.v1.msgpack",
        "cloison.v1.json",
    ]


def test_a_command_leaves_out_what_was_not_said() -> None:
    assert wire.request("subscribe", 7, {"sphere": "s", "after": None}) == {
        "type": "subscribe",
        "id": 7,
        "sphere": "s",
    }


def test_ids_of_messages_are_never_drawn_twice() -> None:
    assert len({wire.draw_client_id() for _ in range(100)}) == 100


@pytest.mark.parametrize("body", ["", " \n", "x" * 16_001, "half \udcff"])
def test_a_body_that_no_server_takes_is_refused_here(body: str) -> None:
    with pytest.raises(Misuse):
        check_body(body)


def test_the_longest_body_is_counted_in_characters() -> None:
    assert check_body("👩" * 16_000)


def test_an_id_has_twenty_six_characters_of_its_alphabet() -> None:
    assert wire.is_id("a2" * 13)
    assert not wire.is_id("a2" * 12)
    assert not wire.is_id("A2" * 13)
    assert not wire.is_id("a1" * 13)
