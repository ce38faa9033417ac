from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server import errors
from server.gateway.connect import Connect, Doors, choose_encoding
from server.protocol.codec import JSON, MSGPACK
from tests.channels.lines import until
from tests.house import House, Resident, serving
from tests.people import Person, call_http

JSON_PROTOCOL: Any = "cloison.v1.json"


async def _ana(house: House) -> tuple[Resident, str]:
    ana = await house.resident(await house.organisation(), "Ana")
    return ana, await house.token(ana)


def _dial(
    house: House, path: str = "/v1/connect", *, origin: str | None = None, **headers: str
) -> Any:
    return connect(
        house.url.replace("http", "ws", 1) + path,
        subprotocols=[JSON_PROTOCOL],
        origin=origin,  # type: ignore[arg-type]  # a NewType
        additional_headers={name.title(): value for name, value in headers.items()},
        compression=None,
    )


async def _status(house: House, *args: Any, **kwargs: Any) -> int:
    """Return the HTTP status with which a handshake is refused; 101 when it is not."""
    try:
        async with _dial(house, *args, **kwargs):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


# -- room


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
    st.integers(1, 6),
    st.integers(1, 4),
)
def test_doors_count_what_is_open_in_all_and_from_each_address(
    visits: list[tuple[str, bool]], connections_max: int, per_address_max: int
) -> None:
    doors = Doors(connections_max=connections_max, per_address_max=per_address_max)
    inside: list[tuple[str, Any]] = []
    for address, comes in visits:
        here = [one for one in inside if one[0] == address]
        if comes:
            fits = len(inside) < connections_max and len(here) < per_address_max
            if fits:
                inside.append((address, doors.enter(address)))
            else:
                with pytest.raises(errors.Busy) as refused:
                    doors.enter(address)
                assert refused.value.retry_after_ms
        elif here:
            inside.remove(here[0])
            here[0][1]()
        assert doors.open == len(inside)

    for _, leave in inside:
        leave()
    assert doors.open == 0
    assert not doors._by_address


async def _refused_for_room(tmp_path: Path, **settings: Any) -> tuple[int, int]:
    """Return what a third connection is answered, and what it is once there is room again."""
    async with serving(tmp_path, **settings) as house:
        async with _dial(house), _dial(house):
            third = await _status(house)
        await until(lambda: house.parts.doors.open == 0)
        return third, await _status(house)


async def test_connections_in_all_are_bounded(tmp_path: Path) -> None:
    assert await _refused_for_room(tmp_path, connections_max=2) == (503, 101)


async def test_connections_from_one_address_are_bounded(tmp_path: Path) -> None:
    assert await _refused_for_room(tmp_path, connections_per_address_max=2) == (503, 101)


async def test_connections_of_one_session_are_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_per_session_max=2) as house:
        _, token = await _ana(house)
        first, second = (
            await Person(house.url, token).hello(),
            await Person(house.url, token).hello(),
        )
        third = await Person(house.url, token).connect()

        refused = await third.refusal("hello", token=token)
        await first.close()
        await until(lambda: house.parts.doors.open == 2)
        welcome = await third.call("hello", token=token)

        assert refused["code"] == "full"
        assert welcome["type"] == "welcome"
        for person in (second, third):
            await person.close()


async def test_a_handshake_that_breaks_off_frees_its_place(house: House) -> None:
    port = int(house.url.rsplit(":", 1)[1])
    handshake = (
        b"GET /v1/connect HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: cloison.v1.json\r\n\r\n"
    )
    for cut in (len(handshake) // 2, len(handshake) - 2, len(handshake)):
        for _ in range(5):
            _, line = await asyncio.open_connection("127.0.0.1", port)
            line.write(handshake[:cut])
            await line.drain()
            line.transport.abort()

    assert await _status(house) == 101
    await until(lambda: house.parts.doors.open == 0)


async def test_an_accept_that_fails_frees_its_place(house: House) -> None:
    parts = house.parts
    doors = Doors(connections_max=1, per_address_max=1)
    endpoint = Connect(parts.services, doors, parts.links, (), bots=False)
    scope = {"type": "websocket", "subprotocols": [JSON_PROTOCOL], "headers": [], "scheme": "ws"}

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(_message: Any) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await endpoint(scope, receive, send)

    assert doors.open == 0


# -- who


async def test_a_header_token_that_opens_nothing_is_401(house: House) -> None:
    _, token = await _ana(house)

    assert await _status(house, authorization=f"Bearer {token}") == 101
    assert await _status(house, authorization=f"Bearer {token}x") == 401
    assert await _status(house, authorization="Basic YTpi") == 401
    assert await _status(house, authorization="Bearer ") == 401


async def test_a_header_token_of_a_bot_opens_the_bots_door_alone(house: House) -> None:
    ana, token = await _ana(house)
    bot = await house.connector(await house.sphere(ana), ana)

    assert await _status(house, "/v1/bring", authorization=f"Bearer {bot}") == 101
    assert await _status(house, "/v1/connect", authorization=f"Bearer {bot}") == 401
    assert await _status(house, "/v1/bring", authorization=f"Bearer {token}") == 401


async def test_a_token_in_the_address_opens_nothing(house: House) -> None:
    _, token = await _ana(house)

    async with _dial(house, f"/v1/connect?token={token}&authorization=Bearer%20{token}") as socket:
        await socket.send('{"type":"hello","id":1}')

        assert '"not_authenticated"' in await socket.recv()


async def _greeting(house: House, **handshake: Any) -> str:
    """Return what hello without a token is answered, or the status of a refused handshake."""
    try:
        async with _dial(house, **handshake) as socket:
            await socket.send('{"type":"hello","id":1}')
            answer = str(await socket.recv())
    except InvalidStatus as refused:
        return str(refused.response.status_code)
    return "welcome" if '"type":"welcome"' in answer else "not_authenticated"


async def test_a_cookie_counts_only_with_an_origin_that_may_use_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path, origins=("https://chat.example.org",)) as house:
        _, token = await _ana(house)
        own, port = house.url, house.url.rsplit(":", 1)[1]
        cookie, secure = f"cloison={token}", f"__Host-cloison={token}"
        expected = {
            (own, cookie): "welcome",
            ("https://chat.example.org", secure): "welcome",
            ("https://chat.example.org", cookie): "not_authenticated",
            (own, secure): "not_authenticated",
            (None, cookie): "not_authenticated",
            (own, f"cloison={token}; cloison={token}"): "not_authenticated",
            (own, "cloison="): "not_authenticated",
        }
        refused = [
            "null",
            "",
            own.upper(),
            own + "/",
            own.replace("http", "https"),
            f"http://127.0.0.1:{int(port) + 1}",
            "http://127.0.0.1",
            f"http://localhost:{port}",
            f"http://127.0.0.1:{port}.evil.example",
            f"http://evil.example#{own}",
            f"http://user@127.0.0.1:{port}",
            "https://chat.example.org.evil.example",
            "https://evil-chat.example.org",
            "https://chat.example.org:443",
            "http://chat.example.org",
            "https://CHAT.example.org",
            "https://chat.example.org.",
            "https://xn--cht-5na.example.org",
            "https://chat.example.org https://evil.example",
        ]

        answers = {
            (origin, sent): await _greeting(house, origin=origin, cookie=sent)
            for origin, sent in expected
        }
        strangers = {
            origin: await _greeting(house, origin=origin, cookie=cookie) for origin in refused
        }

        assert answers == expected
        assert strangers == dict.fromkeys(refused, "403")


async def test_an_origin_that_may_not_use_the_server_is_refused_even_with_a_token(
    house: House,
) -> None:
    _, token = await _ana(house)

    status = await _status(house, origin="https://evil.example", authorization=f"Bearer {token}")

    assert status == 403


# -- how


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["cloison.v1.json"], JSON),
        (["cloison.v1.msgpack"], MSGPACK),
        (["chat", "cloison.v1.json", "cloison.v1.msgpack"], JSON),
    ],
)
def test_the_first_encoding_that_both_speak_is_chosen(offered: list[str], chosen: object) -> None:
    assert choose_encoding(offered) is chosen


@pytest.mark.parametrize("offered", [[], ["chat"], ["cloison.v2.json"], ["CLOISON.V1.JSON"]])
def test_without_an_encoding_that_both_speak_there_is_no_connection(offered: list[str]) -> None:
    with pytest.raises(errors.InvalidField, match=r"cloison\.v1\.msgpack"):
        choose_encoding(offered)


async def test_a_handshake_without_a_subprotocol_is_a_readable_400(house: House) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(house.url.replace("http", "ws", 1) + "/v1/connect", compression=None)

    assert refused.value.response.status_code == 400
    assert b"cloison.v1.json" in refused.value.response.body


@pytest.mark.parametrize("path", ["/v1/connect", "/v1/bring", "/v1/read"])
async def test_a_plain_request_is_told_to_upgrade(house: House, path: str) -> None:
    status, headers, body = await asyncio.to_thread(call_http, house.url, "GET", path)

    assert (status, headers["upgrade"]) == (426, "websocket")
    assert b"cloison.v1.json" in body


async def test_a_server_that_cannot_deny_in_http_closes_with_1008(house: House) -> None:
    parts = house.parts
    endpoint = Connect(parts.services, parts.doors, parts.links, (), bots=False)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint({"type": "websocket", "subprotocols": [], "headers": []}, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "invalid_field"}]


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[House]:
    """Return a server that waits for hello no longer than it takes to notice."""
    async with serving(tmp_path, hello_timeout_s=0.1) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "code"), [("/v1/connect", 4502), ("/v1/bring", 4504), ("/v1/read", 4502)]
)
async def test_whoever_says_no_hello_is_sent_away(hasty: House, path: str, code: int) -> None:
    async with _dial(hasty, path) as socket:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)

    assert socket.close_code == code
