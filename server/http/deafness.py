"""Deafness: while this node does not hear the others, it answers nobody but those who ask that.

Invariant: what would have to be told to the other nodes is not done while it could not be.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from server.channels.hearing import Hearing

_ANSWERED: Final = frozenset({"/healthz", "/readyz"})


class WhileHearing:
    """Wraps an application: raises Busy for requests that come while the node is deaf."""

    def __init__(self, app: ASGIApp, hearing: Hearing) -> None:
        self._app = app
        self._hearing = hearing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] not in _ANSWERED:
            self._hearing.check()
        await self._app(scope, receive, send)
