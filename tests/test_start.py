"""The start: it imports what serving needs, and what is hardly ever needed when it is.

Counted and not timed: how long an import takes depends on the machine, what is imported does not.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process import ROOT

#: What a start does without, and why it can.
DEFERRED = {
    "alembic": "tables that are up to date need no migration",
    "aiosqlite": "for the question whether the database answers",
    "zxcvbn": "its dictionaries judge new passwords, which are rare",
    "prometheus_client": "metrics are off unless a port is set",
    "opentelemetry": "traces are off unless a file is named",
    "sqlalchemy.orm": "statements are written in SQL's own terms",
    "sqlalchemy.dialects.postgresql": "the schema names no dialect that is not in use",
    "prompt_toolkit": "the client's",
    "redis": "there is one node",
}
_START = """
import sys
from server.__main__ import main
sys.argv = ["cloison", "serve", "--data-dir", sys.argv[1], "--port", "0"]
import uvicorn
startup = uvicorn.Server.startup
async def stop(self, sockets=None):
    await startup(self, sockets)
    self.should_exit = True
uvicorn.Server.startup = stop
assert main() == 0
print(*sys.modules, sep="\\n")
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return what was imported by a server that started on tables that were there."""
    folder = tmp_path_factory.mktemp("data")
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _START, str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    return set(done.stdout.splitlines())


def test_the_start_was_a_start(imported: set[str]) -> None:
    assert {"server.app", "sqlalchemy", "starlette.routing", "uvicorn"} <= imported


@pytest.mark.parametrize("name", DEFERRED)
def test_a_start_does_without(name: str, imported: set[str]) -> None:
    assert name not in imported, DEFERRED[name]


def test_modules_that_run_at_a_start_are_few(imported: set[str]) -> None:
    drawn_in = ("rich", "pygments", "attr")  # by structlog, where tools of developers brought them
    needed = {name for name in imported if name.partition(".")[0] not in drawn_in}

    assert len(needed) < 850


_WATCHED = """
import gc, sys
runs, seen = [], []
gc.callbacks.append(lambda phase, _: runs.append(phase))
from server import __main__ as entry
freeze = gc.freeze
gc.freeze = lambda: (seen.append(len(runs)), freeze())
runs.clear()
sys.argv = ["cloison", "--version"]
try:
    entry.main()
except SystemExit:
    print("sqlalchemy" in sys.modules, seen, gc.isenabled(), gc.get_freeze_count() > 100_000)
"""


def test_no_garbage_is_looked_for_while_modules_are_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "True [0] True True"
