"""Connect: the handshake of a WebSocket: origin, subprotocol, token, room.

Decides before a byte of WebSocket is spoken, so that every refusal is a readable HTTP answer. With
the link extension the connection goes on in callbacks and this ASGI call ends; under any other
server it runs the plain link to its end. Invariant: the token is read from the headers, the cookie
or the first frame, never from the URL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from server import errors
from server.auth import tokens
from server.auth.presented import check_origin, presented_token
from server.gateway.bot import BotConnection
from server.gateway.connection import Connection
from server.gateway.link import LinkLimits
from server.gateway.plain import PlainLink
from server.gateway.reader import ReaderConnection
from server.gateway.services import Services
from server.protocol.close import Close
from server.protocol.codec import ENCODINGS, Encoding
from storage import connectors

AnyConnection = Connection | BotConnection | ReaderConnection


class Doors:
    """Counts the open connections, in all and from each network address."""

    def __init__(self, *, connections_max: int, per_address_max: int) -> None:
        self._connections_max = connections_max
        self._per_address_max = per_address_max
        self._open = 0
        self._by_address: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """Return how many connections are open."""
        return self._open

    def enter(self, address: str) -> Callable[[], None]:
        """Count a connection; return what to call at its end. Raises Busy when there is no room."""
        if self._open >= self._connections_max or (
            self._by_address[address] >= self._per_address_max
        ):
            raise errors.Busy("Too many connections.", retry_after_ms=5_000)
        self._open += 1
        self._by_address[address] += 1

        def leave() -> None:
            self._open -= 1
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

        return leave


class Connect:
    """The ASGI application of one WebSocket path."""

    def __init__(
        self,
        services: Services,
        doors: Doors,
        links: LinkLimits,
        origins: tuple[str, ...],
        *,
        bots: bool,
        person: type[Connection] = Connection,
    ) -> None:
        self._services = services
        self._doors = doors
        self._links = links
        self._origins = origins
        self._check = self._check_bot if bots else self._check_person
        self._kind: type[AnyConnection] = BotConnection if bots else person
        self._late = Close.CONNECTOR_REVOKED if bots else Close.NOT_AUTHENTICATED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Shake hands, and let the connection go on by itself."""
        await receive()
        try:
            self._services.broker.hearing.check_door()
            encoding = choose_encoding(scope["subprotocols"])
            digest = await self._digest(scope)
            client = scope.get("client")
            release = self._doors.enter(client[0] if client else "")
        except errors.Refusal as refusal:
            self._services.tallies.refusals[refusal.code] += 1
            await _deny(scope, send, refusal)
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": encoding.subprotocol})
        except BaseException:
            release()
            raise
        connection = self._kind(self._services, encoding, digest, release)
        await self._run(scope, receive, send, connection)

    async def upgrade_required(self, _request: HttpRequest) -> Response:
        """Answer a plain request: a person with a browser, or a proxy that drops the upgrade."""
        return PlainTextResponse(
            f"upgrade_required: this address speaks WebSocket: {', '.join(ENCODINGS)}.\n",
            status_code=426,
            headers={"upgrade": "websocket"},
        )

    async def _digest(self, scope: Scope) -> bytes | None:
        """Return the digest of the token in the headers, if any. Raises when it opens nothing."""
        presented = presented_token(scope["headers"], scheme=scope["scheme"], origins=self._origins)
        if presented is None:
            return None
        digest = tokens.digest(presented.token)
        await self._check(digest)
        return digest

    async def _check_person(self, digest: bytes) -> None:
        services = self._services
        stored = await services.sessions.find(digest)
        if stored is None:
            raise errors.NotAuthenticated
        services.live.check_alive(stored, services.clock.now())

    async def _check_bot(self, digest: bytes) -> None:
        if await self._services.database.read(connectors.by_digest, digest) is None:
            raise errors.NotAuthenticated

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, connection: AnyConnection
    ) -> None:
        timeout = self._services.connection.hello_timeout_s
        extension = scope.get("extensions", {}).get("cloison.link")
        if extension is not None:
            connection.start(extension["detach"](connection), timeout, self._late)
            return
        link = PlainLink(receive, send, connection, self._links)
        connection.start(link, timeout, self._late)
        await link.run()


class ConnectReader(Connect):
    """The ASGI application of the path of readers, who have an origin and nothing to present."""

    def __init__(
        self, services: Services, doors: Doors, links: LinkLimits, origins: tuple[str, ...]
    ) -> None:
        super().__init__(services, doors, links, origins, bots=False)
        self._kind = ReaderConnection

    async def _digest(self, scope: Scope) -> bytes | None:
        """Return None: whatever token a browser sends along, nobody looks at it here."""
        check_origin(scope["headers"], scheme=scope["scheme"], origins=self._origins)
        return None


def choose_encoding(offered: list[str]) -> Encoding:
    """Return the first encoding offered that this server speaks. Raises InvalidField."""
    for subprotocol in offered:
        if subprotocol in ENCODINGS:
            return ENCODINGS[subprotocol]
    raise errors.InvalidField(f"Offer one of these WebSocket subprotocols: {', '.join(ENCODINGS)}.")


async def _deny(scope: Scope, send: Send, refusal: errors.Refusal) -> None:
    """Refuse the handshake with an HTTP answer where the ASGI server can give one."""
    if "websocket.http.response" in scope.get("extensions", {}):
        body = f"{refusal.code}: {refusal.message}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if refusal.retry_after_ms is not None:
            seconds = -(-refusal.retry_after_ms // 1000)
            headers.append((b"retry-after", str(seconds).encode()))
        start = {"status": refusal.status, "headers": headers}
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
