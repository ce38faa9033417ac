"""Places: the spheres of an organisation, by id and name, and the bots that may bring things in.

Invariant: what is printed says nothing of content, and not who is inside which sphere, beyond who
installed a bot there.
"""

from __future__ import annotations

import argparse

from server.administration import answers
from server.administration.office import Office
from server.administration.wishes import RevokeConnector
from server.protocol.views import InstalledConnector, SphereName
from storage import connectors as stored_connectors
from storage import spheres as stored_spheres
from storage.database import Transaction


async def spheres(office: Office, chosen: argparse.Namespace) -> None:
    """List the spheres."""

    def ask(tx: Transaction) -> list[SphereName]:
        return stored_spheres.of_organisation(tx, answers.organisation(tx, chosen.handle).id)

    found = await office.database.read(ask)
    print(answers.table(("NAME", "SPHERE"), [(one.name, one.sphere) for one in found]))


async def connectors(office: Office, chosen: argparse.Namespace) -> None:
    """List the connectors."""

    def ask(tx: Transaction) -> list[InstalledConnector]:
        return stored_connectors.of_organisation(tx, answers.organisation(tx, chosen.handle).id)

    rows = [
        (one.name, one.connector, one.installed_by, one.sphere)
        for one in await office.database.read(ask)
    ]
    print(answers.table(("NAME", "CONNECTOR", "INSTALLED BY", "SPHERE"), rows))


async def revoke(office: Office, chosen: argparse.Namespace) -> None:
    """Revoke a connector."""
    found = await office.database.read(answers.organisation, chosen.handle)
    await office.wish(RevokeConnector(organisation=found.id, connector=chosen.connector))
    print("Revoked; the sphere is told.")
