from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from server import cli
from tests import engines
from tests.nodes import until
from tests.people import call_http
from tests.process import process


def _workers(parent: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


async def _ready(url: str) -> bool:
    try:
        status, _, _ = await asyncio.to_thread(call_http, url, "GET", "/readyz")
    except OSError:
        return False
    return status == 200


async def test_workers_share_the_port_and_one_that_dies_is_started_anew(
    tmp_path: Path, redis_url: str
) -> None:
    settings = {
        "DATABASE_URL": engines.database(),
        "BROKER_URL": redis_url,
        "BROKER_PREFIX": "workers",
        "DEAF_AFTER_S": "10",
    }
    async with process(tmp_path, "--workers", "2", **settings) as running:
        await running.line("serves on")  # the other one
        before = _workers(running.process.pid)
        assert len(before) == 2

        os.kill(before[0], signal.SIGKILL)
        await running.line("serves on")

        after = _workers(running.process.pid)
        assert len(after) == 2
        assert before[0] not in after
        assert before[1] in after
        async with asyncio.timeout(30):
            while not await _ready(running.url):  # noqa: ASYNC110  # it says so to who asks
                await asyncio.sleep(0.05)
        assert await running.stop() == 0
        await until(lambda: not [one for one in after if Path(f"/proc/{one}").exists()])


def test_workers_are_refused_what_they_cannot_share(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", "--workers", "2"]) == 2
    assert "PostgreSQL" in capsys.readouterr().err

    monkeypatch.setenv("CLOISON_DATABASE_URL", "postgresql://u@h/d")
    assert cli.main(["serve", "--workers", "2"]) == 2
    assert "CLOISON_BROKER_URL" in capsys.readouterr().err
