"""Connectors: install and revoke the credentials of bots.

Invariant: a token is returned once, by the reply to its installation, and stored only as a digest.
"""

from __future__ import annotations

from server import errors
from server.auth import tokens
from server.channels.outcome import Outcome, Publication, Request
from server.domain.naming import check_name
from server.domain.permission import check_administrator, check_connector
from server.protocol.commands import InstallConnector, RevokeConnector
from server.protocol.events import ConnectorInstalled, ConnectorRevoked
from server.protocol.replies import ConnectorToken, Done
from server.protocol.views import ConnectorView
from storage import connectors, spheres, timeline
from storage.database import Transaction


def install(tx: Transaction, request: Request[InstallConnector]) -> Outcome:
    """Draw a token that can post to one sphere, and tell its members."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_administrator(standing)
    assert standing is not None
    if connectors.count(tx, command.sphere) >= request.limits.connectors_per_sphere_max:
        raise errors.Full("This sphere has as many connectors as the server allows.")
    token = tokens.new_connector_token()
    made = connectors.install(
        tx,
        digest=tokens.digest(token),
        sphere_id=command.sphere,
        name=check_name(command.name),
        by=request.member.id,
        now=request.now,
    )
    shown = ConnectorView(connector=made.id, name=made.name, installed_by=made.installed_by)
    entry = timeline.append(
        tx,
        standing.sphere,
        lambda seq: ConnectorInstalled(
            sphere=command.sphere, seq=seq, at=request.now, connector=shown
        ),
    )
    return Outcome(
        reply=ConnectorToken(id=command.id, connector=shown, token=token),
        publication=Publication(entries=(entry,)),
    )


def revoke(tx: Transaction, request: Request[RevokeConnector]) -> Outcome:
    """Kill a token; the bot's open sockets close."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_administrator(standing)
    assert standing is not None
    check_connector(standing, exists=connectors.revoke(tx, command.sphere, command.connector))
    entry = timeline.append(
        tx,
        standing.sphere,
        lambda seq: ConnectorRevoked(
            sphere=command.sphere,
            seq=seq,
            at=request.now,
            connector=command.connector,
            by=request.member.id,
        ),
    )
    return Outcome(
        reply=Done(id=command.id),
        publication=Publication(revoked=(command.connector,), entries=(entry,)),
    )
