"""Migrations: bring a database of any earlier version up to ``schema``, with Alembic.

Alembic takes longer to import than a server to start, so it is asked only when there is something
to do. Invariant: HEAD names the newest of the versions (a test compares).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

if TYPE_CHECKING:
    from alembic.config import Config

#: What is told how much is left, and of how much.
Moved = Callable[[int, int], None]
#: The newest version.
HEAD = "0003"


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for an open connection; there is no ini file."""
    from alembic.config import Config  # noqa: PLC0415  # see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def version(connection: Connection) -> str | None:
    """Return the version that the database is at, or None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql(
        "SELECT version_num FROM alembic_version"
    ).scalar_one_or_none()
    return found


def upgrade(connection: Connection, moved: Moved | None = None) -> None:
    """Bring the database up to date, in the transaction at hand. Does nothing when it is.

    ``moved`` is told how many versions are left, of how many.
    """
    present = version(connection)
    if present == HEAD:
        return
    from alembic import command  # noqa: PLC0415  # see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # see above

    config = configuration(connection)
    if moved is not None:
        script = ScriptDirectory.from_config(config)
        left = [one.revision for one in script.iterate_revisions(HEAD, present or "base")]
        config.attributes["applied"] = _telling(moved, len(left))
    command.upgrade(config, "head")


def _telling(moved: Moved, total: int) -> Callable[..., None]:
    """Return what Alembic is to call after each version."""
    left = iter(range(total - 1, -1, -1))
    return lambda **_: moved(next(left), total)
