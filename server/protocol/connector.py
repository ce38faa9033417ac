"""Connector: the write-only dialect of bots, over HTTP and over a WebSocket.

Invariant: the answer to a well-formed request is one constant, whatever the state of the sphere;
nothing here has a field that could carry an id, a count, a name or history out.
"""

from __future__ import annotations

import msgspec

from server.protocol.scalars import Body, ClientId, RequestId, Token


class ConnectorCommand(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """What a bot may send on its WebSocket."""

    id: RequestId


class ConnectorHello(ConnectorCommand, frozen=True, tag="hello"):
    """Present the connector's token, when the handshake's header did not."""

    token: Token | None = None


class Bring(ConnectorCommand, frozen=True, tag="bring"):
    """Bring a text into the connector's sphere; ``client_id`` makes it idempotent."""

    body: Body
    client_id: ClientId | None = None


AnyConnectorCommand = ConnectorHello | Bring


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="accepted"):
    """The request was well formed: that is all a bot ever learns."""

    id: RequestId
