"""Migrations: bring a database of any earlier version up to ``schema``, with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for an open connection; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the database up to date, in the transaction at hand. Does nothing when it is."""
    config = configuration(connection)
    present = MigrationContext.configure(connection).get_current_revision()
    if present != ScriptDirectory.from_config(config).get_current_head():
        command.upgrade(config, "head")
