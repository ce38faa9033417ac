"""Recheck: what of this node's sessions, policies and bots is not so any more, by the store.

For a node that may have missed what the others said. Decides nothing: what differs is told as if it
had been published. Invariant: who was over in the store when this was asked is over here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from server.auth.live import LiveSessions
from server.channels.hub import Hub
from server.channels.outcome import Publication, Replaced
from storage import connectors, organisations, sessions
from storage.database import Database, Transaction

#: Ids in one statement: well below what databases take.
ASKED_MAX = 500


async def differences(database: Database, live: LiveSessions, hub: Hub) -> Publication:
    """Return what must be applied here. Raises StorageUnavailable."""
    held, bots, tenants = live.ids(), hub.connectors, live.organisations()

    def ask(tx: Transaction) -> Publication:
        valid = {one for some in _some(held) for one in sessions.valid(tx, some)}
        alive = {one for some in _some(bots) for one in connectors.alive(tx, some)}
        return Publication(
            ended=tuple(one for one in held if one not in valid),
            revoked=tuple(one for one in bots if one not in alive),
            replaced=tuple(
                Replaced(
                    organisation=one.id, password=one.password_policy, session=one.session_policy
                )
                for some in _some(tenants)
                for one in organisations.every(tx, some)
            ),
        )

    return await database.read(ask)


def _some(ids: Iterable[str]) -> Iterator[list[str]]:
    every = list(ids)
    for start in range(0, len(every), ASKED_MAX):
        yield every[start : start + ASKED_MAX]
