"""Commands: the sub-commands of operations, for the command line to take in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from server.operations.backup import back_up, restore
from server.operations.doctor import examine
from server.operations.migrating import migrate


def register(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the sub-commands; each takes the ``shared`` flags."""
    backing = commands.add_parser(
        "backup", help="copy the data to a file, while the server runs", parents=[shared]
    )
    backing.set_defaults(run=back_up)
    backing.add_argument("file", type=Path, help="file to make, or to replace")
    backing.add_argument("--keys", type=Path, help="file to copy the keys to: keep it elsewhere")
    restoring = commands.add_parser(
        "restore", help="put a backup in place, while the server is stopped", parents=[shared]
    )
    restoring.set_defaults(run=restore)
    restoring.add_argument("file", type=Path, help="file that `backup` made")
    restoring.add_argument("--keys", type=Path, help="file that `backup --keys` made")
    restoring.add_argument("--replace", action="store_true", help="lose what is there now")
    examining = commands.add_parser(
        "doctor", help="say what is wrong here, and what to do", parents=[shared]
    )
    examining.set_defaults(run=examine)
    migrating = commands.add_parser(
        "migrate", help="bring the tables up to this release", parents=[shared]
    )
    migrating.set_defaults(run=migrate)
