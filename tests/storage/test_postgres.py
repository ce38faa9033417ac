"""PostgreSQL's engine: what several nodes may do at once, and what a lost connection comes to."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, make_url, select, text

from server import errors
from server.channels.outcome import Outcome
from server.channels.posts import Draft, commit_posts
from server.parts import compose
from server.settings import Settings
from storage import engine_postgres, keyrings, migrations
from storage.database import Database, Misconfigured, Transaction
from storage.keyring_file import FileKeyring
from storage.keyring_postgres import PostgresKeyring
from storage.schema import doomed_key, event
from tests import engines
from tests.house import CHEAP, HandClock, House, Resident
from tests.people import PATIENCE_S
from tests.storage.proxy import Proxy
from tests.storage.shelf import Shelf, shelf

pytestmark = pytest.mark.clustered


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Shelf]:
    """Return a store with people in it; its clock stands."""
    with shelf(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def nodes(url: str, folder: Path, count: int = 2) -> AsyncIterator[list[Database]]:
    """Open one database as several nodes do."""
    keys = folder / "keys.sqlite3"
    opened = [Database(url, FileKeyring(keys)) for _ in range(count)]
    try:
        yield opened
    finally:
        for one in opened:
            await one.close()


@asynccontextmanager
async def _house(folder: Path) -> AsyncIterator[House]:
    """Return a store for tests that are coroutines themselves."""
    settings = Settings(**{"data_dir": folder, **CHEAP, **engines.settings(folder)})
    parts = compose(settings, HandClock())
    try:
        yield House(parts, "", folder)
    finally:
        parts.passwords.close()
        await parts.database.close()


class World:
    """People and spheres, and the means to post from any node."""

    def __init__(self, house: House, author: Resident, spheres: list[str]) -> None:
        self.house = house
        self.author = author
        self.spheres = spheres

    def draft(self, number: int, sphere: str) -> Draft:
        """Return a message."""
        return Draft(
            id=number,
            sphere=sphere,
            author=self.author.id,
            revision=1,
            client_id=f"client-{number:05}",
            body=f"words {number}",
        )


async def _world(house: House, spheres: int = 2) -> World:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    return World(house, ana, [await house.sphere(ana) for _ in range(spheres)])


def _doom(tx: Transaction, number: int) -> None:
    tx.execute(insert(doomed_key).values(key=number.to_bytes(16)))


def _doomed(tx: Transaction) -> list[int]:
    return [int.from_bytes(key) for key in tx.execute(select(doomed_key.c.key)).scalars()]


class Gate:
    """Holds an act up in the middle of its transaction."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def hold(self) -> None:
        """Wait until somebody opens."""
        self.reached.set()
        assert self.open.wait(PATIENCE_S)

    async def is_reached(self) -> None:
        """Wait until an act is held up."""
        assert await asyncio.to_thread(self.reached.wait, PATIENCE_S)


# -- several nodes


def _locked_by_others(tx: Transaction) -> int:
    """Return how many wait for a lock in this database."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    return int(tx.execute(text(f"{asked} AND wait_event_type = 'Lock'")).scalar_one())


async def _waits(node: Database) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await node.read(_locked_by_others):  # noqa: ASYNC110  # another process waits
            await asyncio.sleep(0.005)


async def test_actions_of_two_nodes_run_one_after_the_other(store: Shelf, tmp_path: Path) -> None:
    gate = Gate()

    def slow(tx: Transaction) -> list[int]:
        _doom(tx, 1)
        gate.hold()
        return _doomed(tx)

    def quick(tx: Transaction) -> list[int]:
        _doom(tx, 2)
        return _doomed(tx)

    async with nodes(store.parts.settings.url, tmp_path) as (one, other):
        first = asyncio.create_task(one.write(slow))
        await gate.is_reached()
        second = asyncio.create_task(other.write(quick))
        await _waits(one)
        gate.open.set()

        assert (await first, await second) == ([1], [1, 2])


def _posted(gate: Gate | None, world: World, number: int, sphere: str) -> Any:
    def act(tx: Transaction) -> int:
        (result,) = commit_posts(tx, [world.draft(number, sphere)], 5)
        assert isinstance(result, Outcome), result
        if gate is not None:
            gate.hold()
        return int(result.reply.seq)  # type: ignore[union-attr]  # of a post

    return act


async def test_posts_of_two_nodes_go_side_by_side_on_two_timelines_and_in_turn_on_one(
    tmp_path: Path,
) -> None:
    async with _house(tmp_path) as house:
        world = await _world(house)
        here, there = world.spheres
        async with nodes(house.parts.settings.url, tmp_path) as (one, other):
            gate = Gate()
            held = asyncio.create_task(one.append(_posted(gate, world, 1, here)))
            await gate.is_reached()

            beside = await other.append(_posted(None, world, 2, there))
            behind = asyncio.create_task(other.append(_posted(None, world, 3, here)))
            await _waits(one)
            gate.open.set()

            assert (await held, beside, await behind) == (2, 2, 3)


async def test_an_action_waits_for_posts_under_way_and_posts_for_an_action(tmp_path: Path) -> None:
    async with _house(tmp_path) as house:
        world = await _world(house)
        async with nodes(house.parts.settings.url, tmp_path) as (one, other):
            post, act = Gate(), Gate()

            def look(tx: Transaction) -> int:
                count = tx.execute(text("SELECT count(*) FROM event WHERE kind = 1")).scalar_one()
                act.hold()
                return int(count)

            posting = asyncio.create_task(one.append(_posted(post, world, 1, world.spheres[0])))
            await post.is_reached()
            acting = asyncio.create_task(other.write(look))
            await _waits(one)
            post.open.set()
            await act.is_reached()
            after = asyncio.create_task(one.append(_posted(None, world, 2, world.spheres[1])))
            await _waits(other)
            act.open.set()

            assert (await posting, await acting, await after) == (2, 1, 2)


async def test_a_storm_of_posts_from_three_nodes_leaves_no_gap_and_no_double(
    tmp_path: Path,
) -> None:
    async with _house(tmp_path) as house:
        world = await _world(house, spheres=3)
        async with nodes(house.parts.settings.url, tmp_path, count=3) as opened:

            async def storm(node: Database, turn: int) -> list[tuple[str, int]]:
                taken = []
                for batch in range(6):
                    # Each node names the timelines in another order: none may wait for another.
                    order = world.spheres[turn:] + world.spheres[:turn]
                    drafts = [
                        world.draft(10_000 * turn + 100 * batch + number, sphere)
                        for number, sphere in enumerate(order * 3)
                    ]
                    results = await node.append(commit_posts, drafts, 5)
                    for draft, result in zip(drafts, results, strict=True):
                        assert isinstance(result, Outcome), result
                        taken.append((draft.sphere, result.reply.seq))  # type: ignore[union-attr]  # of a post
                return taken

            stormed = await asyncio.gather(*(storm(node, turn) for turn, node in enumerate(opened)))
            taken = [one for each in stormed for one in each]
            heads: dict[str, int] = await opened[0].read(
                lambda tx: {
                    row.id: row.head for row in tx.execute(text("SELECT id, head FROM sphere"))
                }
            )

        for sphere in world.spheres:
            seqs = sorted(seq for where, seq in taken if where == sphere)
            assert seqs == list(range(2, 2 + 3 * 6 * 3))
            assert heads[sphere] == seqs[-1]


async def test_the_same_post_from_two_nodes_at_once_is_stored_once(tmp_path: Path) -> None:
    async with _house(tmp_path) as house:
        world = await _world(house)
        draft = world.draft(1, world.spheres[0])
        async with nodes(house.parts.settings.url, tmp_path, count=3) as opened:
            results = await asyncio.gather(
                *(node.append(commit_posts, [draft], 5) for node in opened)
            )

        seqs = [result.reply.seq for (result,) in results]  # type: ignore[union-attr]  # of a post
        assert seqs == [2, 2, 2]


async def test_nodes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    url = engines.database(migrated=False)
    async with nodes(url, tmp_path, count=3) as opened:
        await asyncio.gather(*(node.write(migrations.upgrade) for node in opened))

        assert await opened[0].read(migrations.version) == migrations.HEAD


async def test_a_read_sees_one_snapshot_and_cannot_write(store: Shelf, tmp_path: Path) -> None:
    gate = Gate()

    def twice(tx: Transaction) -> tuple[list[int], list[int]]:
        before = _doomed(tx)
        gate.hold()
        return before, _doomed(tx)

    async with nodes(store.parts.settings.url, tmp_path, count=1) as (node,):
        reading = asyncio.create_task(node.read(twice))
        await gate.is_reached()
        await node.write(_doom, 1)
        gate.open.set()

        assert await reading == ([], [])
        with pytest.raises(errors.StorageUnavailable):
            await node.read(_doom, 2)
        assert await node.read(_doomed) == [1]


# -- who leads


async def test_nodes_serve_together_one_leads_and_the_next_takes_over(
    store: Shelf, tmp_path: Path
) -> None:
    async with nodes(store.parts.settings.url, tmp_path) as (one, other):
        first, second, command = one.charge(), other.charge(), other.charge()

        assert (first.serve(), second.serve(), command.take()) == (True, True, False)
        assert (first.lead(), second.lead(), first.lead()) == (True, False, True)
        first.leave()
        assert (second.lead(), command.take()) == (True, False)
        second.leave()
        assert command.take()
        assert not first.serve()
        command.leave()
        assert first.serve()
        first.leave()


async def test_who_leads_and_is_cut_off_leads_no_more(store: Shelf, tmp_path: Path) -> None:
    async with nodes(store.parts.settings.url, tmp_path) as (one, other):
        first, second = one.charge(), other.charge()
        assert first.lead()

        await other.write(_cut_off_the_others)

        assert second.lead()
        with pytest.raises(errors.StorageUnavailable):
            first.lead()
        assert not first.lead()
        first.leave()
        second.leave()


def _cut_off_the_others(tx: Transaction) -> None:
    tx.execute(
        text(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )


# -- lost connections


def test_a_connection_lost_in_a_transaction_leaves_nothing_and_the_next_write_works(
    store: Shelf,
) -> None:
    def act(tx: Transaction) -> None:
        _doom(tx, 1)
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(errors.StorageUnavailable):
        store.keep(act)
    with pytest.raises(errors.StorageUnavailable):
        store.read(act)

    store.keep(lambda tx: _doom(tx, 2))
    assert store.read(_doomed) == [2]


def test_what_goes_on_after_a_failed_statement_is_not_called_stored(store: Shelf) -> None:
    def act(tx: Transaction) -> str:
        _doom(tx, 1)
        driver: Any = tx.connection.driver_connection
        with pytest.raises(psycopg.Error):
            driver.execute("SELECT 1 / 0")
        return "done"

    with pytest.raises(errors.StorageUnavailable):
        store.keep(act)

    assert store.read(_doomed) == []


@contextmanager
def _proxied(url: str, folder: Path) -> Iterator[tuple[Proxy, str]]:
    """Put a proxy before the server."""
    parsed = make_url(url)
    proxy = Proxy(Path(str(parsed.query["host"])), folder)
    through = parsed.update_query_dict({"host": str(folder)})
    try:
        yield proxy, through.render_as_string(hide_password=False)
    finally:
        proxy.close()


async def test_a_commit_that_nobody_answered_for_is_asked_after(
    tmp_path: Path, short_folder: Path
) -> None:
    with _proxied(engines.database(), short_folder) as (proxy, url):
        async with nodes(url, tmp_path, count=1) as (node,):
            await node.write(_doom, 1)
            proxy.lose_the_answer()
            await node.write(_doom, 2)
            proxy.lose_the_question(stay_away=False)
            with pytest.raises(errors.StorageUnavailable):
                await node.write(_doom, 3)

            assert await node.read(_doomed) == [1, 2]


async def test_of_a_commit_that_nobody_can_be_asked_after_nothing_is_said(
    tmp_path: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_postgres, "FATE_WAIT_S", 0.2)
    with _proxied(engines.database(), short_folder) as (proxy, url):
        async with nodes(url, tmp_path, count=1) as (node,):
            await node.write(_doom, 1)
            proxy.lose_the_question(stay_away=True)

            with pytest.raises(errors.OutcomeUnknown):
                await node.write(_doom, 2)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Return a folder whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="cl-") as folder:
        yield Path(folder)


# -- a server of its own


@pytest.fixture(scope="module")
def cluster() -> Iterator[engines.Cluster]:
    """Return a server that may be stopped."""
    made = engines.Cluster()
    yield made
    made.remove()


def _url(cluster: engines.Cluster) -> str:
    return cluster.url.render_as_string(hide_password=False)


async def test_after_a_crash_of_postgresql_reads_and_writes_work_again(
    cluster: engines.Cluster, tmp_path: Path
) -> None:
    async with nodes(_url(cluster), tmp_path, count=1) as (node,):
        await node.write(migrations.upgrade)
        await node.write(_doom, 1)
        await node.read(_doomed)

        cluster.crash()
        there = await node.answers()
        with pytest.raises(errors.StorageUnavailable):
            await node.write(_doom, 2)
        with pytest.raises(errors.StorageUnavailable):
            await node.read(_doomed)
        cluster.start()
        await node.write(_doom, 3)

        assert await node.read(_doomed) == [1, 3]
        assert (there, await node.answers()) == (False, True)


def test_a_key_that_is_destroyed_is_in_no_file_of_its_server(cluster: engines.Cluster) -> None:
    ring = PostgresKeyring(_url(cluster))
    gone, kept = ring.create(), ring.create()
    keys = {one: ring.lasting(one) for one in (gone, kept)}
    sealed = ring.seal(gone, b"words", b"here")
    with psycopg.connect(_url(cluster), autocommit=True) as at:
        at.execute("ANALYZE")  # the planner takes samples
        at.execute("CHECKPOINT")
    before = cluster.holds(keys[gone])

    ring.destroy([gone])

    assert len(before) >= 2  # the table and the log
    assert cluster.holds(keys[gone]) == []
    assert cluster.holds(keys[kept])
    assert ring.open(sealed, b"here") is None
    assert ring.count() == 1
    ring.close()


def test_two_nodes_have_the_same_keys_and_one_forgets_what_the_other_destroyed(
    cluster: engines.Cluster,
) -> None:
    one, other = PostgresKeyring(_url(cluster)), PostgresKeyring(_url(cluster))
    key = one.create()
    sealed = one.seal(key, b"words", b"here")
    shared = one.lasting(b"r" * 16) == other.lasting(b"r" * 16)
    read = other.open(sealed, b"here")

    one.destroy([key])
    cached = other.open(sealed, b"here")
    other.forget([key])

    assert shared
    assert (read, cached, other.open(sealed, b"here")) == (b"words", b"words", None)
    one.close()
    other.close()


def test_a_keyring_outlives_a_restart_of_its_server(cluster: engines.Cluster) -> None:
    ring = PostgresKeyring(_url(cluster))
    key = ring.create()
    cluster.crash()
    with pytest.raises(errors.StorageUnavailable):
        ring.create()
    cluster.start()

    assert ring.open(ring.seal(key, b"words", b"here"), b"here") == b"words"
    assert ring.has(ring.create())
    ring.close()


def test_a_server_that_would_keep_what_is_destroyed_is_refused(tmp_path: Path) -> None:
    careless = engines.Cluster(wal_recycle="on", fsync="off")
    url = _url(careless)
    try:
        with (
            closing(FileKeyring(tmp_path / "keys.sqlite3")) as keyring,
            pytest.raises(Misconfigured, match="fsync=off"),
        ):
            Database(url, keyring)
        with pytest.raises(Misconfigured, match="fsync=off"):
            PostgresKeyring(url)
        careless.stop()
        careless.start(fsync="on")
        with pytest.raises(Misconfigured, match="wal_recycle=on"):
            PostgresKeyring(url)
        careless.stop()
        careless.start(wal_recycle="off", log_statement="all")
        with pytest.raises(Misconfigured, match="it logs statements"):
            PostgresKeyring(url)
    finally:
        careless.remove()


def test_keys_and_data_do_not_share_a_server(cluster: engines.Cluster, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="one backup"):
        keyrings.opened(tmp_path, _url(cluster), data=_url(cluster))

    ring = keyrings.opened(tmp_path, _url(cluster), data=engines.database())
    ring.close()


def test_words_of_posts_are_sealed_in_postgresql_too(store: Shelf) -> None:
    world = store.runner.run(_world(store.house))
    draft = world.draft(1, world.spheres[0])

    store.keep(lambda tx: commit_posts(tx, [draft], 5))

    contents = store.read(lambda tx: list(tx.execute(select(event.c.content)).scalars()))
    assert not any(b"words 1" in content for content in contents)
