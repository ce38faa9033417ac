"""Endings: how the end of sessions reaches the sockets that are open on this node.

Listens to the broker after the hub: whoever is out of a sphere is off its lists before anything of
their session is touched. Invariant: when a publication has been delivered here, no session that it
ends takes a command or gets a connection.
"""

from __future__ import annotations

from server.auth.live import LiveSessions
from server.channels.outcome import Publication
from server.clock import Clock


class Endings:
    """Has the sessions that are open here obey what was committed."""

    def __init__(self, live: LiveSessions, clock: Clock) -> None:
        self._live = live
        self._clock = clock

    def deliver(self, publication: Publication) -> None:
        """Apply policies that were replaced, then close what is over."""
        for one in publication.replaced:
            self._live.replace_policy(
                one.organisation,
                session=one.session,
                password=one.password,
                now=self._clock.now(),
            )
        for session in publication.ended:
            self._live.end(session)
        for session, at in publication.seen:
            self._live.seen_elsewhere(session, at)
