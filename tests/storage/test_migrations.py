from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, NullPool, Table, create_engine, event

from storage import migrations
from storage.schema import for_postgresql
from tests import engines

metadata = for_postgresql()

VERSIONS = sorted(
    path.name[:4] for path in (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Return a connection to an empty database."""
    with _empty() as opened:
        yield opened


@contextmanager
def _empty() -> Iterator[Connection]:
    url = "sqlite://" if engines.is_sqlite() else engines.database(migrated=False)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _shape(connection: Connection) -> dict[str, set[object]]:
    """Return columns, keys and indexes as the database sees them, whatever statement made them."""
    shape = _sqlite_shape if engines.is_sqlite() else _postgres_shape
    return {name: one for name, one in shape(connection).items() if name != "alembic_version"}


_COLUMNS = """
SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public'
"""
_INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'"
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
_SHAPES = (_COLUMNS, _INDEXES, _CONSTRAINTS)


def _postgres_shape(connection: Connection) -> dict[str, set[object]]:
    found: dict[str, set[object]] = {}
    for question in _SHAPES:
        for name, *rest in connection.exec_driver_sql(question).all():
            found.setdefault(name, set()).add(tuple(rest))
    return found


def _sqlite_shape(connection: Connection) -> dict[str, set[object]]:
    found: dict[str, set[object]] = {}
    for _, name, _, _, without_rowid, _ in connection.exec_driver_sql("PRAGMA table_list").all():
        if name.startswith("sqlite_"):
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
    with _empty() as wanted:
        metadata.create_all(wanted)
        expected = _shape(wanted)

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


def test_an_up_to_date_database_is_left_alone(connection: Connection) -> None:
    migrations.upgrade(connection)
    asked: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2]))

    migrations.upgrade(connection)

    assert asked
    assert all(statement.lstrip().startswith(("SELECT", "PRAGMA")) for statement in asked)


def _insert(connection: Connection, name: str, *rows: Mapping[str, object]) -> None:
    """Insert into a table as an earlier version had it."""
    table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
    connection.execute(table.insert(), [dict(row) for row in rows])


_ORGANISATION: dict[str, object] = {
    "id": "o",
    "handle": "o",
    "name": "O",
    "password_length_min": 15,
    "password_classes": 0,
    "password_reuse_history": 0,
    "session_lifetime_ms": 1,
    "session_idle_ms": 1,
    "sessions_max": 1,
    "directory": False,
    "second_factor": False,
    "created_at": 0,
}
_SPHERE: dict[str, object] = {
    "organisation": "o",
    "name": "Design",
    "audience": "closed",
    "history": "hidden",
    "listed": False,
    "revision": 3,
    "head": 9,
    "created_at": 0,
}


def test_a_closed_sphere_that_was_listed_when_that_showed_nothing_is_hidden(
    connection: Connection,
) -> None:
    command.upgrade(migrations.configuration(connection), "0001")
    spheres = [("closed", True), ("closed", False), ("open", True), ("public", True)]
    _insert(connection, "organisation", _ORGANISATION)
    _insert(
        connection,
        "sphere",
        *(
            _SPHERE | {"id": f"s{number}", "audience": audience, "listed": listed}
            for number, (audience, listed) in enumerate(spheres)
        ),
    )

    migrations.upgrade(connection)

    found = connection.exec_driver_sql("SELECT listed, revision FROM sphere ORDER BY id").all()
    assert [tuple(row) for row in found] == [(False, 4), (False, 3), (True, 3), (True, 3)]


def test_what_was_bequeathed_under_a_name_keeps_the_name_and_nothing_else_gets_one(
    connection: Connection,
) -> None:
    command.upgrade(migrations.configuration(connection), "0001")
    forms = {"left": "named", "unnamed": "anonymous", "inside": "named"}
    bob = {"id": "m", "organisation": "o", "name": "Bob", "name_folded": "bob", "renamed_at": 0}
    stay = {"sphere": "inside", "member": "m", "role": "member", "entered": False, "horizon": 1}
    _insert(connection, "organisation", _ORGANISATION)
    _insert(connection, "member", bob | {"role": "member", "disabled": False, "created_at": 0})
    _insert(connection, "sphere", *(_SPHERE | {"id": sphere} for sphere in forms))
    _insert(
        connection,
        "bequest",
        *({"sphere": sphere, "member": "m", "form": form} for sphere, form in forms.items()),
    )
    _insert(connection, "stay", stay)

    migrations.upgrade(connection)

    found = connection.exec_driver_sql("SELECT sphere, name FROM bequest ORDER BY sphere").all()
    assert [tuple(row) for row in found] == [("inside", None), ("left", "Bob"), ("unnamed", None)]


def test_what_was_there_before_files_stays_as_it_is_and_takes_files_now(
    connection: Connection,
) -> None:
    command.upgrade(migrations.configuration(connection), "0002")
    if engines.is_sqlite():
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    said = {"sphere": "s", "seq": 1, "at": 5, "author": "m", "stamp": 0, "kind": 1}
    _insert(connection, "organisation", _ORGANISATION)
    _insert(connection, "sphere", _SPHERE | {"id": "s"})
    _insert(connection, "event", said | {"content": b"sealed", "concerns_stamp": 0})
    before = connection.exec_driver_sql("SELECT * FROM event").all()

    migrations.upgrade(connection)

    file = {"id": "a", "sphere": "s", "author": "m", "size": 1, "about": b"", "created_at": 0}
    _insert(connection, "attachment", file)
    _insert(connection, "chunk", {"attachment": "a", "number": 0, "sealed": b"sealed"})
    assert connection.exec_driver_sql("SELECT * FROM event").all() == before
    connection.exec_driver_sql("DELETE FROM sphere")
    assert connection.exec_driver_sql("SELECT count(*) FROM chunk").scalar_one() == 0
