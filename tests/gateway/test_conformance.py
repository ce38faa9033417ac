"""RFC 6455, case by case, in the manner (and with the numbers) of the Autobahn test suite.

Every case runs on an application in callbacks, all at once, and on one that stays with ASGI, step
by step (one that awaits cannot answer what came in one read with a close). Each arrives in one
piece, in pieces, and a byte at a time: the same bytes always get the same answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from starlette.types import Receive, Scope, Send

from tests.gateway.serving import (
    HANDSHAKE,
    House,
    Peer,
    Served,
    client_frame,
    close_payload,
    serving,
)

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
BYE = client_frame(CLOSE, close_payload(1000))

Answer = tuple[int, bytes]


Step = tuple[bytes, list[Answer]]  #: what a client sends, and what it must get for it


class Case(NamedTuple):
    """A conversation, and all of it."""

    name: str
    steps: list[Step]

    @property
    def sent(self) -> bytes:
        """Return everything that the client sends."""
        return b"".join(sent for sent, _ in self.steps)

    @property
    def answers(self) -> list[Answer]:
        """Return everything that it must get."""
        return [answer for _, answers in self.steps for answer in answers]


def text(payload: bytes) -> Answer:
    """Return a text message from the server."""
    return 0x80 | TEXT, payload


def binary(payload: bytes) -> Answer:
    """Return a binary message from the server."""
    return 0x80 | BINARY, payload


def pong(payload: bytes = b"") -> Answer:
    """Return a pong from the server."""
    return 0x80 | PONG, payload


def closed(code: int) -> Answer:
    """Return a close frame from the server; its reason is not part of the standard."""
    return 0x80 | CLOSE, close_payload(code)


LEAVE: Step = (BYE, [closed(1000)])


def case(name: str, sent: bytes, *answers: Answer) -> Case:
    """Return the case of something that is answered; then the client leaves."""
    return Case(name, [(sent, list(answers)), LEAVE])


def echoed(name: str, opcode: int, payload: bytes) -> Case:
    """Return the case of a message that comes back."""
    return case(name, client_frame(opcode, payload), (0x80 | opcode, payload))


def refused(name: str, sent: bytes, code: int = 1002, *, first: Step | None = None) -> Case:
    """Return the case of something that must not be sent; nothing that follows it counts."""
    after = client_frame(TEXT, b"ignored") + client_frame(PING) + BYE
    return Case(name, [*([first] if first else []), (sent + after, [closed(code)])])


FINE: Step = (client_frame(TEXT, b"fine"), [text(b"fine")])


def framing() -> Iterator[Case]:
    """Yield messages of every form of length."""
    for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536):
        yield echoed(f"1.1 text of {size}", TEXT, b"*" * size)
        yield echoed(f"1.2 binary of {size}", BINARY, b"\xfe" * size)


def pings() -> Iterator[Case]:
    """Yield pings and pongs."""
    data = bytes(range(125))
    yield case("2.1 empty ping", client_frame(PING), pong())
    yield case("2.2 ping with text", client_frame(PING, b"hello"), pong(b"hello"))
    yield case("2.4 ping of 125", client_frame(PING, data), pong(data))
    yield refused("2.5 ping of 126", client_frame(PING, b"x" * 126))
    yield case("2.7 unsolicited pong", client_frame(PONG))
    yield case("2.8 unsolicited pong, payload", client_frame(PONG, b"x"))
    both = client_frame(PONG, b"x") + client_frame(PING, b"y")
    yield case("2.9 pong then ping", both, pong(b"y"))
    ten = [bytes([48 + number]) for number in range(10)]
    yield case("2.10 ten pings", b"".join(client_frame(PING, one) for one in ten), *map(pong, ten))
    first = client_frame(PING, b"1") + client_frame(TEXT, b"2")
    steps: list[Step] = [(first, [pong(b"1"), text(b"2")]), (client_frame(PING), [pong()]), LEAVE]
    yield Case("2.x in order", steps)


def reserved() -> Iterator[Case]:
    """Yield what the standard reserves."""
    for rsv in range(1, 8):
        sent = client_frame(TEXT, b"not", rsv=rsv)
        yield refused(f"3.x text with bits {rsv}", sent, first=FINE)
    for opcode in (BINARY, CONT, PING, PONG, CLOSE):
        yield refused(f"3.x opcode {opcode} with a bit", client_frame(opcode, rsv=4))
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield refused(f"4.x opcode {opcode}", client_frame(opcode, b"x"), first=FINE)
        yield refused(f"4.x opcode {opcode}, empty", client_frame(opcode))
    for opcode in (TEXT, BINARY, CONT, PING, PONG, CLOSE):
        sent = client_frame(opcode, b"", masked=False)
        yield refused(f"x unmasked opcode {opcode}", sent, first=FINE)


def fragments() -> Iterator[Case]:
    """Yield messages in parts, and parts of no message."""
    begun = client_frame(TEXT, b"fragment1", fin=False)
    ended = client_frame(CONT, b"fragment2")
    ping, whole = client_frame(PING, b"ping"), text(b"fragment1fragment2")
    yield refused("5.1 ping in parts", client_frame(PING, b"x", fin=False))
    yield refused("5.2 pong in parts", client_frame(PONG, b"x", fin=False))
    yield refused("5.x close in parts", client_frame(CLOSE, b"", fin=False))
    yield case("5.3 two parts", begun + ended, whole)
    yield case("5.6 a ping between", begun + ping + ended, pong(b"ping"), whole)
    yield refused("5.9 a continuation of nothing", client_frame(CONT, b"x"))
    yield refused("5.11 the same, unfinished", client_frame(CONT, b"x", fin=False))
    yield refused("5.15 one more part", ended, first=(begun + ended, [whole]))
    yield refused("5.18 a text within a text", begun + client_frame(TEXT, b"x"))
    yield refused("5.x a binary within a text", begun + client_frame(BINARY, b"x"))
    yield refused("5.x a close within a text", begun + BYE)
    five = [client_frame(CONT, b"%d" % number, fin=number == 4) for number in range(5)]
    pongs = [pong(b"ping")] * 4
    yield case("5.19 pings everywhere", begun + ping.join(five), *pongs, text(b"fragment101234"))
    empty = client_frame(BINARY, fin=False) + client_frame(CONT, fin=False) + client_frame(CONT)
    yield case("5.x empty parts", empty, binary(b""))
    late = client_frame(TEXT, b"", fin=False) + client_frame(CONT, b"late")
    yield case("5.x an empty beginning", late, text(b"late"))


GOOD_TEXT = ["Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\ufeff", "\uffff", "\U0010ffff", "\x00", "𝄞"]
BAD_TEXT = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",  # a surrogate
    b"\xff",
    b"\x80",
    b"\xc0\xaf",  # overlong
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf4\x90\x80\x80",  # over U+10FFFF
    b"\xf8\x88\x80\x80\x80",
    b"\xce",  # cut short
    b"\xf0\x9d\x84",
    b"a" * 200 + b"\xed\xbf\xbf",
]


def unicode() -> Iterator[Case]:
    """Yield text that is UTF-8, and text that is not."""
    for good in GOOD_TEXT:
        payload = good.encode()
        yield echoed(f"6.x {good!a}", TEXT, payload)
        parts = client_frame(TEXT, payload[:1], fin=False)
        parts += client_frame(CONT, payload[1:2], fin=False) + client_frame(CONT, payload[2:])
        yield case(f"6.x {good!a} cut anywhere", parts, text(payload))
    for bad in BAD_TEXT:
        parts = client_frame(TEXT, bad[:1], fin=False) + client_frame(CONT, bad[1:])
        yield refused(f"6.x {bad[-8:]!r}", client_frame(TEXT, bad), 1007, first=FINE)
        yield refused(f"6.x {bad[-8:]!r} cut anywhere", parts, 1007)
        yield echoed(f"6.x {bad[-8:]!r} as binary", BINARY, bad)


def closing() -> Iterator[Case]:
    """Yield ways to leave."""
    after = client_frame(TEXT, b"ignored") + client_frame(PING, b"ignored") + BYE
    yield Case("7.1.2 close twice", [LEAVE, (BYE, [])])
    yield Case("7.1.3 anything after close", [(BYE + after, [closed(1000)])])
    yield Case("7.3.1 close without a code", [(client_frame(CLOSE) + after, [(0x88, b"")])])
    yield refused("7.3.2 close of one byte", client_frame(CLOSE, b"\x03"))
    full = close_payload(1000, "*" * 123)
    yield Case("7.3.5 reason of 123", [(client_frame(CLOSE, full) + after, [(0x88, full)])])
    yield refused("7.3.6 reason of 124", client_frame(CLOSE, close_payload(1000, "*" * 124)))
    bad = close_payload(1000) + b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"
    yield refused("7.5.1 reason not UTF-8", client_frame(CLOSE, bad), 1007)
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        sent = client_frame(CLOSE, close_payload(code)) + after
        yield Case(f"7.7 code {code}", [(sent, [closed(code)])])
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535):
        yield refused(f"7.9 code {code}", client_frame(CLOSE, close_payload(code)))


def limits() -> Iterator[Case]:
    """Yield what is as large as may be, and larger."""
    half = b"x" * 32_768
    begun, more = client_frame(BINARY, half, fin=False), client_frame(CONT, half, fin=False)
    yield case("9.x the limit in parts", begun + more + client_frame(CONT), binary(half * 2))
    yield refused("9.x a byte more in parts", begun + more + client_frame(CONT, b"x"), 1009)
    yield refused("9.x a byte more", client_frame(BINARY, b"x" * 65_537), 1009)
    yield refused("9.x a byte more of text", client_frame(TEXT, b"x" * 65_537), 1009)
    yield refused("9.x announced only", b"\x82\xff" + b"\x00\x00\x01" + bytes(5), 1009)
    yield refused("9.x beyond belief", b"\x82\xff" + b"\xff" * 8, 1009)
    yield case("x not minimal", b"\x82\xfe\x00\x01" + bytes(4) + b"x", binary(b"x"))
    yield refused("x not WebSocket at all", b"GET / HTTP/1.1\r\n\r\n")


CASES = [
    *framing(),
    *pings(),
    *reserved(),
    *fragments(),
    *unicode(),
    *closing(),
    *limits(),
]


class Echoes:
    """An application that echoes in callbacks, or at /asgi by receiving and sending."""

    def __init__(self) -> None:
        self.house = House(echo=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve either."""
        if scope["path"] != "/asgi":
            await self.house(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})


async def answers(served: Served, path: bytes, steps: list[Step], size: int) -> list[Answer]:
    """Send each step in pieces of ``size``, await its answers, and return all."""
    peer = await Peer.greeted(served, path)
    frames: list[Answer | None] = []
    for sent, expected in steps:
        try:
            for at in range(0, len(sent), size):
                await peer.send(sent[at : at + size])
                await asyncio.sleep(0)
        except OSError:
            pass  # the server had enough: what it said can still be read
        frames += [await peer.frame() for _ in expected]
    rest = await peer.frames()
    peer.close()
    return [without_reason(frame) for frame in (*frames, *rest) if frame is not None]


def without_reason(answer: Answer) -> Answer:
    """Leave out the reason of a close frame that the server chose itself."""
    opcode, payload = answer
    own = opcode == 0x88 and payload[:2] in map(close_payload, (1002, 1007, 1009))
    return (opcode, payload[:2]) if own else answer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_standard_is_kept(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    large = len(case.sent) > 1_000
    at_once = [(case.sent, case.answers)]

    async with serving(Echoes()) as served:
        caplog.clear()
        for size in (1 << 20, 1_001, 997) if large else (1 << 20, 7, 1):
            assert await answers(served, b"", at_once, size) == case.answers
            assert await answers(served, b"asgi", case.steps, size) == case.answers

    assert not caplog.records, "nothing a client sends is logged"


async def test_data_behind_the_handshake_is_not_lost() -> None:
    hasty = client_frame(TEXT, b"hasty") + client_frame(TEXT, b"unfinished", fin=False)

    async with serving(Echoes()) as served:
        for path in (b"", b"asgi"):
            peer = Peer(served.dial())
            await peer.send(HANDSHAKE % path + hasty[:-3])
            await peer.head()
            await peer.send(hasty[-3:] + client_frame(CONT, b"!"))
            frames = [await peer.frame(), await peer.frame()]

            assert frames == [text(b"hasty"), text(b"unfinished!")]


async def test_a_message_too_big_is_refused_before_it_is_sent() -> None:
    async with serving(Echoes()) as served:
        peer = await Peer.greeted(served)
        await peer.send(client_frame(BINARY, b"x" * 65_537)[:14])

        assert [*map(without_reason, await peer.frames())] == [closed(1009)]


async def test_compression_is_never_negotiated() -> None:
    offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

    async with serving(Echoes(), ws_per_message_deflate=True) as served:
        peer = Peer(served.dial())
        await peer.send((HANDSHAKE % b"")[:-2] + offer)

        assert b"extensions" not in (await peer.head()).lower()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"), b"400"),
        ((b"Sec-WebSocket-Version: 13\r\n", b""), b"400"),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), b"400"),
        ((b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""), b"400"),
        ((b"GET ", b"POST "), b"405"),
        ((b"HTTP/1.1", b"HTTP/1.0"), b"400"),
        ((b"GET /", b"GET /\xff"), b"400"),
        ((b"Host: here", b"Host: here\r\nSec-WebSocket-Protocol: ,\xff"), b"400"),
        ((b"Host: here", b"Host: here\r\nX: " + b"x" * 9_000), b"431"),
        ((b"Host: here", b"Host: here" + b"\r\nX: x" * 200), b"431"),
        ((b"GET /", b"GET /" + b"x" * 9_000), b"414"),
    ],
)
async def test_a_bad_handshake_is_refused_in_http(
    change: tuple[bytes, bytes], status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Echoes()) as served:
        peer = Peer(served.dial())
        await peer.send((HANDSHAKE % b"").replace(*change))

        head = await peer.head()

    assert head.split()[1] == status
    assert not [record for record in caplog.records if record.exc_info]
