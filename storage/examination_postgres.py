"""Examination of a PostgreSQL: what it says of itself and of the keys'; changes nothing.

For ``cloison doctor``, beside servers that may be running. Decides nothing about what is a fault,
but for what the engines themselves refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import make_url

from storage import migrations
from storage.engine import Misconfigured
from storage.engine_postgres import check_server, opened
from storage.examination import Unreadable
from storage.keyring_postgres import check_apart, check_cluster

#: Ways of TLS that make sure of whom they speak to.
SURE = frozenset({"verify-ca", "verify-full"})


@contextmanager
def _looked_at(url: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        with opened(make_url(url)) as connection:
            connection.execute("SET default_transaction_read_only = on")
            yield connection
    except psycopg.Error as error:
        raise Unreadable(str(error).strip()) from None


def refusal(url: str) -> str | None:
    """Return why a server would not use this database, if it would not. Raises Unreadable."""
    with _looked_at(url) as connection:
        return _said(lambda: check_server(connection))


def refusal_of_keys(keys: str, data: str) -> str | None:
    """Return why a server would not keep its keys there, if it would not. Raises Unreadable."""
    with _looked_at(keys) as connection:
        found = _said(lambda: check_cluster(connection))
    return found or _said(lambda: check_apart(keys, data))


def _said(check: Any) -> str | None:
    try:
        check()
    except Misconfigured as refused:
        return str(refused)
    return None


def versions(url: str) -> tuple[str | None, str]:
    """Return the version of the tables, and the one that this release has."""
    with _looked_at(url) as connection:
        there = _one(connection, "SELECT to_regclass('alembic_version') IS NOT NULL")
        found = _one(connection, "SELECT version_num FROM alembic_version") if there else None
    return found, migrations.HEAD


def doomed_keys(url: str) -> int:
    """Return how many keys are to be destroyed; 0 where there are no tables yet."""
    with _looked_at(url) as connection:
        there = _one(connection, "SELECT to_regclass('doomed_key') IS NOT NULL")
        return int(_one(connection, "SELECT count(*) FROM doomed_key")) if there else 0


def is_sorted_by_bytes(url: str) -> bool:
    """Say whether text is compared byte by byte, as SQLite does."""
    with _looked_at(url) as connection:
        asked = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
        return str(_one(connection, asked)) in {"C", "POSIX", "C.UTF-8", "C.utf8"}


def is_exposed(url: str) -> bool:
    """Say whether what is said to a server goes over a network, to whom nobody made sure of."""
    parsed = make_url(url)
    host = str(parsed.host or parsed.query.get("host") or "")
    local = host in {"", "localhost", "::1"} or host.startswith(("/", "127."))
    return not local and parsed.query.get("sslmode") not in SURE


def _one(connection: psycopg.Connection[Any], question: str) -> Any:
    row = connection.execute(question).fetchone()
    return None if row is None else row[0]
