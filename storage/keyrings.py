"""Keyrings: which kind of keyring a server has.

One machine's file, or a PostgreSQL that several nodes share. Decides nothing else.
"""

from __future__ import annotations

from pathlib import Path

from storage.database import is_embedded
from storage.keyring import Keyring
from storage.keyring_file import FileKeyring


def opened(path: Path, url: str | None, *, data: str) -> Keyring:
    """Open the keyring at ``url``, or in a file if there is none; ``data`` is the database's URL.

    Raises Misconfigured when it would keep what is destroyed, or shares a server with the data.
    """
    if url is None:
        return FileKeyring(path)
    from storage.keyring_postgres import PostgresKeyring, check_apart  # noqa: PLC0415  # as needed

    keyring = PostgresKeyring(url)
    try:
        if not is_embedded(data):
            check_apart(url, data)
    except BaseException:
        keyring.close()
        raise
    return keyring
