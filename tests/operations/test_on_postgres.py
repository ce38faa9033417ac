"""What an operator does when the data is in PostgreSQL."""

from __future__ import annotations

import argparse
import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, make_url

from server import cli
from server.operations import doctor, doctor_postgres
from server.settings import Settings
from storage.database import places
from tests import engines
from tests.house import serving
from tests.people import call_http
from tests.process import ROOT, process


@pytest.fixture
def url() -> str:
    """Return a new database, migrated."""
    return engines.database()


@pytest.fixture(scope="module")
def keys_url() -> Iterator[str]:
    """Return the address of another server, for keys."""
    cluster = engines.Cluster()
    yield cluster.url.render_as_string(hide_password=False)
    cluster.remove()


def _settings(**chosen: Any) -> Settings:
    return Settings(**chosen)


def _faults(url: str, folder: Path, **settings: str) -> dict[str, list[str]]:
    chosen = _settings(data_dir=folder, database_url=url, **settings)
    found = {name: list(check(chosen)) for name, check in doctor_postgres.CHECKS.items()}
    return {name: faults for name, faults in found.items() if faults}


def _do(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as at:
        at.execute(statement.encode())


async def test_a_sound_installation_on_postgresql_has_no_fault(
    url: str, keys_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(
        tmp_path,
        database_url=url,
        keys_url=keys_url,
        connections_max=100,
        public_readers_max=100,
    ) as house:
        ana = await house.resident(await house.organisation(), "Ana")
        async with await house.person(ana) as person:
            await person.post(await house.sphere(ana), "hello")
        code = doctor.examine(house.parts.settings, argparse.Namespace())

    said = capsys.readouterr().out.splitlines()
    assert code == 0
    assert not (tmp_path / "keys").exists()
    assert [one for one in said if not one.startswith(("advice", "ok"))] == []


def test_the_doctor_finds_tables_of_another_version_and_keys_that_are_gone(
    url: str, tmp_path: Path
) -> None:
    _do(url, "UPDATE alembic_version SET version_num = '0001'")

    assert {name: len(faults) for name, faults in _faults(url, tmp_path).items()} == {
        "tables": 1,
        "keys": 1,
    }
    _do(url, "UPDATE alembic_version SET version_num = '9999'")
    assert "newer release" in _faults(url, tmp_path)["tables"][0]
    _do(url, "DROP TABLE alembic_version")
    assert "no tables" in _faults(url, tmp_path)["tables"][0]


def test_the_doctor_finds_keys_beside_the_data(url: str, tmp_path: Path) -> None:
    found = _faults(url, tmp_path, keys_url=engines.database(migrated=False))

    assert "one backup would take both" in found["keys"][0]


def test_a_postgresql_that_is_not_there_is_a_fault_and_stops_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = f"postgresql://cloison@/nothing?host={tmp_path}"
    monkeypatch.setenv("CLOISON_DATABASE_URL", nowhere)

    examined = cli.main(["doctor", "--data-dir", str(tmp_path)])
    started = cli.main(["serve", "--port", "0", "--data-dir", str(tmp_path)])

    said = capsys.readouterr()
    assert (examined, started) == (1, 1)  # it may be there in a moment: worth another start
    assert "it cannot be looked at" in said.out
    assert "PostgreSQL cannot be reached" in said.err


async def test_a_server_reaches_a_postgresql_that_is_named_by_its_host(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    cluster = engines.Cluster(listen_addresses="localhost", port=str(port))
    try:
        url = f"postgresql://tester@localhost:{port}/postgres"
        async with process(tmp_path, DATABASE_URL=url) as server:
            status, _, _ = await asyncio.to_thread(call_http, server.url, "GET", "/readyz")
    finally:
        cluster.remove()

    assert status == 200


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("sqlite+aiosqlite:///file", []),
        ("postgresql://c@/c?host=/run/postgresql", []),
        ("postgresql://c@/c", []),
        ("postgresql://c@db.example/c", [("db.example", 5432)]),
        ("postgresql+psycopg://c:p@10.0.0.1:6000/c?sslmode=require", [("10.0.0.1", 6000)]),
        ("postgresql://c@/c?host=a:1&host=b:2", [("a", 1), ("b", 2)]),
    ],
)
def test_a_url_says_where_the_server_may_connect_to(
    url: str, leads_to: list[tuple[str, int]]
) -> None:
    assert places(url) == leads_to


async def test_the_roles_of_the_documents_suffice(keys_url: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for_data, for_keys = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    cluster = engines.Cluster()
    data, keys = _as_told(cluster.url, for_data), _as_told(make_url(keys_url), for_keys)

    async with serving(tmp_path, database_url=data, keys_url=keys) as house:
        ana = await house.resident(await house.organisation(), "Ana")
        sphere = await house.sphere(ana)
        async with await house.person(ana) as person:
            await person.post(sphere, "hello")
            before = house.parts.database.keyring.count()
            await person.call("leave", sphere=sphere)
        after = house.parts.database.keyring.count()
        pending = house.parts.eraser.pending
    cluster.remove()

    assert (before - after, pending) == (1, False)


def _as_told(server: URL, statements: str) -> str:
    """Do what the documents tell an administrator to; return the URL that results."""
    at = server
    for line in statements.strip().splitlines():
        if line.startswith("\\connect"):
            at = at.set(database=line.split()[1])
        else:
            _do(at.render_as_string(hide_password=False), line)
    role, database = re.findall(r"CREATE (?:ROLE|DATABASE) (\w+)", statements)
    made = server.set(username=role, database=database)
    return made.render_as_string(hide_password=False)


def test_a_way_over_a_network_must_make_sure_of_the_other_end() -> None:
    def advice(url: str) -> int:
        return len(list(doctor_postgres.network(_settings(database_url=url))))

    assert advice("postgresql://c@db.example/c") == 1
    assert advice("postgresql://c@db.example/c?sslmode=require") == 1
    assert advice("postgresql://c@db.example/c?sslmode=verify-full") == 0
    assert advice("postgresql://c@127.0.0.1/c") == 0
    assert advice("postgresql://c@/c?host=/run/postgresql") == 0


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_backups_are_postgresqls_affair(
    url: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CLOISON_DATABASE_URL", url)

    code = cli.main([command, str(tmp_path / "copy"), "--data-dir", str(tmp_path / "data")])

    assert code == 1
    assert "pg_dump" in capsys.readouterr().err
    assert not (tmp_path / "copy").exists()


async def test_migrating_waits_for_no_server_and_says_from_where_to_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = engines.database(migrated=False)
    monkeypatch.setenv("CLOISON_DATABASE_URL", empty)
    arguments = ["migrate", "--data-dir", str(tmp_path)]

    first = await asyncio.to_thread(cli.main, arguments)
    async with serving(tmp_path, database_url=empty):
        beside = await asyncio.to_thread(cli.main, arguments)

    said = capsys.readouterr()
    assert (first, beside) == (0, 1)
    assert "and was empty" in said.out
    assert "in use" in said.err
