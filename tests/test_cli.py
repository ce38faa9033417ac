from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import __version__, cli
from storage.charge import FileCharge
from tests.process import ROOT, process


@pytest.fixture(autouse=True)
def _as_found() -> Iterator[None]:
    """Put back what a command line sets for its whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    mask = os.umask(0o022)
    yield
    os.umask(mask)
    root.handlers[:], root.level = handlers, level


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])

    assert left.value.code == 0
    assert capsys.readouterr().out == f"cloison {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["serve", "--colour"], ["serve", "--port", "x"]]
)
def test_wrong_arguments_exit_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)

    assert left.value.code == 2
    assert "usage: cloison" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "65536", "less than or equal to 65535"),
        ("OUTBOX_BYTES_MAX", "1", "greater than or equal to 65536"),
        ("ARGON2_TIME", "1", "greater than or equal to 2"),
        ("LOG_LEVEL", "chatty", "match"),
        ("BACKLOG_MAX", "many", "valid"),
    ],
)
def test_a_wrong_setting_is_named_with_the_reason_and_without_its_value(
    name: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"CLOISON_{name}", value)

    code = cli.main(["serve"])

    error = capsys.readouterr().err
    assert code == 2
    assert f"  CLOISON_{name}: " in error
    assert said in error
    assert "chatty" not in error
    assert "Traceback" not in error


async def _run(folder: Path, **settings: str) -> tuple[int, str]:
    """Return the exit code and the standard error of a server that does not start."""
    environment = os.environ | {f"CLOISON_{name}": value for name, value in settings.items()}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "serve", "--data-dir", str(folder),
        cwd=ROOT, env=environment,
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(30):
        _, said = await started.communicate()
    assert started.returncode is not None
    return started.returncode, said.decode()


async def test_a_port_that_is_taken_exits_with_1_and_says_which(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, said = await _run(tmp_path, PORT=str(port))

    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "Traceback" not in said


async def test_a_database_that_would_forget_exits_with_2_and_says_why(tmp_path: Path) -> None:
    code, said = await _run(tmp_path, DATABASE_URL="sqlite+aiosqlite:///:memory:", PORT="0")

    assert code == 2
    assert "The database must be a file" in said
    assert "Traceback" not in said


def test_a_second_server_on_a_database_exits_with_2_and_says_why(tmp_path: Path) -> None:
    charge = FileCharge(tmp_path / "cloison.sqlite3")
    assert charge.take()
    impatient = (
        "import sys\nfrom server import app, cli\napp.CHARGE_TIMEOUT_S = 0.1\n"
        "sys.exit(cli.main(['serve', '--port', '0', '--data-dir', sys.argv[1]]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", impatient, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    charge.leave()
    assert done.returncode == 2
    assert "cloison: Another server is in charge of this database." in done.stderr


async def test_a_database_that_does_not_answer_exits_with_1_and_says_so(tmp_path: Path) -> None:
    nowhere = "postgresql://somebody:secret@127.0.0.1:1/cloison"

    code, said = await _run(tmp_path, DATABASE_URL=nowhere, PORT="0")

    assert code == 1
    assert "cloison: PostgreSQL cannot be reached: " in said
    assert "secret" not in said


async def test_the_demo_is_made_once_and_its_secrets_shown_once(tmp_path: Path) -> None:
    async with process(tmp_path, "--demo") as first:
        await first.line("clc_")
        shown = "".join(first.said)
    async with process(tmp_path, "--demo") as second:
        told = await second.line("The demo organisation is there")

    assert "CLOISON_PASSWORD=" in shown
    assert "showed its passwords" in told
    assert "CLOISON_PASSWORD=" not in "".join(second.said)
