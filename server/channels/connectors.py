"""Connectors: install and revoke the credentials of bots, as who administers, manages or operates.

Invariant: a token is returned once, by the reply to its installation, and stored only as a digest.
"""

from __future__ import annotations

from server import errors
from server.auth import tokens
from server.channels.outcome import Outcome, Publication, Request
from server.channels.spheres import present
from server.domain.facts import Sphere
from server.domain.naming import check_name
from server.domain.permission import check_administrator, check_connector, check_manager
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
    if command.sphere is None:
        return _revoke_as_manager(tx, request)
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_administrator(standing)
    assert standing is not None
    check_connector(standing, exists=connectors.revoke(tx, command.sphere, command.connector))
    return Outcome(
        reply=Done(id=command.id),
        publication=_revoked(
            tx, standing.sphere, command.connector, request.member.id, request.now
        ),
    )


def _revoke_as_manager(tx: Transaction, request: Request[RevokeConnector]) -> Outcome:
    manager, connector = present(tx, request), request.command.connector
    check_manager(manager)
    publication = _revoke(tx, manager.organisation, connector, manager.id, request.now)
    return Outcome(reply=Done(id=request.command.id), publication=publication)


def revoke_as_operator(tx: Transaction, organisation: str, connector: str, now: int) -> Publication:
    """Kill a token from the command line; the sphere is told. Raises NotFound."""
    return _revoke(tx, organisation, connector, None, now)


def _revoke(
    tx: Transaction, organisation: str, connector: str, by: str | None, now: int
) -> Publication:
    """Kill a token of an organisation; whoever asks learns nothing of the sphere."""
    home = connectors.home(tx, connector, organisation)
    sphere = None if home is None else spheres.get(tx, home)
    if sphere is None or not connectors.revoke(tx, sphere.id, connector):
        raise errors.NotFound
    return _revoked(tx, sphere, connector, by, now)


def _revoked(
    tx: Transaction, sphere: Sphere, connector: str, by: str | None, now: int
) -> Publication:
    entry = timeline.append(
        tx,
        sphere,
        lambda seq: ConnectorRevoked(sphere=sphere.id, seq=seq, at=now, connector=connector, by=by),
    )
    return Publication(revoked=(connector,), entries=(entry,))
