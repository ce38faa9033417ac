"""The head of an HTTP request is bounded, in both modes."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.house import House
from tests.people import PATIENCE_S


@pytest.mark.parametrize("piece", [b"X: a\r\n" * 1_000, b"X" * 6_000], ids=["lines", "one line"])
async def test_a_head_without_end_is_hung_up_on(house: House, piece: bytes) -> None:
    parts = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    sent = 0
    try:
        while sent < 4_000_000 and not reader.at_eof():
            writer.write(piece)
            await asyncio.wait_for(writer.drain(), PATIENCE_S)
            sent += len(piece)
            await asyncio.sleep(0)
    except ConnectionError:
        pass  # hung up on while writing: what was asked for
    finally:
        writer.close()

    assert sent < 2_000_000


async def test_a_head_of_ordinary_length_is_served(house: House) -> None:
    parts = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 16_000 + b"\r\n\r\n")

    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE_S)

    writer.close()
    assert answer == b"HTTP/1.1 200 OK\r\n"
