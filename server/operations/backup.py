"""Backup and restore: a copy of the data, and of the keys apart from it.

Decides what goes into which file. The data alone cannot be read without its keys; the keys are the
smaller secret, and the one whose old copies bring back what was erased. Invariant: the keys are
copied after the data, so that every key that the data needs is among them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from server.progress import bar
from server.settings import Settings
from storage import backup as copies
from storage.charge import FileCharge
from storage.database import is_embedded
from storage.examination import path_of

_WITHOUT_KEYS = (
    "The keys are not in it, and without them nobody reads it: see --keys, and docs/operations.md."
)
_AFTER = (
    "Every session in it is ended: people sign in again. Connectors revoked, and members removed,"
    " after it was made are back: look at them before you start the server."
)


def back_up(settings: Settings, chosen: argparse.Namespace) -> int:
    """Copy the data, and the keys if asked, while the server may be running."""
    _check_files(settings, with_keys=chosen.keys is not None)
    copies.copy(path_of(settings.url), chosen.file, bar())
    print(f"{chosen.file} holds the data.")
    if chosen.keys is None:
        print(_WITHOUT_KEYS)
    else:
        copies.copy(settings.keys_path, chosen.keys)
        print(f"{chosen.keys} holds the keys. Keep it apart, and no older one beside it.")
    return 0


def restore(settings: Settings, chosen: argparse.Namespace) -> int:
    """Put a copy in place of the data, while the server is stopped."""
    _check_files(settings, with_keys=chosen.keys is not None)
    target = path_of(settings.url)
    for place, wanted in ((target, True), (settings.keys_path, chosen.keys is not None)):
        if wanted and place.exists() and not chosen.replace:
            raise copies.Unusable(f"{place} is there already: say --replace to lose what it holds.")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    charge = FileCharge(target)
    if not charge.take():
        raise copies.Unusable(f"{target} is in use: stop the server first.")
    try:
        copies.restore(chosen.file, target, bar())
        if chosen.keys is not None:
            _restore_keys(chosen.keys, settings.keys_path)
    finally:
        charge.leave()
    print(f"{target} is what {chosen.file} was. {_AFTER}")
    return 0


def _check_files(settings: Settings, *, with_keys: bool) -> None:
    """Raise Unusable unless what is to be copied is a file. PostgreSQL has better tools."""
    if not is_embedded(settings.url):
        raise copies.Unusable(
            "The data is in PostgreSQL: use pg_dump and pg_restore, and copy the keys apart"
            " (docs/operations.md)."
        )
    if with_keys and settings.keys_url is not None:
        raise copies.Unusable(
            "The keys are in PostgreSQL: use pg_dump, and keep no older copy (docs/operations.md)."
        )


def _restore_keys(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if target.exists():
        copies.check_unused(target)
    copies.copy(source, target)
