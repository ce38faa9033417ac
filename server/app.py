"""App: the ASGI application, and the life of what it is made of.

Decides which door leads where, and the order in which the parts start and stop: the store before
the writer, the writer before the first connection; and backwards. Makes no part (``parts`` does).
Invariant: nothing is served before the store is whole, and nothing is cut off that was begun.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server import errors, logs
from server.gateway.connect import Connect, ConnectReader
from server.gateway.connection import Connection
from server.gateway.slim import slim_protocols
from server.http.attachments import AttachmentEndpoints, Depot
from server.http.bring import Bring
from server.http.deafness import WhileHearing
from server.http.hooks.endpoint import Hook
from server.http.intake import Intake
from server.http.own import Holdings, Own
from server.http.refusals import HANDLERS, Guard
from server.http.routes import routes
from server.http.transfer import Transfers
from server.parts import Parts
from server.watching import Watched, WatchedPasswords, watched_connection
from storage import attachments, migrations
from storage.charge import Charge
from storage.database import Misconfigured

#: Seconds between attempts to finish an erasure that another process's read holds up.
SCRUB_EVERY_S = 1.0

#: Objects between collections: connections come by thousands and are no garbage (a full
#: collection of 5,000 of them stops the loop for tens of milliseconds).
COLLECTOR = (20_000, 20, 100)

_log = structlog.get_logger(__name__)

#: Seconds to wait for a command of administration that has charge of the database.
CHARGE_TIMEOUT_S = 10.0
#: For TLS 1.2: forward secrecy and authenticated encryption only; those of TLS 1.3 all are so.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Entrance:
    """Sends WebSockets straight to their endpoint, and all else to Starlette.

    Its middleware would keep 3-6 KB a connection, and takes a third of a handshake. What a start
    failed with is kept for whoever asked for it: the ASGI server hands on its traceback as text.
    """

    def __init__(self, web: ASGIApp, sockets: Mapping[str, ASGIApp]) -> None:
        self._web = web
        self._sockets = sockets
        self.failure: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, request or lifespan."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        path: str = scope["path"] if scope["type"] == "websocket" else ""
        await self._sockets.get(path, self._web)(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._web(scope, receive, send)
        except BaseException as error:
            self.failure = error
            raise


def _gauges(parts: Parts) -> dict[str, Callable[[], float]]:
    """Return what reads each figure of the moment, from another thread."""
    passwords, tallies = parts.passwords, parts.services.tallies
    return {
        "connections": lambda: parts.doors.open,
        "readers": lambda: parts.public_doors.open,
        "sessions": lambda: len(parts.services.live),
        "connections_congested": lambda: tallies.congested,
        "writer_queue": lambda: parts.writer.depth,
        "writer_bytes": lambda: parts.writer.bytes,
        "broker_queue": lambda: parts.broker.waiting,
        "deaf": lambda: parts.broker.hearing.deaf,
        "password_hashes": lambda: (
            passwords.awaited if isinstance(passwords, WatchedPasswords) else 0
        ),
        "erasures_pending": lambda: parts.eraser.pending,
        "keys": parts.database.keyring.count,
        "clock_seconds": lambda: parts.clock.now() / 1_000,
    }


@contextmanager
def _metrics_read(parts: Parts) -> Iterator[None]:
    """Let metrics be read, where a port is set for them."""
    settings, metrics = parts.settings, parts.metrics
    if metrics is None or settings.metrics_port is None:
        yield
        return
    metrics.read(_gauges(parts))
    with metrics.served(settings.metrics_host, settings.metrics_port) as port:
        _log.info("metrics_served", port=port)
        yield


def application(parts: Parts) -> Entrance:
    """Return the ASGI application, which starts and stops the parts with its lifespan."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with running(parts):
            yield

    settings = parts.settings
    person = Connection
    if parts.tracing is not None:
        person = watched_connection((parts.tracing.commanded,))
    people, bots = (
        Connect(
            parts.services, parts.doors, parts.links, settings.origins, bots=bots, person=person
        )
        for bots in (False, True)
    )
    readers = ConnectReader(parts.services, parts.public_doors, parts.links, settings.origins)
    web = Starlette(
        routes=_routes(parts, people, bots, readers), exception_handlers=HANDLERS, lifespan=lifespan
    )
    guarded: ASGIApp = Guard(WhileHearing(web, parts.broker.hearing))
    watching = [one.answered for one in (parts.metrics, parts.tracing) if one is not None]
    if watching:
        guarded = Watched(guarded, watching)
    return Entrance(guarded, {"/v1/connect": people, "/v1/bring": bots, "/v1/read": readers})


def _routes(parts: Parts, people: Connect, bots: Connect, readers: ConnectReader) -> list[Route]:
    settings = parts.settings
    intake = Intake(parts.database, parts.writer, parts.clock, parts.services.paces)
    bring = Bring(intake, body_bytes_max=settings.http_body_bytes_max)
    own = Own(
        Holdings(parts.accounts, parts.database, parts.writer, parts.clock),
        origins=settings.origins,
        body_bytes_max=settings.http_body_bytes_max,
    )
    hook = Hook(intake, body_bytes_max=settings.hook_body_bytes_max)

    return [
        *routes(
            parts.accounts,
            partial(_ready, parts),
            origins=settings.origins,
            body_bytes_max=settings.http_body_bytes_max,
        ),
        *_file_routes(parts),
        Route("/v1/close", own.close, methods=["POST"]),
        Route("/v1/export", own.export, methods=["GET"]),
        Route("/v1/bring", bring.answer, methods=["POST"]),
        Route("/hooks/{token}", hook.answer, methods=["POST"]),
        Route("/hooks/{token}/", hook.answer, methods=["POST"]),
        Route("/v1/connect", people.upgrade_required, methods=["GET"]),
        Route("/v1/bring", bots.upgrade_required, methods=["GET"]),
        Route("/v1/read", readers.upgrade_required, methods=["GET"]),
    ]


def _file_routes(parts: Parts) -> list[Route]:
    settings, services = parts.settings, parts.services
    transfers = Transfers(
        services.live,
        parts.clock,
        most=settings.transfers_max,
        per_member=settings.transfers_per_member_max,
    )
    depot = Depot(
        parts.accounts,
        parts.database,
        parts.writer,
        services.hub,
        transfers,
        settings.transfer_stall_s,
    )
    files = AttachmentEndpoints(depot, origins=settings.origins)
    path = "/v1/attachments/{attachment}"
    return [
        Route(path, files.take, methods=["PUT"]),
        Route(path, files.give, methods=["GET", "POST"]),
    ]


async def _ready(parts: Parts) -> bool:
    """Say whether this node can serve: it hears the others, and the store answers."""
    hearing = parts.broker.hearing
    return not (hearing.deaf or hearing.leaving) and await parts.database.answers()


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """Start the parts; at the end finish what is under way, and stop them."""
    asyncio.get_running_loop().set_exception_handler(logs.on_loop_exception)
    await _take_charge(parts.charge)
    await parts.database.write(migrations.upgrade)
    await parts.eraser.scrub()
    await parts.broker.start()
    parts.writer.start()
    parts.deadlines.start()
    parts.foreman.start()
    chores = [asyncio.create_task(chore(parts)) for chore in (_note, _scrub)]
    gc.collect()
    gc.set_threshold(*COLLECTOR)
    gc.freeze()  # what is there now stays: full collections need not look at it again
    try:
        with _metrics_read(parts):
            yield
    finally:
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        parts.deadlines.stop()
        await parts.foreman.stop()
        await parts.writer.stop()
        await parts.broker.stop()
        with suppress(errors.StorageUnavailable):
            await parts.accounts.note_seen()
        parts.passwords.close()
        await parts.eraser.scrub()
        await parts.database.close()
        if parts.tracing is not None:
            await asyncio.to_thread(parts.tracing.close)
        await asyncio.to_thread(parts.charge.leave)


async def _take_charge(charge: Charge) -> None:
    """Begin to serve the database; a command that has it is done soon. Raises Misconfigured."""
    try:
        async with asyncio.timeout(CHARGE_TIMEOUT_S):
            while not await asyncio.to_thread(charge.serve):  # noqa: ASYNC110  # another process lets it go
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Misconfigured("Another server is in charge of this database.") from None


async def _note(parts: Parts) -> None:
    """Note in the store, every so often, which sessions were seen, and sweep the dead ones."""
    while True:
        await asyncio.sleep(parts.settings.seen_every_s)
        try:
            await parts.accounts.note_seen()
            if await asyncio.to_thread(parts.charge.lead):
                await parts.accounts.sweep()
                await _sweep_files(parts)
        except errors.StorageUnavailable:
            _log.warning("notes_postponed")


async def _sweep_files(parts: Parts) -> None:
    """Erase the files that waited too long for their bytes or their message, a few at a time."""
    while True:
        before = parts.clock.now() - int(parts.settings.attachment_pending_s * 1_000)
        if not await parts.database.write(attachments.sweep, before=before):
            return
        await parts.eraser.scrub()


async def _scrub(parts: Parts) -> None:
    """Finish erasures that something held up."""
    while True:  # what holds them up is another process, which tells nobody
        await asyncio.sleep(SCRUB_EVERY_S)
        if parts.eraser.pending:
            await parts.eraser.scrub()


def uvicorn_config(parts: Parts, app: Any, *, fast_links: bool) -> uvicorn.Config:
    """Return how uvicorn serves the application: bounds of ours, no compression, no access log."""
    settings = parts.settings
    slim = slim_protocols(parts.links)
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=slim.http,
        ws=slim.ws if fast_links else "websockets-sansio",
        ws_max_size=parts.links.message_bytes_max,
        ws_ping_interval=settings.ping_interval_s,
        ws_ping_timeout=settings.ping_timeout_s,
        ws_per_message_deflate=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_ciphers=CIPHERS,
        lifespan="on",
        loop="server.egress:loop_factory",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.drain_s) + 1,
    )
