"""Backup and restore: as of one instant, complete or not there, and nobody else's."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from server import cli
from server.progress import bar
from storage import backup, migrations
from tests.house import House, serving
from tests.people import call_http
from tests.process import ROOT


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a sub-command, as an operator does."""
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments, "--data-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


async def _furnished(house: House) -> tuple[str, str]:
    """Return a member's token and a sphere in which they said something."""
    ana = await house.resident(await house.organisation(), "Ana")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as person:
        await person.post(sphere, "kept for later")
    return await house.token(ana), sphere


def modes(path: Path) -> int:
    return path.stat().st_mode & 0o777


def counted(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(count)


async def test_a_backup_of_a_running_server_restores_to_another_place(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    copy, keys = tmp_path / "copy.sqlite3", tmp_path / "keys.copy"
    async with serving(here) as house:
        token, sphere = await _furnished(house)
        made = await asyncio.to_thread(run, "backup", str(copy), "--keys", str(keys), folder=here)
    restored = await asyncio.to_thread(run, "restore", str(copy), "--keys", str(keys), folder=there)

    assert (made.returncode, restored.returncode) == (0, 0), made.stderr + restored.stderr
    assert [modes(path) for path in (copy, keys, there)] == [0o600, 0o600, 0o700]
    async with serving(there) as house:
        status, _, _ = await asyncio.to_thread(
            call_http, house.url, "POST", "/v1/sign-out", headers={"authorization": token}
        )
        assert status == 401
        assert counted(there / "cloison.sqlite3", "session") == 0
        assert counted(there / "cloison.sqlite3", "event") > 0
        assert sphere


async def test_a_backup_under_a_stream_of_writes_is_sound(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as house:
        ana = await house.resident(await house.organisation(), "Ana")
        sphere = await house.sphere(ana)
        async with await house.person(ana) as person:
            sent = [
                await person.send(
                    "post", sphere=sphere, revision=1, client_id=f"draft-{n:04}", body="x" * 500
                )
                for n in range(60)
            ]
            source = house.parts.database.path
            copies = [tmp_path / f"{n}.sqlite3" for n in range(5)]
            for copy in copies:
                await asyncio.to_thread(backup.copy, source, copy)
            for request in sent:
                await person.reply(request)

    counts = [counted(copy, "event") for copy in copies]
    assert counts == sorted(counts)


def test_a_failed_backup_leaves_the_former_one_and_nothing_else(tmp_path: Path) -> None:
    source, target = tmp_path / "damaged", tmp_path / "copy"
    source.write_bytes(b"no database" * 1_000)
    target.write_text("the former")

    with pytest.raises(backup.Unusable):
        backup.copy(source, target)

    assert target.read_text() == "the former"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "damaged"]


async def test_nothing_is_restored_under_a_running_server(tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    async with serving(tmp_path / "data") as house:
        await _furnished(house)
        await asyncio.to_thread(backup.copy, house.parts.database.path, copy)
        refused = await asyncio.to_thread(
            run, "restore", str(copy), "--replace", folder=tmp_path / "data"
        )
        kept = await asyncio.to_thread(run, "restore", str(copy), folder=tmp_path / "data")
        assert await house.organisation("other")

    assert (refused.returncode, kept.returncode) == (1, 1)
    assert "is in use: stop the server first" in refused.stderr
    assert "--replace" in kept.stderr


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    strange.write_bytes(b"x" * 10_000)

    refused = run("restore", str(strange), folder=tmp_path / "data")

    assert refused.returncode == 1
    assert "not a database" in refused.stderr
    assert not (tmp_path / "data" / "cloison.sqlite3").exists()


def test_migrate_says_from_where_to_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = [cli.main(["migrate", "--data-dir", str(tmp_path / "data")]) for _ in range(2)]

    first, second = capsys.readouterr().out.splitlines()
    assert codes == [0, 0]
    assert "was empty" in first
    assert "is up to date" in second


class Terminal(io.StringIO):
    """A terminal, for whoever asks."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_a_bar_moves_on_a_terminal_and_nowhere_else() -> None:
    terminal = Terminal()
    moved = bar(terminal)
    assert moved is not None
    for left in (3, 1, 1, 0):
        moved(left, 4)

    assert terminal.getvalue().count("\r") == 3
    assert terminal.getvalue().endswith("100%\n")
    assert bar(io.StringIO()) is None


def test_long_commands_show_how_far_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = "".join(f"p{n}@example.org,\n" for n in range(50))
    (tmp_path / "people.csv").write_text(f"address,role\n{listed}")
    drawn = {}
    for words in (
        ["migrate"],
        ["org", "create", "acme", "--name", "Acme"],
        ["member", "import", "acme", str(tmp_path / "people.csv")],
        ["backup", str(tmp_path / "copy")],
        ["restore", str(tmp_path / "copy"), "--replace"],
    ):
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        assert cli.main([*words, "--data-dir", str(tmp_path / "data")]) == 0
        drawn[words[0]] = terminal.getvalue()

    versions = [*(Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")]
    assert drawn.pop("org") == ""
    assert [one.endswith("100%\n") for one in drawn.values()] == [True] * 4
    assert drawn["migrate"].count("\r") == len(versions)


def test_a_backup_without_a_file_to_make_is_refused() -> None:
    with pytest.raises(SystemExit) as refused:
        cli.main(["backup"])

    assert refused.value.code == 2
