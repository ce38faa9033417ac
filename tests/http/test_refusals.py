from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from server import errors
from server.http.body import read_body
from server.http.refusals import HEADERS, Guard, answer
from tests.http.front import BODY_BYTES_MAX, Front, open_front

SECRET = "ana@demo.example"


async def broken(_request: Request) -> Response:
    raise ValueError(SECRET)


async def broken_late(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ValueError(SECRET)

    return StreamingResponse(parts())


async def swallow(request: Request) -> Response:
    return PlainTextResponse(str(len(await read_body(request, BODY_BYTES_MAX))))


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    more = [
        Route("/broken", broken),
        Route("/broken-late", broken_late),
        Route("/swallow", swallow, methods=["POST"]),
    ]
    async with open_front(tmp_path, *more) as opened:
        yield opened


EVERY = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/v1/sign-in", 405),
        ("POST", "/v1/sign-in", 400),
        ("POST", "/v1/sign-out", 401),
        ("GET", "/broken", 500),
    ],
)
async def test_every_answer_carries_the_headers(
    front: Front, method: str, path: str, status: int
) -> None:
    found = await front.ask(method, path)

    assert found.status == status
    assert EVERY.items() <= found.headers.items()


async def test_what_the_router_refuses_has_the_form_of_a_refusal(front: Front) -> None:
    nowhere = await front.ask("GET", "/nowhere")
    wrong = await front.ask("GET", "/v1/sign-in")

    assert nowhere.code == "not_found"
    assert (wrong.code, wrong.headers["allow"]) == ("bad_input", "POST")


@pytest.mark.parametrize("kind", [errors.TooFast, errors.Busy, errors.SignInRefused])
def test_a_refusal_is_its_code_its_message_and_its_status(kind: type[errors.Refusal]) -> None:
    found = answer(kind(retry_after_ms=1001))

    assert found.status_code == kind.status
    assert found.headers["retry-after"] == "2"
    assert msgspec.json.decode(bytes(found.body)) == {
        "error": {
            "code": kind.code,
            "message": kind.text(),
            "temporary": kind.temporary,
            "retry_after_ms": 1001,
        }
    }


def test_what_is_not_temporary_says_nothing_of_coming_back() -> None:
    found = answer(errors.NotFound())

    assert "retry-after" not in found.headers
    assert b"retry_after_ms" not in found.body


async def test_a_body_too_large_is_refused_and_the_connection_closed(front: Front) -> None:
    head = b"POST /swallow HTTP/1.1\r\nHost: x\r\n"
    announced = await front.raw(head + b"Content-Length: 99999999\r\n\r\n" + b"x" * 1000)
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    grown = await front.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)

    for received in (announced, grown):
        assert received.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nconnection: close\r\n" in received
        assert b'"too_large"' in received


async def test_a_bug_is_answered_without_a_word_about_it_and_logged_without_values(
    front: Front, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    found = await front.ask("GET", "/broken")

    logged = caplog.text + "".join(capfd.readouterr())
    assert (found.status, found.code) == (500, "internal")
    assert SECRET not in logged
    assert "ValueError" in logged
    assert "broken:" in logged


async def test_a_bug_after_the_answer_began_cuts_it_short(
    front: Front, capfd: pytest.CaptureFixture[str]
) -> None:
    received = await front.raw(b"GET /broken-late HTTP/1.1\r\nHost: x\r\n\r\n")

    assert b"begun" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert SECRET not in "".join(capfd.readouterr())


# -- the guard around any application


def http(path: str = "/") -> Scope:
    return {"type": "http", "method": "GET", "path": path, "headers": []}


async def nothing() -> Message:
    raise AssertionError("nothing is asked for")


async def sent_by(app: Guard, scope: Scope) -> list[Message]:
    sent = list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, nothing, send)
    return sent


async def test_the_guard_answers_a_refusal_that_nobody_answered() -> None:
    async def refusing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise errors.NotFound

    start, body = await sent_by(Guard(refusing), http())

    assert start["status"] == 404
    assert set(HEADERS) <= set(start["headers"])
    assert b"not_found" in body["body"]


async def test_the_guard_answers_for_a_bug_that_nobody_answered_for() -> None:
    async def bare(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ValueError(SECRET)

    start, body = await sent_by(Guard(bare), http())

    assert start["status"] == 500
    assert set(HEADERS) <= set(start["headers"])
    assert b"internal" in body["body"]
    assert SECRET.encode() not in body["body"]


async def test_the_guard_leaves_a_client_that_went_away_alone() -> None:
    async def disconnected(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ClientDisconnect

    assert await sent_by(Guard(disconnected), http()) == []


async def test_the_guard_leaves_websockets_alone() -> None:
    async def accepting(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    assert await sent_by(Guard(accepting), {"type": "websocket"}) == [{"type": "websocket.accept"}]
