"""Front: the HTTP floor alone, served by uvicorn on a free port of this machine.

The application under test is the one that the composition root makes of these routes: the same
handlers, the same guard, real sockets and a real database file.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from server.http.refusals import HANDLERS, Guard
from server.http.routes import routes
from tests.auth.house import PASSWORD, House, open_house

BODY_BYTES_MAX = 2_048
Headers = dict[str, str]


class Answer(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body, decoded."""
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """Return the code of the refusal in the body."""
        code: str = self.json["error"]["code"]
        return code


class Front:
    """A running server, and how to ask it."""

    def __init__(self, house: House, port: int) -> None:
        self.house = house
        self.port = port
        self.ready = True

    @property
    def origin(self) -> str:
        """Return the origin of a page that this server would serve."""
        return f"http://127.0.0.1:{self.port}"

    async def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Headers | None = None
    ) -> Answer:
        """Ask on a connection of its own."""
        return await asyncio.to_thread(self._ask, method, path, body, headers or {})

    async def post(self, path: str, asked: Any = None, headers: Headers | None = None) -> Answer:
        """Post ``asked`` as JSON."""
        return await self.ask("POST", path, msgspec.json.encode(asked), headers)

    async def sign_in(self, *, headers: Headers | None = None, **changed: Any) -> Answer:
        """Sign in as Ana, but for what is changed."""
        return await self.post("/v1/sign-in", ana(**changed), headers)

    async def raw(self, data: bytes) -> bytes:
        """Send bytes; return what comes until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        received = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return received

    def _ask(self, method: str, path: str, body: bytes | None, headers: Headers) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()


def ana(**changed: Any) -> dict[str, Any]:
    """Return what Ana sends to sign in."""
    return {
        "organisation": "demo",
        "address": "ana@demo.example",
        "password": PASSWORD,
        **changed,
    }


@asynccontextmanager
async def open_front(path: Path, *more: BaseRoute, **settings: Any) -> AsyncIterator[Front]:
    """Serve the routes of accounts and health, and ``more``, on a free port."""
    async with open_house(path) as house:
        listening = socket.create_server(("127.0.0.1", 0))
        front = Front(house, listening.getsockname()[1])

        async def ready() -> bool:
            return front.ready

        own = routes(
            house.accounts,
            ready,
            origins=settings.get("origins", ()),
            body_bytes_max=BODY_BYTES_MAX,
        )
        app = Guard(Starlette(routes=[*own, *more], exception_handlers=HANDLERS))
        config = uvicorn.Config(
            app, access_log=False, log_config=None, proxy_headers=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody else
            await asyncio.sleep(0.001)
        try:
            yield front
        finally:
            server.should_exit = True
            await serving
