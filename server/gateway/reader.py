"""Reader: one WebSocket of somebody who reads a public sphere without an account.

Decides the order of things on it: hello first, then pages, one look at the store at a time. The
connection is all there is of a reader: nothing is stored, logged or told to anybody, and no token
is taken. Invariant: nothing of a sphere is handed to the link but by the sphere's hall, or as a
reply that the hall has just checked; and the connection ends by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from server import errors
from server.channels import publicity
from server.domain.pace import Pace
from server.gateway.link import Link
from server.gateway.services import Services
from server.gateway.speaker import Speaker
from server.protocol.close import Close
from server.protocol.codec import READER_COMMANDS, Encoding
from server.protocol.framing import Parcel
from server.protocol.reader import AnyReaderCommand, PublicPage, ReaderHello, ReaderHistory, Reading

#: How often something is read again because it changed meanwhile.
LOOKS_MAX = 10
_CHANGING = "What you ask for changes faster than it can be read."

_log = structlog.get_logger(__name__)


class ReaderConnection(Speaker):
    """A link, and whoever reads at its end."""

    __slots__ = (
        "_decode",
        "_ends_at",
        "_life",
        "_pace",
        "_services",
        "_sphere",
        "_task",
        "_waiting",
    )

    def __init__(
        self,
        services: Services,
        encoding: Encoding,
        digest: bytes | None,
        release: Callable[[], None],
    ) -> None:
        super().__init__(encoding, services.connection, release, services.tallies)
        assert digest is None, "a reader presents nothing"
        limits = services.readers
        self._services = services
        self._decode = READER_COMMANDS[encoding]
        self._pace = Pace(
            rate=limits.reader_commands_per_second, burst=limits.reader_commands_burst
        )
        self._ends_at = services.clock.now() + int(limits.reader_lifetime_s * 1_000)
        self._life: asyncio.TimerHandle | None = None
        self._sphere: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[AnyReaderCommand] = deque()

    def start(self, link: Link, hello_timeout_s: float, late: Close) -> None:
        """Take the link, for a time."""
        super().start(link, hello_timeout_s, late)
        self._life = asyncio.get_running_loop().call_later(
            self._services.readers.reader_lifetime_s, self.end, Close.READER_TIME_OVER
        )

    # -- what the link calls

    def message_received(self, data: bytes, text: bool) -> None:  # noqa: FBT001  # the link's call
        """Take one command, now or after the one under way."""
        request = None
        try:
            self._check_kind(text=text)
            request = self._decode.request_id(data)
            command = self._decode.decode(data)
            self._check_pace()
        except errors.Refusal as refusal:
            self._refuse(request, refusal)
            return
        self._waiting.append(command)
        self._go_on()

    def congestion_changed(self, congested: bool) -> None:  # noqa: FBT001  # the link's call
        """Count it, and no more: the link has the bounds."""
        self._count_congestion(congested=congested)

    def connection_lost(self, code: int) -> None:
        """Let go of everything."""
        self._ended(code)
        self._waiting.clear()
        if self._life is not None:
            self._life.cancel()
        if self._sphere is not None:
            self._services.hub.halls.leave(self._sphere, self)

    # -- what the hall calls

    def send(self, parcel: Parcel) -> None:
        """Take a parcel to the link."""
        self.link.send(parcel)

    def end(self, close: Close) -> None:
        """Close; what is unsent of a sphere that is not public any more is for nobody here."""
        if close in {Close.NOT_PUBLIC, Close.CUT_OFF} and self.link.unsent:
            self.link.abort()
        else:
            super().end(close)

    # -- one command

    def _check_pace(self) -> None:
        """Raise TooFast for who asks too fast, or has too much asked already."""
        if len(self._waiting) >= self._services.readers.reader_commands_burst:
            raise errors.TooFast("Wait for the answers.", retry_after_ms=1_000)
        if delay := self._pace.delay(self._services.clock.now()):
            raise errors.TooFast(retry_after_ms=delay)

    def _go_on(self) -> None:
        if self._task is None and self._waiting and not self.link.closed:
            command = self._waiting.popleft()
            self._task = asyncio.get_running_loop().create_task(self._run(command))

    async def _run(self, command: AnyReaderCommand) -> None:
        """Run one command to its reply. The one place where refusals become frames."""
        try:
            if isinstance(command, ReaderHello):
                await self._hello(command)
            else:
                await self._history(command)
        except errors.Refusal as refusal:
            self._refuse(command.id, refusal)
        except Exception as bug:  # noqa: BLE001  # a bug ends this connection, and no other
            _log.error("command_failed", command=type(command).__name__, error=type(bug).__name__)
            self.end(Close.BROKEN)
        self._task = None
        self._go_on()

    async def _hello(self, command: ReaderHello) -> None:
        """Come into the hall of a public sphere."""
        if self._sphere is not None:
            raise errors.AlreadyGreeted
        services, halls = self._services, self._services.hub.halls
        for _ in range(LOOKS_MAX):
            with halls.visiting(command.sphere) as visit:
                await services.hub.follow(command.sphere)
                async with services.reading:
                    found = await services.database.read(publicity.opening, command.sphere)
                if self.link.closed:
                    return
                services.broker.hearing.check_door()
                if not visit.outdated:
                    name = halls.admit(visit, self, found)
                    self._sphere = command.sphere
                    self._greeted()
                    self._answer(self._reading(command, name))
                    return
        raise errors.Busy(_CHANGING, retry_after_ms=1_000)

    def _reading(self, command: ReaderHello, name: str) -> Reading:
        now = self._services.clock.now()
        return Reading(
            id=command.id, sphere=command.sphere, name=name, ends_at=self._ends_at, now=now
        )

    async def _history(self, command: ReaderHistory) -> None:
        """Show a page, unless the sphere is closed by the time that it was read.

        It is read again when something of the sphere was erased meanwhile: words do not arrive
        after the news that they are gone.
        """
        sphere = self._sphere
        if sphere is None:
            raise errors.NotAuthenticated("Say hello first.")
        services, halls = self._services, self._services.hub.halls
        for _ in range(LOOKS_MAX):
            with halls.visiting(sphere) as visit:
                async with services.reading:
                    found = await services.database.read(
                        publicity.history, sphere, command, halls.veil
                    )
                if self.link.closed:
                    return
                halls.check_visit(visit, self)
                if not visit.outdated:
                    visit.hall.saw(found.authors)
                    page = PublicPage(id=command.id, messages=found.messages, more=found.more)
                    self._answer(page)
                    return
        raise errors.Busy(_CHANGING, retry_after_ms=1_000)

    def _answer(self, reply: msgspec.Struct) -> None:
        """Reply before anything that is said later."""
        self._reply(reply)
        self._flush()
