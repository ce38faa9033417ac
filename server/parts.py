"""Parts: the composition root. Nothing else wires anything.

Decides what is made of what, from the settings; nothing runs yet. Invariant: every bound that a
part takes comes from the settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from server.administration.foreman import Foreman
from server.auth.accounts import Accounts
from server.auth.deadlines import DeadlineTimer
from server.auth.live import LiveSessions
from server.auth.passwords import Passwords
from server.auth.throttle import Throttle
from server.channels.broker import Broker
from server.channels.brokers import THROTTLE_ID, broker_for, join, share
from server.channels.endings import Endings
from server.channels.forgetting import Forgetting
from server.channels.hub import Hub
from server.channels.listening import HubLimits
from server.channels.outcome import Limits, Publication
from server.channels.writer import Writer, WriterLimits
from server.clock import Clock, SystemClock
from server.domain.pace import Paces
from server.gateway.connect import Doors
from server.gateway.link import LinkLimits
from server.gateway.services import ReaderLimits, Services
from server.gateway.speaker import ConnectionLimits
from server.settings import Settings
from server.tallies import Tallies
from server.watching import Commit, WatchedDatabase, WatchedPasswords, WatchedWriter
from storage import keyrings, sessions
from storage.charge import Charge
from storage.database import Database, Misconfigured
from storage.erasure import Eraser
from storage.gathering import Gathering
from storage.keyring import Keyring
from storage.veil import ROOT_ID, Veil

if TYPE_CHECKING:
    from server.metrics import Metrics
    from server.tracing import Tracing

S = TypeVar("S", bound=msgspec.Struct)


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The running parts of a server."""

    settings: Settings
    clock: Clock
    metrics: Metrics | None
    tracing: Tracing | None
    database: Database
    eraser: Eraser
    passwords: Passwords
    accounts: Accounts
    deadlines: DeadlineTimer
    broker: Broker
    writer: Writer
    foreman: Foreman
    charge: Charge
    services: Services
    doors: Doors
    public_doors: Doors  #: of readers without an account, counted apart
    links: LinkLimits


def compose(settings: Settings, clock: Clock | None = None) -> Parts:
    """Make every part of a server; nothing runs yet."""
    clock = clock or SystemClock()
    tallies = Tallies()
    metrics, tracing = _metrics(settings, tallies), _tracing(settings)
    database, veil = _store(settings, metrics, tracing)
    live = LiveSessions(connections_per_session_max=settings.connections_per_session_max)
    broker = broker_for(settings, database)
    hub = _hub(settings, veil, tallies, broker)
    _listen(broker, hub, Endings(live, clock), Forgetting(database.keyring), metrics)
    eraser = _eraser(database, broker)
    writer = _writer(settings, clock, database, eraser, broker, tracing)
    join(broker, hub, live, database, writer)
    passwords, charge = _passwords(settings, metrics), database.charge()
    return Parts(
        settings=settings,
        clock=clock,
        metrics=metrics,
        tracing=tracing,
        database=database,
        eraser=eraser,
        passwords=passwords,
        accounts=_accounts(settings, clock, database, passwords, live, broker),
        deadlines=DeadlineTimer(live, clock),
        broker=broker,
        writer=writer,
        foreman=_foreman(settings, clock, database, writer, live, charge),
        charge=charge,
        services=_services(settings, clock, database, writer, hub, live, tallies, broker),
        doors=Doors(
            connections_max=settings.connections_max,
            per_address_max=settings.connections_per_address_max,
        ),
        public_doors=Doors(
            connections_max=settings.public_readers_max,
            per_address_max=settings.public_readers_per_address_max,
        ),
        links=_links(settings),
    )


def _metrics(settings: Settings, tallies: Tallies) -> Metrics | None:
    """Return what is measured, where a port is set for it."""
    if settings.metrics_port is None:
        return None
    from server.metrics import Metrics  # noqa: PLC0415  # its library, for those who want it

    return Metrics(tallies)


def _tracing(settings: Settings) -> Tracing | None:
    """Return what is traced, where a file is named for it. Raises Misconfigured, OSError."""
    if settings.traces_file is None:
        return None
    try:
        from server.tracing import Tracing  # noqa: PLC0415  # as above
    except ImportError:
        raise Misconfigured("Traces need OpenTelemetry: install cloison[otel].") from None

    return Tracing(settings.traces_file, settings.traces_bytes_max)


def _store(settings: Settings, *watching: Metrics | Tracing | None) -> tuple[Database, Veil]:
    """Open the keyring and the database; neither stays open without the other."""
    watchers = [one.committed for one in watching if one is not None]
    keyring = keyrings.opened(settings.keys_path, settings.keys_url, data=settings.url)
    try:
        return _database(settings, keyring, watchers), Veil(keyring.lasting(ROOT_ID))
    except BaseException:
        keyring.close()
        raise


def _database(
    settings: Settings, keyring: Keyring, watchers: Sequence[Callable[[Commit], None]]
) -> Database:
    if not watchers:
        return Database(settings.url, keyring, readers_max=settings.readers_max)
    database = WatchedDatabase(settings.url, keyring, readers_max=settings.readers_max)
    database.watchers = watchers
    return database


def _writer(
    settings: Settings,
    clock: Clock,
    database: Database,
    eraser: Eraser,
    broker: Broker,
    tracing: Tracing | None,
) -> Writer:
    limits = _chosen(settings, WriterLimits)
    if tracing is None:
        return Writer(database, eraser, broker, clock, limits)
    writer = WatchedWriter(database, eraser, broker, clock, limits)
    writer.watchers = (tracing.commanded,)
    return writer


def _hub(settings: Settings, veil: Veil, tallies: Tallies, broker: Broker) -> Hub:
    return Hub(
        timelines=None if settings.broker_url is None else broker,
        veil=veil,
        readers_per_sphere_max=settings.public_readers_per_sphere_max,
        limits=_chosen(settings, HubLimits),
        tallies=tallies,
    )


def _listen(
    broker: Broker, hub: Hub, endings: Endings, forgetting: Forgetting, metrics: Metrics | None
) -> None:
    """Let all hear the broker that must: the hub first."""
    for deliver in (*hub.deliveries, endings.deliver, forgetting.deliver):
        broker.listen(deliver)
    if metrics is not None:
        broker.listen(metrics.heard)


def _passwords(settings: Settings, metrics: Metrics | None) -> Passwords:
    return (Passwords if metrics is None else WatchedPasswords)(
        memory_kib=settings.argon2_memory_kib,
        time=settings.argon2_time,
        lanes=settings.argon2_lanes,
        hashers_max=settings.hashers_max,
        hashes_waiting_max=settings.hashes_waiting_max,
    )


def _accounts(
    settings: Settings,
    clock: Clock,
    database: Database,
    passwords: Passwords,
    live: LiveSessions,
    broker: Broker,
) -> Accounts:
    return Accounts(
        database,
        clock,
        passwords=passwords,
        throttle=_throttle(settings, clock, database, broker),
        live=live,
        ended=lambda ids: broker.publish(Publication(ended=tuple(ids))),
        invitations_per_sphere_max=settings.invitations_per_sphere_max,
    )


def _throttle(settings: Settings, clock: Clock, database: Database, broker: Broker) -> Throttle:
    alone = settings.broker_url is None
    throttle = Throttle(
        clock,
        attempts_per_minute=settings.sign_ins_per_minute_per_source,
        failures_per_minute=settings.sign_in_failures_per_minute,
        secret=None if alone else database.keyring.lasting(THROTTLE_ID),
    )
    if not alone:
        share(broker, throttle)
    return throttle


def _services(
    settings: Settings,
    clock: Clock,
    database: Database,
    writer: Writer,
    hub: Hub,
    live: LiveSessions,
    tallies: Tallies,
    broker: Broker,
) -> Services:
    """Return what a connection may use."""
    return Services(
        database=database,
        sessions=Gathering(database, sessions.by_digests),
        writer=writer,
        hub=hub,
        live=live,
        clock=clock,
        limits=_chosen(settings, Limits),
        connection=_chosen(settings, ConnectionLimits),
        paces=Paces(rate=settings.connector_posts_per_second, burst=settings.connector_posts_burst),
        broker=broker,
        readers=_chosen(settings, ReaderLimits),
        reading=asyncio.Semaphore(settings.reader_looks_max),
        tallies=tallies,
    )


def _foreman(
    settings: Settings,
    clock: Clock,
    database: Database,
    writer: Writer,
    live: LiveSessions,
    charge: Charge,
) -> Foreman:
    """Return who does what commands ask, on the node that leads."""
    every_s = settings.errands_every_s
    return Foreman(database, writer, live, clock, leads=charge.lead, every_s=every_s)


def _eraser(database: Database, broker: Broker) -> Eraser:
    """Return who finishes erasures, and tells all nodes which keys are gone."""
    return Eraser(database, lambda keys: broker.publish(Publication(destroyed_keys=keys)))


def _links(settings: Settings) -> LinkLimits:
    names = [name for name in LinkLimits.__struct_fields__ if name != "message_bytes_max"]
    return LinkLimits(**{name: getattr(settings, name) for name in names})


def _chosen(settings: Settings, kind: type[S]) -> S:
    """Return the bounds of one part: the settings that have the names of its fields."""
    return kind(**{name: getattr(settings, name) for name in kind.__struct_fields__})
