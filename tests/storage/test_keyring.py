"""Keyring: keys outlive a crash, whoever else looked at their file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from storage.keyring import Keyring

#: What every command of administration does beside a server: it opens the file, and closes it.
_LOOK = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1])
file.execute("SELECT count(*) FROM secret").fetchone()
file.close()
"""


def _look(path: Path) -> None:
    subprocess.run([sys.executable, "-c", _LOOK, str(path)], check=True)


def _crashed(path: Path, into: Path) -> Keyring:
    """Return the keyring as the next start finds it when this process dies now."""
    into.mkdir()
    for file in path.parent.iterdir():
        if not file.name.endswith("-shm"):
            (into / file.name).write_bytes(file.read_bytes())
    return Keyring(into / path.name)


def test_a_key_drawn_after_one_was_destroyed_outlives_a_crash_though_another_process_looked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keys" / "keys.sqlite3"
    ring = Keyring(path)
    doomed = ring.create()

    ring.destroy([doomed])
    _look(path)
    drawn = ring.create()
    sealed = ring.seal(drawn, b"acknowledged", b"here")

    found = _crashed(path, tmp_path / "after")
    assert found.open(sealed, b"here") == b"acknowledged"
    found.close()
    ring.close()
