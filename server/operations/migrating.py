"""Migrating: bring the tables up to this release, apart from the start of the server.

The server does the same when it starts; this is for those who want it to happen at a time of their
own, with a backup just made.
"""

from __future__ import annotations

import argparse
import asyncio

from server.progress import bar
from server.settings import Settings
from storage import keyrings, migrations
from storage.backup import Unusable
from storage.database import Database


def migrate(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Bring the tables up to date; say from where to where."""
    before, after = asyncio.run(_migrated(settings))
    if before == after:
        print(f"The database is up to date, at version {after}.")
    else:
        print(f"The database is at version {after}, and was {before or 'empty'}.")
    return 0


async def _migrated(settings: Settings) -> tuple[str | None, str | None]:
    keyring = keyrings.opened(settings.keys_path, settings.keys_url, data=settings.url)
    database = Database(settings.url, keyring, readers_max=1)
    charge = database.charge()
    try:
        if not charge.take():
            raise Unusable("The database is in use: stop the server first.")
        before = await database.write(migrations.version)
        await database.write(migrations.upgrade, bar())
        return before, await database.write(migrations.version)
    finally:
        await database.close()
        charge.leave()
