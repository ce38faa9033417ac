"""The doctor: each fault is planted, and found; a sound installation has none."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.clock import SystemClock
from server.operations import core_dumps, doctor, machine
from server.settings import Settings
from storage import examination
from tests.house import serving
from tests.process import ROOT


@pytest.fixture
async def installed(tmp_path: Path) -> Settings:
    """Return the settings of a server that ran once, and stopped."""
    os.chmod(tmp_path, 0o700)  # noqa: PTH101  # as the server makes its folder
    async with serving(tmp_path, connections_max=100, public_readers_max=100) as house:
        ana = await house.resident(await house.organisation(), "Ana")
        sphere = await house.sphere(ana)
        async with await house.person(ana) as person:
            await person.post(sphere, "hello")
        return house.parts.settings


def faults(settings: Settings) -> list[str]:
    """Return the names of the checks that find something."""
    return [name for name, check in doctor.CHECKS.items() if list(check(settings))]


def test_a_sound_installation_has_no_fault(
    installed: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    code = doctor.examine(installed, argparse.Namespace())

    said = capsys.readouterr().out.splitlines()
    assert code == 0
    assert [one for one in said if not one.startswith("advice")] == [
        f"ok     {name}" for name in doctor.CHECKS
    ]


def _statement(statement: str) -> Callable[[Settings], None]:
    def plant(settings: Settings) -> None:
        with closing(sqlite3.connect(settings.data_dir / "cloison.sqlite3")) as database:
            database.execute(statement)
            database.commit()

    return plant


def _open_the_folder(settings: Settings) -> None:
    settings.data_dir.chmod(0o755)


def _open_the_database(settings: Settings) -> None:
    (settings.data_dir / "cloison.sqlite3").chmod(0o640)


def _open_the_keys(settings: Settings) -> None:
    settings.keys_path.chmod(0o604)


def _give_the_database_away(settings: Settings) -> None:
    os.chown(settings.data_dir / "cloison.sqlite3", 12_345, -1)


def _lose_the_keys(settings: Settings) -> None:
    settings.keys_path.unlink()


def _lose_the_database(settings: Settings) -> None:
    (settings.data_dir / "cloison.sqlite3").unlink()


def _damage_the_database(settings: Settings) -> None:
    with (settings.data_dir / "cloison.sqlite3").open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * 16_384)


def _replace_the_database(settings: Settings) -> None:
    (settings.data_dir / "cloison.sqlite3").write_bytes(b"no database" * 1_000)


def _leave_a_journal(settings: Settings) -> None:
    (settings.data_dir / "cloison.sqlite3-wal").write_bytes(b"x" * 4_096)


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (_statement("INSERT INTO doomed_key (key) VALUES (x'00')"), "erasures"),
        (_open_the_folder, "permissions"),
        (_open_the_database, "permissions"),
        (_open_the_keys, "permissions"),
        (_give_the_database_away, "permissions"),
        (_lose_the_keys, "keys"),
        (_lose_the_database, "database"),
        (_damage_the_database, "database"),
        (_replace_the_database, "database"),
        (_statement("UPDATE alembic_version SET version_num = '0000'"), "database"),
        (_statement("UPDATE alembic_version SET version_num = '9999'"), "database"),
        (_statement("DROP TABLE alembic_version"), "database"),
        (_statement("PRAGMA journal_mode=delete"), "pragmas"),
        (_leave_a_journal, "journal"),
        (_statement("UPDATE event SET at = 99999999999999"), "clock"),
    ],
)
def test_each_planted_fault_is_found_and_told_in_one_line(
    installed: Settings,
    plant: Callable[[Settings], None],
    found: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant(installed)

    code = doctor.examine(installed, argparse.Namespace())

    said = capsys.readouterr().out.splitlines()
    assert code == 1
    assert any(line.startswith(f"FAULT  {found}: ") for line in said)


def test_keys_beside_the_data_are_a_fault(installed: Settings) -> None:
    beside = installed.model_copy(update={"keys_dir": installed.data_dir})

    assert "keys" in faults(beside)


def test_a_build_that_does_not_take_a_pragma_is_found(installed: Settings) -> None:
    with examination.opened(installed.data_dir / "cloison.sqlite3") as database:
        deaf = examination.deaf_pragmas(database, {"secure_delete": 7, "foreign_keys": 1})

    assert list(deaf) == ["secure_delete"]


def test_too_few_open_files_are_found(installed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))

    assert faults(installed) == []
    for name in ("connections_max", "public_readers_max"):
        assert faults(installed.model_copy(update={name: 4_096})) == ["open files"]


def test_a_full_disk_is_found(installed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(total=100, used=99, free=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    assert faults(installed) == ["disk"]


def test_a_clock_that_was_never_set_is_found(
    installed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: 0)

    assert faults(installed) == ["clock"]


def test_a_key_for_tls_is_its_owners_alone(installed: Settings) -> None:
    folder = installed.data_dir
    (folder / "chain.pem").touch()
    certified = _tls(installed, folder).model_copy(update={"metrics_port": 1})

    assert faults(certified) == ["permissions"]
    (folder / "key.pem").chmod(0o600)
    assert faults(certified) == []


def test_traces_that_others_may_read_are_a_fault(installed: Settings, tmp_path: Path) -> None:
    traces = tmp_path / "spans"
    traces.touch()
    traces.chmod(0o644)

    assert faults(installed.model_copy(update={"traces_file": traces})) == ["permissions"]


def _tls(settings: Settings, folder: Path) -> Settings:
    (folder / "key.pem").touch(mode=0o644)
    (folder / "key.pem").chmod(0o644)
    chain, key = folder / "chain.pem", folder / "key.pem"
    return settings.model_copy(update={"tls_certificate": chain, "tls_key": key})


async def test_a_journal_that_a_reader_holds_up_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "JOURNAL_BYTES_MAX", 1_000)
    monkeypatch.setattr(examination, "may_be_in_use", lambda _: True)  # ours is this very process
    os.chmod(tmp_path, 0o700)  # noqa: PTH101  # as the server makes its folder
    async with serving(tmp_path, connections_max=100) as house:
        await house.organisation()
        found = [*doctor.journal(house.parts.settings)]

    assert all("something reads the database for long" in one for one in found)
    assert len(found) == 2  # of the data and of the keys


def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """Let the machine say what these files hold."""
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        owner = core_dumps if name == "PATTERN" else machine
        monkeypatch.setattr(owner, name, tmp_path / name)


def advised(settings: Settings) -> dict[str, list[str]]:
    return {name: [*check(settings)] for name, check in doctor.ADVICE.items()}


_MOUNT = "36 1 8:1 / / rw - {} /dev/sda1 rw\n37 1 8:1 / /nowhere rw - nfs4 x rw\n"


@pytest.mark.parametrize(
    ("kind", "fault", "advice"),
    [("ext4", False, False), ("nfs4", True, False), ("cifs", True, False), ("btrfs", False, True)],
)
def test_file_systems_that_do_not_lock_or_keep_copies_are_found(
    installed: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    *,
    fault: bool,
    advice: bool,
) -> None:
    _machine(tmp_path, monkeypatch, MOUNTS=_MOUNT.format(kind))

    assert ("file system" in faults(installed)) is fault
    assert any(kind in one for one in advised(installed)["copies"]) is advice


def test_what_takes_memory_to_a_disk_is_advised_against(
    installed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swaps = "Filename Type\n/dev/zram0 partition\n/dev/dm-7 partition\n/swapfile file\n"
    _machine(tmp_path, monkeypatch, SWAPS=swaps, PATTERN="|/usr/bin/keep %p\n")
    (tmp_path / "dm-7" / "dm").mkdir(parents=True)
    (tmp_path / "dm-7" / "dm" / "uuid").write_text("CRYPT-PLAIN-swap\n")
    monkeypatch.setattr(machine, "BLOCKS", tmp_path)

    swap, dump = advised(installed)["memory"]

    assert "/swapfile" in swap
    assert "/usr/bin/keep" in dump
    for pattern in ("core\n", "|/usr/lib/systemd/systemd-coredump %P\n"):
        _machine(tmp_path, monkeypatch, PATTERN=pattern)
        assert core_dumps.taken_by() is None


def test_a_clock_that_nothing_keeps_is_advised_against(
    installed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.clock_is_kept() in {True, False, None}
    for kept, advice in ((True, 0), (None, 0), (False, 1)):
        monkeypatch.setattr(machine, "clock_is_kept", lambda kept=kept: kept)
        assert len(advised(installed)["clock"]) == advice


def test_keys_inside_the_data_and_what_others_could_read_are_advised_against(
    installed: Settings, tmp_path: Path
) -> None:
    apart = installed.model_copy(
        update={"keys_dir": tmp_path.parent / "keys-apart", "metrics_port": 1}
    )
    open_to_all = apart.model_copy(update={"metrics_host": "0.0.0.0", "host": "::"})  # noqa: S104  # the fault

    assert advised(installed)["copies"]
    assert not advised(apart)["copies"]
    assert advised(apart)["exposure"] == []
    assert len(advised(open_to_all)["exposure"]) == 2


async def test_beside_a_running_server_there_is_nothing_to_find(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o700)  # noqa: PTH101  # as the server makes its folder
    async with serving(tmp_path) as house:
        ana = await house.resident(await house.organisation(), "Ana")
        await house.sphere(ana)
        examined = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "server", "doctor", "--data-dir", str(tmp_path)],
            cwd=ROOT,
            env=os.environ | {"CLOISON_CONNECTIONS_MAX": "100"},
            capture_output=True,
            text=True,
            check=False,
        )
        posted = await house.sphere(ana)

    assert (examined.returncode, examined.stderr) == (0, "")
    assert "FAULT" not in examined.stdout
    assert posted
