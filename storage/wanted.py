"""Wanted: many rows handed to a statement as one, in the words of each dialect.

SQLite takes them as JSON, PostgreSQL as arrays. Statements go to the driver as they are, because
compiling and adapting them row by row would cost more than the database does (docs/adr/0004).
Decides nothing. Invariant: what SQLite and PostgreSQL are asked differs in where the wanted rows
come from, and in nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ARRAY, BigInteger, String, TableValuedAlias, func, literal

from storage.engine import Transaction

_json = msgspec.json.Encoder()


class Statement:
    """A question about wanted rows.

    ``{wanted}`` stands where they come from, ``{0}`` for their first column, and so on; ``types``
    are PostgreSQL's words for these.
    """

    def __init__(self, text: str, *types: str) -> None:
        places = [f"json_extract(wanted.value, '$[{place}]')" for place in range(len(types))]
        names = [f"c{place}" for place in range(len(types))]
        arrays = ", ".join(f"%s::{kind}[]" for kind in types)
        self._sqlite = text.format(*places, wanted="json_each(?) AS wanted")
        self._postgres = text.format(
            *(f"wanted.{name}" for name in names),
            wanted=f"unnest({arrays}) AS wanted({', '.join(names)})",
        )

    def rows(self, tx: Transaction, wanted: Collection[Sequence[Any]]) -> list[Any]:
        """Return what is found of ``wanted``, in no order."""
        if not wanted:
            return []
        driver: Any = tx.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            return driver.execute(self._sqlite, (_json.encode(list(wanted)).decode(),)).fetchall()
        found: list[Any] = driver.execute(self._postgres, columns(wanted), prepare=True).fetchall()
        return found


def columns(rows: Collection[Sequence[Any]]) -> list[list[Any]]:
    """Return rows, of which there are some, as PostgreSQL takes them: an array a column."""
    return [list(column) for column in zip(*rows, strict=True)]


def each(tx: Transaction, numbers: list[int]) -> TableValuedAlias:
    """Return a table whose column ``value`` holds these numbers, however many: one parameter."""
    if tx.dialect.name == "sqlite":
        return func.json_each(literal(str(numbers), String)).table_valued("value")
    array = func.unnest(literal(numbers, ARRAY(BigInteger)))
    return array.table_valued("value").render_derived()
