"""The doctor looks at how Redis is set: each fault is planted on a real server, and found."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.operations import doctor
from server.operations.doctor_broker import broker
from server.settings import Settings
from tests.redis_server import RedisServer, free_port


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[RedisServer]:
    """Return a server that keeps nothing."""
    with RedisServer(tmp_path / "redis", "--slowlog-log-slower-than", "-1") as server:
        yield server


def _settings(folder: Path, url: str) -> Settings:
    chosen: dict[str, Any] = {"data_dir": folder, "broker_url": url}
    return Settings(**chosen)


def test_a_broker_that_keeps_nothing_has_no_fault(tmp_path: Path, sound: RedisServer) -> None:
    assert list(broker(_settings(tmp_path, sound.url))) == []


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (("--save", "60 1"), 'save ""'),
        (("--appendonly", "yes"), "appendonly no"),
        (("--slowlog-log-slower-than", "10000"), "slowlog-log-slower-than -1"),
    ],
)
def test_what_a_broker_keeps_is_a_fault_and_the_mend_is_said(
    tmp_path: Path, flags: tuple[str, ...], found: str
) -> None:
    well = ("--slowlog-log-slower-than", "-1")
    with RedisServer(tmp_path / "redis", *well, *flags) as server:
        (fault,) = broker(_settings(tmp_path, server.url))

    assert found in fault


def test_a_broker_that_is_not_there_is_a_fault_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}"

    code = doctor.examine(_settings(tmp_path, url), argparse.Namespace())

    said = capsys.readouterr().out
    assert code == 1
    assert "FAULT  broker: Redis at 127.0.0.1" in said
    assert "secret" not in said


def test_a_node_alone_has_no_broker_to_look_at(tmp_path: Path) -> None:
    chosen: dict[str, Any] = {"data_dir": tmp_path}

    assert list(broker(Settings(**chosen))) == []
