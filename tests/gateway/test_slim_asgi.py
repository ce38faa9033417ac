"""Any ASGI application runs on the slim protocol, as it does on uvicorn's own."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.gateway.conversation import INBOX_MAX
from server.gateway.link import Link, Parcel
from server.protocol.framing import BINARY
from tests.gateway.serving import (
    HANDSHAKE,
    SLOW,
    Ear,
    House,
    Peer,
    Served,
    client_frame,
    close_payload,
    serving,
    settle,
    until,
)

CLOSE = 0x88


async def status_of(served: Served, **options: Any) -> websockets.Response:
    """Return the HTTP response of a handshake that is refused."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        await served.connect(**options)
    return refused.value.response


async def test_a_starlette_application_talks_text_bytes_and_json() -> None:
    async def talk(socket: WebSocket) -> None:
        await socket.accept(subprotocol="second", headers=[(b"x-more", b"yes")])
        await socket.send_text(await socket.receive_text())
        await socket.send_bytes(await socket.receive_bytes())
        await socket.send_json(await socket.receive_json())
        await socket.close(4321, "enough")

    app = Starlette(routes=[WebSocketRoute("/talk", talk)])
    async with serving(app) as served:
        options = {"subprotocols": ["first", "second"]}
        async with served.connect("/talk", **options) as client:
            assert client.subprotocol == "second"
            assert client.response is not None
            assert client.response.headers["X-More"] == "yes"
            for message in ("é", b"\xff", json.dumps({"a": 1}, separators=(",", ":"))):
                await client.send(message)
                assert await client.recv() == message
            with pytest.raises(websockets.ConnectionClosed):
                await client.recv()

        assert (client.close_code, client.close_reason) == (4321, "enough")


async def test_an_application_hears_how_its_client_left() -> None:
    codes: list[int] = []

    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await socket.receive_text()
        except WebSocketDisconnect as gone:
            codes.append(gone.code)

    app = Starlette(routes=[WebSocketRoute("/", listen)])
    async with serving(app) as served:
        for goodbye in (close_payload(4000), b""):
            peer = await Peer.greeted(served)
            await peer.send(client_frame(8, goodbye))
        peer = await Peer.greeted(served)
        peer.close(reset=True)
        await until(lambda: len(codes) == 3)

        assert codes == [4000, 1005, 1006]


async def test_the_scope_is_that_of_uvicorns_own_protocol() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scopes.append({**scope})
        await send({"type": "websocket.accept"})
        await receive()

    for ws in (None, "websockets-sansio"):
        async with serving(app, ws=ws, root_path="/root", proxy_headers=False) as served:
            path = "/a%20path/é?q=1&r=%20"
            headers = [("X-Twice", "1"), ("X-Twice", "2")]
            options = {"subprotocols": ["a", "b"], "additional_headers": headers}
            async with served.connect(path, **options):
                pass
        scope = scopes[-1]
        assert scope["extensions"].pop("cloison.link", None) or ws
        assert scope.pop("client")[0] == "127.0.0.1"
        assert scope.pop("server") == ("127.0.0.1", served.port)
        scope["headers"] = [
            pair for pair in scope["headers"] if pair[0] not in {b"host", b"sec-websocket-key"}
        ]

    assert scopes[0] == scopes[1]


async def test_the_servers_default_headers_are_sent() -> None:
    async with serving(House(), headers=[("X-House", "yes")]) as served:
        await served.server.on_tick(0)
        peer = Peer(served.dial())
        await peer.send(HANDSHAKE % b"")

        head = (await peer.head()).lower()

        assert head.count(b"\r\ndate: ") == 1
        assert b"\r\nserver: uvicorn" in head
        assert b"\r\nx-house: yes" in head


async def test_the_lifespans_state_is_in_the_scope() -> None:
    states: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["type"] == "lifespan":
            scope["state"]["shared"] = "yes"
            await send({"type": "lifespan.startup.complete"})
            return
        states.append(scope["state"])
        await send({"type": "websocket.close"})

    async with serving(app, lifespan="on") as served:
        assert (await status_of(served)).status_code == 403

    assert states == [{"shared": "yes"}]


# Refusals.


async def test_an_application_may_refuse_the_handshake() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})
        assert (await receive())["type"] == "websocket.disconnect"

    async with serving(app) as served:
        assert (await status_of(served)).status_code == 403


async def test_an_application_may_deny_the_handshake_with_a_response_of_its_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/x-own"), (b"x-more", b"yes")]
        start = {"type": "websocket.http.response.start", "status": 401, "headers": headers}
        await send(start)
        for body, more in ((b"not ", True), (b"you", False)):
            await send({"type": "websocket.http.response.body", "body": body, "more_body": more})

    async with serving(app) as served:
        response = await status_of(served)

        assert response.status_code == 401
        assert response.body == b"not you"
        assert response.headers["Content-Type"] == "text/x-own"
        assert response.headers["Content-Length"] == "7"
        assert response.headers["X-More"] == "yes"
        await until(lambda: not served.connections)


async def test_a_denial_of_starlette_works() -> None:
    async def deny(socket: WebSocket) -> None:
        await socket.send_denial_response(PlainTextResponse("no", status_code=418))

    async with serving(Starlette(routes=[WebSocketRoute("/", deny)])) as served:
        response = await status_of(served)

        assert (response.status_code, response.body) == (418, b"no")


@pytest.mark.parametrize("status", [101, 199, 600])
async def test_a_denial_needs_a_final_status(status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": status})

    async with serving(app) as served:
        assert (await status_of(served)).status_code == 500


async def test_a_denial_may_have_a_status_that_has_no_name() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 299})
        await send({"type": "websocket.http.response.body"})

    async with serving(app) as served:
        assert (await status_of(served)).status_code == 299


async def test_an_application_that_fails_before_it_accepts_is_a_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a bug")

    async with serving(app) as served:
        response = await status_of(served)

        assert response.status_code == 500
        assert response.body == b"Internal Server Error"
        assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_an_application_that_says_nothing_is_a_500() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async with serving(app) as served:
        assert (await status_of(served)).status_code == 500


async def test_a_handshake_that_is_not_answered_in_time_is_a_503() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["type"] == "websocket.disconnect"

    async with serving(app) as served:
        refusal = asyncio.ensure_future(status_of(served))
        await until(lambda: served.server.server_state.tasks)
        served.pass_time(SLOW.handshake_timeout_s)

        assert (await refusal).status_code == 503
        await until(lambda: not served.server.server_state.tasks)


async def test_a_handshake_under_way_when_the_server_stops_is_a_503() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["type"] == "websocket.disconnect"
        with pytest.raises(OSError):  # noqa: PT011 - which one is the server's affair
            await send({"type": "websocket.accept"})

    async with serving(app) as served:
        refusal = asyncio.ensure_future(status_of(served))
        await until(lambda: served.server.server_state.tasks)
        await served.server.shutdown()

        assert (await refusal).status_code == 503


async def test_a_client_that_leaves_during_the_handshake_is_a_disconnection() -> None:
    heard: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(await receive())
        heard.append(await receive())
        await send({"type": "websocket.accept"})

    async with serving(app) as served:
        peer = Peer(served.dial())
        await peer.send(HANDSHAKE % b"")
        await until(lambda: heard)
        peer.close(reset=True)
        await until(lambda: not served.server.server_state.tasks)

    assert heard == [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]


# The conversation.


async def test_an_application_that_returns_closes_with_1000() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async with serving(app) as served:
        peer = await Peer.greeted(served)

        assert await peer.frame() == (CLOSE, close_payload(1000))


async def test_an_application_that_fails_closes_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        raise ValueError("a bug")

    async with serving(app) as served:
        peer = await Peer.greeted(served)

        assert await peer.frame() == (CLOSE, close_payload(1011))
        assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_an_application_that_fails_after_it_detached_closes_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ear = Ear()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        ear.link = scope["extensions"]["cloison.link"]["detach"](ear)
        raise ValueError("a bug")

    async with serving(app) as served:
        peer = await Peer.greeted(served)

        assert await peer.frame() == (CLOSE, close_payload(1011))
        assert ear.lost == [1011]
        assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_sending_to_a_client_that_left_is_an_error_that_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    raised: list[type[BaseException]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except OSError as error:
            raised.append(type(error))
            raise

    async with serving(app) as served:
        caplog.clear()
        peer = await Peer.greeted(served)
        peer.close()
        await until(lambda: raised and not served.server.server_state.tasks)

    assert not caplog.records


@pytest.mark.parametrize(
    "events",
    [
        ["websocket.send"],
        ["websocket.http.response.body"],
        ["websocket.accept", "websocket.accept"],
        ["websocket.accept", "websocket.http.response.start"],
        ["websocket.accept", "websocket.close", "websocket.send"],
        ["websocket.http.response.start", "websocket.accept"],
        ["nonsense"],
    ],
)
async def test_an_event_out_of_place_is_a_bug(events: list[str]) -> None:
    raised: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        *before, last = events
        for event in before:
            await send({"type": event, "status": 400})
        with pytest.raises(RuntimeError) as error:
            await send({"type": last, "text": "x"})
        raised.append(str(error.value))

    async with serving(app) as served:
        peer = Peer(served.dial())
        await peer.send(HANDSHAKE % b"")
        await until(lambda: raised)

    assert repr(events[-1]) in raised[0]


async def test_a_slow_client_makes_send_wait_and_nobody_else() -> None:
    sent = [0]
    house = House(echo=True)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/flood":
            await house(scope, receive, send)
            return
        await send({"type": "websocket.accept"})
        for _ in range(300):
            await send({"type": "websocket.send", "bytes": b"x" * 60_000})
            sent[0] += 1

    async with serving(app) as served:
        slow = await Peer.greeted(served, b"flood", receive_buffer=65_536)
        await settle(served, house)
        stalled = sent[0]
        await settle(served, house)
        assert sent[0] == stalled < 300

        for _ in range(300):
            assert await slow.frame() == (0x80 | 2, b"x" * 60_000)
        assert await slow.frame() == (CLOSE, close_payload(1000))


async def test_a_client_that_leaves_frees_an_application_that_waits_to_send() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 60_000})

    async with serving(app) as served:
        slow = await Peer.greeted(served, receive_buffer=4_096)
        slow.close(reset=True)

        await until(lambda: not served.server.server_state.tasks)


async def test_an_application_that_does_not_receive_stops_its_client() -> None:
    house = House()
    go = asyncio.Event()
    received: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/lazy":
            await house(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        received.append(receive)
        await go.wait()
        received.extend([(await receive())["text"] for _ in range(1_000)])

    async with serving(app) as served:
        peer = await Peer.greeted(served, b"lazy")
        messages = [str(number) for number in range(1_000)]
        await peer.send(b"".join(client_frame(1, message.encode()) for message in messages))
        await until(lambda: received)
        await settle(served, house)
        assert received[0].__self__._inbox.qsize() == INBOX_MAX

        go.set()
        await until(lambda: len(received) > 1)

        assert received[1:] == messages


# Detaching.


def detaching(then: Callable[[Callable[[Ear], Link], Receive], Any]) -> Any:
    """Return an application that accepts and lets ``then`` do the rest."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await then(scope["extensions"]["cloison.link"]["detach"], receive)

    return app


async def test_messages_that_came_before_an_application_detached_are_not_lost() -> None:
    ear = Ear()
    heard: list[Any] = []

    async def then(detach: Callable[[Ear], Link], receive: Receive) -> None:
        heard.append((await receive())["text"])
        await asyncio.sleep(0.01)
        ear.link = detach(ear)
        assert ear.messages == [], "the first call comes in a later turn"

    messages = [str(number) for number in range(100)]
    async with serving(detaching(then)) as served:
        peer = Peer(served.dial())
        sent = b"".join(client_frame(1, message.encode()) for message in messages)
        await peer.send(HANDSHAKE % b"" + sent + client_frame(2, b"last"))
        await until(lambda: len(ear.messages) == 100)

    assert heard + ear.messages == [*messages, b"last"]


async def test_a_client_that_does_not_wait_for_the_handshake_is_held_back() -> None:
    ear = Ear()
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await send({"type": "websocket.accept"})
        ear.link = scope["extensions"]["cloison.link"]["detach"](ear)

    async with serving(app) as served:
        peer = Peer(served.dial())
        await peer.send(HANDSHAKE % b"" + client_frame(2, b"hasty"))
        await until(lambda: served.server.server_state.tasks)
        (protocol,) = served.known
        await until(lambda: not getattr(protocol, "_reading", True))
        await peer.send(client_frame(2, b"patient"))
        go.set()
        await until(lambda: ear.messages == [b"hasty", b"patient"])

        assert getattr(protocol, "_reading", False)


async def test_a_client_that_left_before_the_application_detached_is_told_to_the_receiver() -> None:
    ear = Ear()
    left = asyncio.Event()

    async def then(detach: Callable[[Ear], Link], receive: Receive) -> None:
        await left.wait()
        ear.link = detach(ear)
        assert ear.lost == [], "the first call comes in a later turn"
        ear.say(b"nobody hears this")

    async with serving(detaching(then)) as served:
        peer = await Peer.greeted(served)
        await peer.send(client_frame(8, close_payload(4001)))
        await peer.frames()
        left.set()
        await until(lambda: ear.lost)

    assert ear.lost == [4001]


async def test_a_link_may_be_used_before_the_application_returns() -> None:
    ear = Ear()

    async def then(detach: Callable[[Ear], Link], receive: Receive) -> None:
        ear.link = detach(ear)
        ear.link.send(Parcel([b"welcome"], BINARY))
        await asyncio.sleep(0.01)
        ear.say(b"again")

    async with serving(detaching(then)) as served, served.connect() as client:
        assert [await client.recv(), await client.recv()] == [b"welcome", b"again"]


async def test_a_conversation_detaches_once_and_only_when_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raised = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        detach = scope["extensions"]["cloison.link"]["detach"]
        ear = Ear()
        for _ in range(2):
            with pytest.raises(RuntimeError) as early:
                detach(ear)
            raised.append(str(early.value))
            await send({"type": "websocket.accept"})
            ear.link = detach(ear)
            with pytest.raises(RuntimeError):
                await send({"type": "websocket.send", "text": "x"})
            with pytest.raises(RuntimeError):
                await receive()

    async with serving(app) as served, served.connect():
        await until(lambda: len(raised) > 1)

    assert raised[0].endswith("opening")
    assert raised[1].endswith("detached")


# HTTP before it.


async def test_http_is_served_as_ever() -> None:
    async with serving(House()) as served, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{served.port}/"
        for number in range(3):
            response = await client.post(url, content=b"%d" % number)
            assert response.text == str(number)

        known = [*served.known]
        served.pass_time(2 * SLOW.handshake_timeout_s)

        assert len(known) == served.connections == 1, "an idle connection has no deadline of ours"
        assert getattr(known[0], "seat", None) is None


async def test_a_request_whose_head_never_ends_is_refused() -> None:
    async with serving(House()) as served:
        peer = Peer(served.dial())
        await peer.send(b"GET / HTTP/1.1\r\nX: " + b"x" * (SLOW.http_head_bytes_max + 1))

        assert (await peer.head()).startswith(b"HTTP/1.1 431 ")
        await until(lambda: not served.connections)


async def test_a_connection_may_become_a_websocket_after_some_http() -> None:
    house = House(echo=True)
    async with serving(house) as served:
        peer = Peer(served.dial())
        await peer.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await peer.head()).startswith(b"HTTP/1.1 200")

        await peer.send(HANDSHAKE % b"" + client_frame(2, b"hello"))

        assert (await peer.head()).startswith(b"HTTP/1.1 101")
        assert await peer.frame() == (0x82, b"hello")
