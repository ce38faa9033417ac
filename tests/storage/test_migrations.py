from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from storage import migrations
from storage.schema import metadata

VERSIONS = sorted(
    path.name[:4] for path in (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """Return a connection to an empty file."""
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.sqlite3'}")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _shape(connection: Connection) -> dict[str, set[object]]:
    """Return columns, keys and indexes as SQLite sees them, whatever statement made them."""
    found: dict[str, set[object]] = {}
    for _, name, _, _, without_rowid, _ in connection.exec_driver_sql("PRAGMA table_list").all():
        if name.startswith("sqlite_") or name == "alembic_version":
            continue
        shape: set[object] = {("without rowid", without_rowid)}
        shape |= {
            tuple(row)[1:] for row in connection.exec_driver_sql(f"PRAGMA table_xinfo({name})")
        }
        shape |= {
            tuple(row)[2:] for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list({name})")
        }
        for _, index, unique, origin, partial in connection.exec_driver_sql(
            f"PRAGMA index_list({name})"
        ).all():
            columns = connection.exec_driver_sql(f"PRAGMA index_info({index})").all()
            shape.add((unique, origin, partial, tuple(column[2] for column in columns)))
        found[name] = shape
    return found


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


def test_from_nothing_migrations_end_in_the_schema(connection: Connection) -> None:
    migrations.upgrade(connection)

    assert _differences(connection) == []


def test_from_nothing_migrations_make_the_very_tables_of_the_schema(
    connection: Connection,
) -> None:
    migrations.upgrade(connection)
    engine = create_engine("sqlite://")
    with engine.connect() as wanted:
        metadata.create_all(wanted)
        expected = _shape(wanted)
    engine.dispose()

    assert _shape(connection) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_from_every_earlier_version_migrations_end_in_the_schema(
    connection: Connection, version: str
) -> None:
    config = migrations.configuration(connection)
    command.upgrade(config, version)

    migrations.upgrade(connection)

    assert _differences(connection) == []


def test_there_is_one_newest_version_and_the_code_names_it(connection: Connection) -> None:
    script = ScriptDirectory.from_config(migrations.configuration(connection))

    assert script.get_heads() == [migrations.HEAD] == VERSIONS[-1:]
    migrations.upgrade(connection)
    assert migrations.version(connection) == migrations.HEAD


def test_an_up_to_date_database_is_left_alone(connection: Connection, tmp_path: Path) -> None:
    migrations.upgrade(connection)
    connection.commit()
    with closing(sqlite3.connect(tmp_path / "migrated.sqlite3")) as other:
        before = other.execute("PRAGMA schema_version").fetchone()

        migrations.upgrade(connection)
        connection.commit()

        assert other.execute("PRAGMA schema_version").fetchone() == before


def test_a_closed_sphere_that_was_listed_when_that_showed_nothing_is_hidden(
    connection: Connection,
) -> None:
    command.upgrade(migrations.configuration(connection), "0001")
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    spheres = [("closed", 1), ("closed", 0), ("open", 1), ("public", 1)]
    for number, (audience, listed) in enumerate(spheres):
        connection.exec_driver_sql(
            "INSERT INTO sphere (id, organisation, name, audience, history, listed, revision, head,"
            " created_at) VALUES (?, 'o', 'Design', ?, 'hidden', ?, 3, 1, 1)",
            (f"s{number}", audience, listed),
        )

    migrations.upgrade(connection)

    found = connection.exec_driver_sql("SELECT listed, revision FROM sphere ORDER BY id").all()
    assert [tuple(row) for row in found] == [(0, 4), (0, 3), (1, 3), (1, 3)]


def test_what_was_bequeathed_under_a_name_keeps_the_name_and_nothing_else_gets_one(
    connection: Connection,
) -> None:
    command.upgrade(migrations.configuration(connection), "0001")
    forms = {"left": "named", "unnamed": "anonymous", "inside": "named"}
    for statement in (
        (
            "INSERT INTO organisation (id, handle, name, password_length_min, password_classes,"
            " password_reuse_history, session_lifetime_ms, session_idle_ms, sessions_max,"
            " directory, second_factor, created_at)"
            " VALUES ('o', 'o', 'O', 15, 0, 0, 1, 1, 1, 0, 0, 0)"
        ),
        (
            "INSERT INTO member (id, organisation, name, name_folded, renamed_at, role, disabled,"
            " created_at) VALUES ('m', 'o', 'Bob', 'bob', 0, 'member', 0, 0)"
        ),
    ):
        connection.exec_driver_sql(statement)
    for sphere, form in forms.items():
        values = (sphere, "o", "S", "closed", "hidden", 0, 1, 9, 0)
        connection.exec_driver_sql("INSERT INTO sphere VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        connection.exec_driver_sql("INSERT INTO bequest VALUES (?, 'm', ?)", (sphere, form))
    connection.exec_driver_sql("INSERT INTO stay VALUES ('inside', 'm', 'member', 0, 1)")

    migrations.upgrade(connection)

    found = connection.exec_driver_sql("SELECT sphere, name FROM bequest ORDER BY sphere").all()
    assert [tuple(row) for row in found] == [("inside", None), ("left", "Bob"), ("unnamed", None)]
