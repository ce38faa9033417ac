"""Bot: one connector's WebSocket. It can only bring in.

Decides nothing about the sphere: the store checks that the connector lives, in the transaction that
inserts. Invariant: a well-formed ``bring`` is answered by one constant; this class is never
registered where events or notices are handed out, and has no method that could take one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server import errors
from server.auth import tokens
from server.channels.outcome import Outcome
from server.channels.posts import BotDraft
from server.channels.writer import Result
from server.gateway.services import Services
from server.gateway.speaker import Speaker
from server.protocol.close import Close
from server.protocol.codec import CONNECTOR_COMMANDS, Encoding
from server.protocol.connector import Accepted, AnyConnectorCommand, Bring, ConnectorHello
from storage import connectors
from storage.connectors import Connector


class BotConnection(Speaker):
    """A link, and the connector that speaks on it."""

    __slots__ = ("_connector", "_decode", "_digest", "_pending", "_services", "_task", "_waiting")

    def __init__(
        self,
        services: Services,
        encoding: Encoding,
        digest: bytes | None,
        release: Callable[[], None],
    ) -> None:
        limits = services.connection
        super().__init__(encoding, limits, release, services.tallies)
        self._services = services
        self._decode = CONNECTOR_COMMANDS[encoding]
        self._digest = digest
        self._connector: str | None = None
        self._pending = 0
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[Bring] = []

    def message_received(self, data: bytes, text: bool) -> None:  # noqa: FBT001  # the link's call
        """Take one command."""
        request = None
        try:
            self._check_kind(text=text)
            request = self._decode.request_id(data)
            self._handle(self._decode.decode(data))
        except errors.Refusal as refusal:
            self._refuse(request, refusal)

    def congestion_changed(self, congested: bool) -> None:  # noqa: FBT001  # the link's call
        """Count it, and no more: a bot is only ever answered."""
        self._count_congestion(congested=congested)

    def connection_lost(self, code: int) -> None:
        """Let go of everything."""
        self._ended(code)
        if self._connector is not None:
            self._services.hub.unplug(self._connector, self)
            self._connector = None

    def _handle(self, command: AnyConnectorCommand) -> None:
        if isinstance(command, Bring):
            self._bring_in_turn(command)
        elif self._connector is not None or self._task is not None:
            raise errors.AlreadyGreeted
        else:
            self._task = asyncio.get_running_loop().create_task(self._hello(command))

    async def _hello(self, command: ConnectorHello) -> None:
        digest = self._digest if command.token is None else tokens.digest(command.token)
        try:
            found = None if digest is None else await self._attach(digest)
        except errors.Refusal as refusal:
            self._refuse(command.id, refusal)
        else:
            self._answer(command, found)
        self._task = None
        self._catch_up()

    def _answer(self, command: ConnectorHello, found: Connector | None) -> None:
        if found is None:
            self.end(Close.CONNECTOR_REVOKED)
        elif not self.link.closed:
            self._greeted()
            self._reply(Accepted(id=command.id))

    async def _attach(self, digest: bytes) -> Connector | None:
        """Hear of the connector's death from now on; look again whether it happened meanwhile."""
        services = self._services
        found = await services.database.read(connectors.by_digest, digest)
        if found is None or self.link.closed:
            return None
        services.broker.hearing.check_door()
        self._connector = found.id
        services.hub.plug(found.id, self)
        return await services.database.read(connectors.by_digest, digest)

    def _bring_in_turn(self, command: Bring) -> None:
        """Bring now, or when the hello under way is answered."""
        if self._task is None:
            self._bring(command)
        elif len(self._waiting) < self._services.connection.posts_pending_max:
            self._waiting.append(command)
        else:
            raise errors.TooFast("Wait for the answer to hello.", retry_after_ms=100)

    def _catch_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for command in waiting:
            try:
                self._bring(command)
            except errors.Refusal as refusal:
                self._refuse(command.id, refusal)

    def _bring(self, command: Bring) -> None:
        if self._connector is None:
            raise errors.NotAuthenticated
        if delay := self._services.paces.delay(self._connector, self._services.clock.now()):
            raise errors.TooFast(retry_after_ms=delay)
        if self._pending >= self._services.connection.posts_pending_max:
            raise errors.TooFast(
                "Too many posts wait for their acknowledgement.", retry_after_ms=100
            )
        self._pending += 1
        draft = BotDraft(
            id=command.id,
            connector=self._connector,
            client_id=command.client_id,
            body=command.body,
        )
        self._services.writer.post(draft, lambda result: self._brought(command.id, result))

    def _brought(self, request: int, result: Result) -> None:
        self._pending -= 1
        if isinstance(result, Outcome):
            self._reply(result.reply)
        elif isinstance(result, errors.Overloaded):
            self._refuse(request, result)
        else:
            self.end(
                Close.CONNECTOR_REVOKED if isinstance(result, errors.Refusal) else Close.BROKEN
            )
