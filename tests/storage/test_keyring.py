"""Keyring: keys outlive a crash, whoever else looked at their file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storage.keyring_file import SOUGHT_MAX, FileKeyring

pytestmark = pytest.mark.embedded

#: What every command of administration does beside a server: it opens the file, and closes it.
_LOOK = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1])
file.execute("SELECT count(*) FROM secret").fetchone()
file.close()
"""


def _look(path: Path) -> None:
    subprocess.run([sys.executable, "-c", _LOOK, str(path)], check=True)


def _crashed(path: Path, into: Path) -> FileKeyring:
    """Return the keyring as the next start finds it when this process dies now."""
    into.mkdir()
    for file in path.parent.iterdir():
        if not file.name.endswith("-shm"):
            (into / file.name).write_bytes(file.read_bytes())
    return FileKeyring(into / path.name)


def test_a_key_drawn_after_one_was_destroyed_outlives_a_crash_though_another_process_looked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keys" / "keys.sqlite3"
    ring = FileKeyring(path)
    doomed = ring.create()

    ring.destroy([doomed])
    _look(path)
    drawn = ring.create()
    sealed = ring.seal(drawn, b"acknowledged", b"here")

    found = _crashed(path, tmp_path / "after")
    assert found.open(sealed, b"here") == b"acknowledged"
    found.close()
    ring.close()


def test_a_keyring_that_is_written_anew_leaves_no_copy_in_a_folder_of_temporary_files(
    tmp_path: Path,
) -> None:
    ring = FileKeyring(tmp_path / "keys.sqlite3")

    (where,) = ring._file.execute("PRAGMA temp_store").fetchone()  # no other witness

    in_memory = 2
    assert where == in_memory
    ring.close()


def test_of_many_keys_none_is_sought_by_itself_and_none_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = FileKeyring(tmp_path / "keys.sqlite3")
    kept = ring.create()
    sealed = ring.seal(kept, b"kept", b"here")
    doomed = [ring.create() for _ in range(20 * SOUGHT_MAX)]
    keys = [ring.lasting(one) for one in doomed]
    monkeypatch.setattr(FileKeyring, "_holds", lambda *_: pytest.fail("sought, key by key"))

    ring.destroy(doomed)

    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert not any(key in content for key in keys for content in files)
    assert ring.open(sealed, b"here") == b"kept"
    ring.close()
