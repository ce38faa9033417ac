from __future__ import annotations

import asyncio
import resource
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from server import errors
from server.parts import compose
from server.settings import Settings
from storage import engine_sqlite, migrations, organisations
from storage.database import Database, Misconfigured, Transaction
from storage.engine_sqlite import PRAGMAS
from storage.keyring_file import FileKeyring
from storage.schema import doomed_key
from tests import fresh
from tests.channels.desk import Desk, desk, seq_of
from tests.house import CHEAP
from tests.storage.shelf import Undone, shelf

#: What durability and erasure need (design: threats.md), apart from what the code asks for.
NEEDED = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Database]:
    """Return an empty database."""
    parts = compose(Settings(data_dir=tmp_path, readers_max=4, **CHEAP))
    await parts.database.write(migrations.upgrade)
    yield parts.database
    parts.passwords.close()
    await parts.database.close()


def _pragmas(tx: Transaction) -> dict[str, Any]:
    return {name: tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in NEEDED}


@pytest.mark.embedded
async def test_every_connection_that_reads_or_writes_keeps_the_promises(opened: Database) -> None:
    together = threading.Barrier(4)  # so that each reader has a connection of its own

    def ask(tx: Transaction) -> tuple[int, dict[str, Any]]:
        together.wait(60)
        return id(tx.connection.driver_connection), _pragmas(tx)

    readers = await asyncio.gather(*(opened.read(ask) for _ in range(4)))
    writer = await opened.write(_pragmas)

    assert len({connection for connection, _ in readers}) == 4
    assert [pragmas for _, pragmas in readers] == [NEEDED] * 4
    assert writer == NEEDED


@pytest.mark.embedded
@pytest.mark.parametrize("name", PRAGMAS)
def test_a_connection_that_does_not_obey_a_pragma_is_not_opened(name: str, tmp_path: Path) -> None:
    real = sqlite3.connect(tmp_path / "deaf.sqlite3")

    class Deaf(sqlite3.Cursor):
        def execute(self, statement: str, *_: Any) -> Any:
            if statement.startswith(f"PRAGMA {name}="):
                return self
            if statement == f"PRAGMA {name}":
                return super().execute("SELECT 'off'")
            return super().execute(statement)

    class Connection:
        isolation_level: str | None = ""

        def cursor(self) -> Deaf:
            return real.cursor(Deaf)

    with closing(real), pytest.raises(Misconfigured, match=name):
        engine_sqlite._configure(Connection())


@pytest.mark.embedded
async def test_a_database_that_cannot_be_set_up_neither_reads_nor_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRAGMAS, "secure_delete", 7)  # SQLite answers 1
    parts = compose(Settings(data_dir=tmp_path, **CHEAP))

    with pytest.raises(Misconfigured, match="secure_delete"):
        await parts.database.write(migrations.upgrade)
    with pytest.raises(Misconfigured, match="secure_delete"):
        await parts.database.read(_pragmas)
    parts.passwords.close()
    await parts.database.close()


@pytest.mark.embedded
@pytest.mark.parametrize(
    "url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "mysql://localhost/x"]
)
def test_a_database_that_would_forget_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        compose(Settings(data_dir=tmp_path, database_url=url, **CHEAP))


@pytest.mark.embedded
def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    with shelf(tmp_path / "data") as store:
        store.keep(lambda tx: tx.exec_driver_sql("CREATE TABLE t (x)"))
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]

        assert files
        assert {path.stat().st_mode & 0o077 for path in files} == {0}


@pytest.mark.parametrize("bug", [errors.NotAllowed, ZeroDivisionError, Undone])
def test_whatever_is_raised_inside_a_transaction_leaves_nothing_behind(
    bug: type[Exception], tmp_path: Path
) -> None:
    with shelf(tmp_path) as store:
        before = store.rows()

        def act(tx: Transaction) -> None:
            tx.execute(insert(doomed_key).values(key=b"0"))
            raise bug

        with pytest.raises(bug):
            store.keep(act)

        assert store.rows() == before
        assert store.keep(lambda tx: tx.exec_driver_sql("SELECT 1").scalar()) == 1


def test_a_reader_sees_the_last_commit_and_nothing_of_the_one_under_way(tmp_path: Path) -> None:
    def count(tx: Transaction) -> Any:
        return tx.exec_driver_sql("SELECT count(*) FROM doomed_key").scalar()

    with shelf(tmp_path) as store:
        database = store.database
        writing, go_on = threading.Event(), threading.Event()

        def act(tx: Transaction) -> None:
            tx.execute(insert(doomed_key).values(key=b"0"))
            writing.set()
            assert go_on.wait(5)

        async def race() -> tuple[int, int]:
            under_way = asyncio.create_task(database.write(act))
            assert await asyncio.to_thread(writing.wait, 5)
            during = await database.read(count)
            go_on.set()
            await under_way
            return during, await database.read(count)

        assert store.runner.run(race()) == (0, 1)


# -- a full disk


@contextmanager
def _files_no_larger_than(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size``: what a full disk is to whoever writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _journal(folder: Path) -> int:
    return (folder / f"{fresh.NAME}-wal").stat().st_size


async def _check_intact(at: Desk) -> None:
    def check(tx: Transaction) -> str:
        return str(tx.exec_driver_sql("PRAGMA integrity_check").scalar())

    assert await at.database.read(check) == "ok"


def _pages_max(pages: int) -> Any:
    return lambda tx: tx.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()


@pytest.mark.embedded
async def test_a_full_database_acknowledges_nothing_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        ana, _, sphere = await at.furnished()
        await at.database.write(_pages_max(1))  # SQLite takes its present size
        full = at.draft(sphere, ana, "x" * 16_000)

        answers = [await at.post(at.draft(sphere, ana, "x" * 16_000)) for _ in range(4)]
        refused = await at.post(full)
        published = len(at.published)
        await _check_intact(at)
        await at.database.write(_pages_max(1_000_000))
        again = await at.post(full)

        accepted = sum(not isinstance(one, Exception) for one in answers)
        assert isinstance(refused, errors.StorageUnavailable)
        assert published == accepted
        assert seq_of(again) == 3 + accepted
        await _check_intact(at)


@pytest.mark.embedded
async def test_a_commit_that_does_not_reach_the_disk_is_refused_and_undone(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        ana, bob, sphere = await at.furnished()
        await at.post(at.draft(sphere, ana, "before"))
        await at.post(at.draft(sphere, bob, "before"))
        journal = _journal(tmp_path)
        lost = at.draft(sphere, ana, "x" * 16_000)

        with _files_no_larger_than(journal):
            refused = [await at.post(lost) for _ in range(3)]
        again = await at.post(lost)

        assert {type(one) for one in refused} == {errors.StorageUnavailable}
        assert seq_of(again) == 5
        assert len(at.published) == 3
        await _check_intact(at)


@pytest.mark.embedded
async def test_a_key_that_cannot_be_kept_refuses_the_words_that_it_would_seal(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        ana, _, sphere = await at.furnished()
        other = await at.house.sphere(ana)
        assert isinstance(at.database.keyring, FileKeyring)
        ring = at.database.keyring._file
        ring.execute("PRAGMA query_only=on")
        first_word = at.draft(other, ana)
        await at.database.write(
            lambda tx: tx.exec_driver_sql("DELETE FROM author_key WHERE sphere = ?", (other,))
        )

        refused = await at.post(first_word)
        known = await at.post(at.draft(sphere, ana))
        ring.execute("PRAGMA query_only=off")
        again = await at.post(first_word)

        assert isinstance(refused, errors.StorageUnavailable)
        assert (seq_of(known), seq_of(again)) == (3, 2)


# -- erasure and readers


@pytest.mark.embedded
async def test_the_log_is_emptied_as_soon_as_no_other_process_reads_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        ana, _, sphere = await at.furnished()
        await at.database.write(lambda tx: tx.exec_driver_sql("PRAGMA busy_timeout=20"))
        with closing(sqlite3.connect(at.database.path, isolation_level=None)) as intruder:
            intruder.execute("BEGIN")
            intruder.execute("SELECT count(*) FROM event").fetchone()
            await at.post(at.draft(sphere, ana))
            held_up = await at.parts.eraser.scrub()
            pending = at.parts.eraser.pending
            intruder.execute("ROLLBACK")

        finished = await at.parts.eraser.scrub()
        log = at.database.path.with_name(at.database.path.name + "-wal")

        assert (held_up, pending) == (False, True)
        assert (finished, at.parts.eraser.pending) == (True, False)
        assert log.stat().st_size == 0


@pytest.mark.embedded
async def test_our_own_readers_hold_no_snapshot_between_two_questions(opened: Database) -> None:
    await asyncio.gather(*(opened.read(organisations.by_handle, "acme") for _ in range(8)))
    await opened.write(lambda tx: tx.exec_driver_sql("PRAGMA busy_timeout=20"))

    assert await opened.checkpoint()
