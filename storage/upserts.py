"""Upserts: an insert that may find its row there already, in the words of each dialect.

Decides nothing: both say ``on_conflict_do_update`` and ``on_conflict_do_nothing``, each in a class
of its own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

from storage.engine import Transaction


def insert(tx: Transaction, table: Table) -> sqlite.Insert:
    """Return an insert that can say what becomes of a conflict."""
    if tx.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # imported where it is used

    made: Any = postgresql.insert(table)  # it has the same methods
    counted: sqlite.Insert = made.execution_options(preserve_rowcount=True)
    return counted
