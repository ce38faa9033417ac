from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from server import errors
from server.http.body import decode, read_body


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What the tests send."""

    text: str


class Tree(msgspec.Struct):
    """What can be nested without end."""

    child: Tree | None = None


def request(*messages: Message, length: str | None = None) -> Request:
    """Return a request whose body comes in these messages, and then no more."""
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    headers = [] if length is None else [(b"content-length", length.encode())]
    return Request({"type": "http", "headers": headers}, receive)


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_read_to_its_end() -> None:
    asked = request(part(b"ab", more=True), part(b"", more=True), part(b"cd"))

    assert await read_body(asked, 4) == b"abcd"


async def test_what_is_announced_as_too_large_is_not_read() -> None:
    with pytest.raises(errors.TooLarge):
        await read_body(request(length="5"), 4)
    with pytest.raises(errors.TooLarge):
        await read_body(request(length="9" * 5_000), 4)


@pytest.mark.parametrize("length", [None, "4", "no number"])
async def test_what_grows_too_large_is_refused_whatever_was_announced(length: str | None) -> None:
    asked = request(part(b"abc", more=True), part(b"de", more=True), length=length)

    with pytest.raises(errors.TooLarge):
        await read_body(asked, 4)


async def test_a_body_that_does_not_arrive_in_time_is_refused() -> None:
    with pytest.raises(errors.MalformedFrame, match="in time"):
        await read_body(request(part(b"a", more=True)), 4, timeout_s=0.01)


async def test_a_client_that_goes_away_is_no_refusal() -> None:
    with pytest.raises(ClientDisconnect):
        await read_body(request({"type": "http.disconnect"}), 4)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_they_are_read_or_refused(data: bytes) -> None:
    with suppress(errors.BadInput):
        assert isinstance(decode(data, Wanted), Wanted)


@given(st.text(max_size=50))
def test_a_text_comes_back_as_it_was_sent(text: str) -> None:
    assert decode(msgspec.json.encode({"text": text}), Wanted) == Wanted(text)


@pytest.mark.parametrize(
    "data", [b'{"text":"\\ud800"}', b'{"text":"\xed\xa0\x80"}', b'{"text":NaN}', b"[" * 100_000]
)
def test_what_is_no_json_is_malformed_or_invalid(data: bytes) -> None:
    with pytest.raises(errors.BadInput):
        decode(data, Wanted)


def test_depth_is_no_bomb() -> None:
    with pytest.raises(errors.MalformedFrame):
        decode(b'{"child":' * 50_000, Tree)
    with pytest.raises(errors.BadInput):
        decode(b'{"text":' * 50_000, Wanted)


def test_an_invalid_field_is_told_where_it_is() -> None:
    with pytest.raises(errors.InvalidField, match="text"):
        decode(b'{"text":1}', Wanted)
