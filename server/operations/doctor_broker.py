"""The doctor's look at the broker: Redis carries what is said between nodes, and keeps none of it.

Decides what is a fault there. Imported where it is needed: it brings Redis's library along.
Invariant: nothing is asked but how the server is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from server.channels.redis_places import Place, Plan, plan_of
from server.settings import Settings

#: Seconds until a server that does not answer is taken for one that is not there.
PATIENCE_S: Final = 5.0
#: How a server keeps what it should not: setting, what it must say, and what it does otherwise.
KEEPING: Final[tuple[tuple[str, Callable[[str], bool], str], ...]] = (
    ("save", lambda said: said == "", 'writes what passes through to its disk: set `save ""`'),
    ("appendonly", lambda said: said == "no", "keeps a log on its disk: set `appendonly no`"),
    (
        "slowlog-log-slower-than",
        lambda said: int(said) < 0,
        "keeps slow commands with what they say: set `slowlog-log-slower-than -1`",
    ),
)


def broker(settings: Settings) -> Iterator[str]:
    """Redis answers, and keeps nothing of what passes through it."""
    if settings.broker_url is None:
        return
    try:
        plan = plan_of(settings.broker_url.get_secret_value())
    except ValueError as error:
        yield str(error)
        return
    for place in plan.places if plan.kind != "sentinel" else [None]:
        yield from _faults_at(plan, place)


def _faults_at(plan: Plan, place: Place | None) -> Iterator[str]:
    where = plan.service if place is None else f"{place.host}:{place.port}"
    try:
        with _opened(plan, place) as server:
            said: Mapping[str, Any] = server.config_get(*(name for name, _, _ in KEEPING))
    except (RedisError, OSError) as error:
        yield f"Redis at {where} cannot be asked: {type(error).__name__}."
        return
    for name, is_well, otherwise in KEEPING:
        if not is_well(str(said.get(name, ""))):
            yield f"Redis at {where} {otherwise}."


def _opened(plan: Plan, place: Place | None) -> Redis:
    """Return a connection to a server, or to the master that the sentinels name."""
    waits = {"socket_connect_timeout": PATIENCE_S, "socket_timeout": PATIENCE_S, "ssl": plan.tls}
    chosen: Any = {**plan.options, **waits}
    if place is not None:
        return Redis(host=place.host, port=place.port, decode_responses=True, **chosen)
    kind: Any = Sentinel
    sentinels = kind([(one.host, one.port) for one in plan.places], sentinel_kwargs=waits, **chosen)
    master: Redis = sentinels.master_for(plan.service, decode_responses=True)
    return master
