"""Brokers: which one a node has, and what it is told of the node.

Decides by the settings. Invariant: a node alone loads nothing of what several need.
"""

from __future__ import annotations

from functools import partial

from server.auth.live import LiveSessions
from server.auth.throttle import Throttle
from server.channels.broker import Broker
from server.channels.broker_memory import MemoryBroker
from server.channels.hub import Hub
from server.channels.outcome import Publication, Spent
from server.channels.recheck import differences
from server.channels.writer import Writer
from server.protocol.close import Close
from server.settings import Settings
from storage.database import Database, Misconfigured

#: The id, in the keyring, of the key under which nodes tell each other of attempts to sign in.
THROTTLE_ID = b"cloison throttle"


def broker_for(settings: Settings, database: Database) -> Broker:
    """Return the broker of a node alone, or of one among several. Raises Misconfigured."""
    if settings.broker_url is None:
        return MemoryBroker()
    from server.channels.broker_redis import NodeLimits, RedisBroker  # noqa: PLC0415  # not for one
    from server.channels.redis_places import plan_of  # noqa: PLC0415  # as above

    try:
        plan = plan_of(settings.broker_url.get_secret_value())
    except ValueError as error:
        raise Misconfigured(str(error)) from None
    limits = {name: getattr(settings, name) for name in NodeLimits.__struct_fields__}
    return RedisBroker(plan, database, prefix=settings.broker_prefix, limits=NodeLimits(**limits))


def join(broker: Broker, hub: Hub, live: LiveSessions, database: Database, writer: Writer) -> None:
    """Let a node among several know whom it has to send away, and what to compare."""

    def send_away() -> None:
        hub.fall_silent()
        live.send_away(Close.CUT_OFF)

    broker.hearing.send_away = send_away
    if not isinstance(broker, MemoryBroker):
        live.tell = lambda session, at: broker.count(seen=((session, at),))
    broker.hearing.settled = writer.settled
    broker.hearing.differences = partial(differences, database, live, hub)


def share(broker: Broker, throttle: Throttle) -> None:
    """Have nodes count attempts to sign in together."""

    def deliver(publication: Publication) -> None:
        for one in publication.spent:
            throttle.spent(one.bucket, one.key, one.cost)

    broker.listen(deliver)
    throttle.tell = lambda bucket, key, cost: broker.count(spent=(Spent(bucket, key, cost),))
