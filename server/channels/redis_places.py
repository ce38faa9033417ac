"""Redis places: from the broker's URL to open lines.

Knows one server, a master that Sentinel names, and a cluster, where each channel has its shard;
redis-py finds and opens the connections, over TLS where the scheme says so. Decides nothing about
what is said. Invariant: ``Lines.of`` returns the line on which Redis takes a channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from server.channels.redis_line import RedisLine

#: Seconds to open one connection: within them a server answers, or another try is due.
CONNECT_S: Final = 5.0

_PORTS: Final = {"sentinel": 26_379}


class Place(msgspec.Struct, frozen=True):
    """Where a server listens."""

    host: str
    port: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker's URL says."""

    kind: str  #: "single", "sentinel" or "cluster"
    places: tuple[Place, ...]
    service: str = ""  #: by which Sentinel knows the master
    options: dict[str, Any] = {}
    tls: bool = False


class Unreachable(Exception):
    """No connection to the broker came about."""


def plan_of(url: str) -> Plan:
    """Return what a URL says. Raises ValueError for one that says nothing sound.

    ``redis://``, ``rediss://`` (TLS); ``redis+sentinel://HOST:PORT,HOST:PORT/SERVICE``;
    ``redis+cluster://HOST:PORT,HOST:PORT``; the last two with ``rediss+`` over TLS.
    """
    from redis.asyncio.connection import parse_url  # noqa: PLC0415  # half of a start

    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in {"redis", "rediss"} or kind not in {"", "sentinel", "cluster"}:
        raise ValueError(
            "The broker's URL is redis://, rediss://, or one with +sentinel, +cluster."
        )
    login, at, hosts = parts.netloc.rpartition("@")
    places = tuple(_place(one, _PORTS.get(kind, 6_379)) for one in hosts.split(","))
    service = parts.path.strip("/") if kind == "sentinel" else ""
    if kind == "sentinel" and not service:
        raise ValueError("Name Sentinel's service: redis+sentinel://HOST:PORT/SERVICE.")
    path = "" if kind else parts.path
    first = f"{login}{at}{hosts.split(',')[0]}"
    options = dict(parse_url(urlunsplit((scheme, first, path, parts.query, ""))))
    for told in ("connection_class", "host", "port"):
        options.pop(told, None)
    return Plan(
        kind=kind or "single",
        places=places,
        service=service,
        options=options,
        tls=scheme == "rediss",
    )


def places_of(url: str, further: Iterable[str]) -> list[Place]:
    """Return every place that a broker may be at. Raises ValueError."""
    return [*plan_of(url).places, *(_place(one, 6_379) for one in further)]


def _place(named: str, port: int) -> Place:
    parts = urlsplit(f"//{named}")
    if not parts.hostname:
        raise ValueError("The broker's URL names no host.")
    return Place(parts.hostname, parts.port or port)


class Lines:
    """The open lines to all servers that have a channel."""

    def __init__(self, lines: list[RedisLine], by_slot: list[RedisLine] | None = None) -> None:
        self.every = lines
        self._by_slot = by_slot

    def of(self, channel: bytes) -> RedisLine:
        """Return the line of a channel."""
        if self._by_slot is None:
            return self.every[0]
        from redis.crc import key_slot  # noqa: PLC0415  # loaded long ago

        return self._by_slot[key_slot(channel)]

    @property
    def open(self) -> bool:
        """Say whether every line is."""
        return all(line.open for line in self.every)

    def abort(self) -> None:
        """End all lines at once."""
        for line in self.every:
            line.abort()

    async def close(self) -> None:
        """End all lines."""
        for line in self.every:
            await line.close()


async def open_lines(plan: Plan, make: Callable[[bool], RedisLine]) -> Lines:
    """Open the lines that a plan needs; ``make`` returns a line, sharded or not.

    Raises Unreachable.
    """
    from redis.exceptions import RedisError  # noqa: PLC0415  # half of a start

    try:
        async with asyncio.timeout(CONNECT_S):
            if plan.kind == "cluster":
                return await _open_cluster(plan, make)
            place = await _master(plan) if plan.kind == "sentinel" else plan.places[0]
            return Lines([await _open(plan, place, make(False))])  # noqa: FBT003  # not sharded
    except (RedisError, OSError, TimeoutError) as error:
        raise Unreachable(type(error).__name__) from error


async def _open(plan: Plan, place: Place, line: RedisLine) -> RedisLine:
    from redis.asyncio.connection import Connection, SSLConnection  # noqa: PLC0415  # as above
    from redis.maint_notifications import MaintNotificationsConfig  # noqa: PLC0415  # as above

    kind = SSLConnection if plan.tls else Connection
    connection = kind(
        host=place.host,
        port=place.port,
        protocol=3,
        socket_connect_timeout=CONNECT_S,
        socket_keepalive=True,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        **plan.options,
    )
    opening: Any = connection.connect
    await opening()
    line.take_over(connection)
    return line


async def _master(plan: Plan) -> Place:
    """Ask the sentinels who the master is."""
    from redis.asyncio.sentinel import Sentinel  # noqa: PLC0415  # as above

    kind: Any = Sentinel
    asked = kind(
        [(place.host, place.port) for place in plan.places],
        sentinel_kwargs={"socket_connect_timeout": 1.0, "socket_timeout": 1.0, "ssl": plan.tls},
    )
    try:
        host, port = await asked.discover_master(plan.service)
    finally:
        await asked.aclose()
    return Place(str(host), int(port))


async def _open_cluster(plan: Plan, make: Callable[[bool], RedisLine]) -> Lines:
    """Open a line to each shard that has slots."""
    from redis.asyncio.cluster import ClusterNode, RedisCluster  # noqa: PLC0415  # as above

    cluster = RedisCluster(
        startup_nodes=[ClusterNode(place.host, place.port) for place in plan.places],
        ssl=plan.tls,
        **plan.options,
    )
    try:
        await cluster.initialize()
        slots = [nodes[0] for _, nodes in sorted(cluster.nodes_manager.slots_cache.items())]
    finally:
        await cluster.aclose()
    lines: dict[str, RedisLine] = {}
    try:
        for node in slots:
            if node.name not in lines:
                place = Place(str(node.host), int(node.port))
                lines[node.name] = await _open(plan, place, make(True))  # noqa: FBT003  # sharded, that is
    except BaseException:
        for line in lines.values():
            await line.close()
        raise
    return Lines(list(lines.values()), [lines[node.name] for node in slots])
