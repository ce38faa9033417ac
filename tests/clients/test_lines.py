from __future__ import annotations

import os

import pytest

from clients.failures import Misuse
from clients.lines import Lines


def pipe(data: bytes) -> int:
    readable, writable = os.pipe()
    os.write(writable, data)
    os.close(writable)
    return readable


async def all_lines(data: bytes) -> list[str]:
    return [line async for line in Lines(pipe(data))]


async def test_lines_come_without_their_ends() -> None:
    assert await all_lines("été\r\n\nlast\n".encode()) == ["été", "", "last"]


async def test_a_last_line_needs_no_end() -> None:
    assert await all_lines(b"one\ntwo") == ["one", "two"]


async def test_no_input_has_no_lines() -> None:
    assert await all_lines(b"") == []


async def test_a_line_comes_as_soon_as_it_is_there() -> None:
    readable, writable = os.pipe()
    lines = Lines(readable)
    os.write(writable, b"first\nsec")

    assert await lines.next() == "first"
    os.write(writable, b"ond\n")
    assert await lines.next() == "second"
    os.close(writable)

    assert await lines.next() is None


async def test_what_is_not_utf_8_is_refused() -> None:
    with pytest.raises(Misuse, match="UTF-8"):
        await all_lines(b"\xff\n")


async def test_a_line_longer_than_any_message_is_refused_before_it_fills_the_memory() -> None:
    readable, writable = os.pipe()
    lines = Lines(readable)
    os.write(writable, b"x" * 65_000)

    with pytest.raises(Misuse, match="longer than a message"):
        await lines.next()
    os.close(writable)


async def test_an_input_that_is_gone_has_ended() -> None:
    readable = pipe(b"")
    lines = Lines(readable)
    os.close(readable)

    assert await lines.next() is None
