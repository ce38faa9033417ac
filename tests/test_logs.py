"""Logs: one line of JSON an event, and none that anybody can multiply."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import structlog

from server import logs
from tests.process import process


class HandClock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def formatter() -> logging.Formatter:
    return logs._formatter([structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name])


def record(name: str, msg: object, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "x.py", 1, msg, args, None)


def line(formatter: logging.Formatter, one: logging.LogRecord) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(formatter.format(one))
    return said


def test_a_library_repeats_no_sentence_within_a_minute_and_then_says_how_often_it_would_have(
    formatter: logging.Formatter,
) -> None:
    clock = HandClock()
    withheld = logs.Withheld(clock)
    lines = [withheld.filter(record("uvicorn.error", "Invalid HTTP request.")) for _ in range(9)]

    other = withheld.filter(record("uvicorn.error", "Something else."))
    clock.now = logs.QUIET_S
    later = record("uvicorn.error", "Invalid HTTP request.")

    assert lines == [True] + [False] * 8
    assert other
    assert withheld.filter(later)
    assert line(formatter, later) == {
        "event": "Invalid HTTP request.",
        "level": "warning",
        "logger": "uvicorn.error",
        "withheld": 8,
    }


def test_of_our_own_lines_alike_twenty_a_minute_are_written(formatter: logging.Formatter) -> None:
    clock = HandClock()
    withheld = logs.Withheld(clock)
    failed, other = ({"event": event} for event in ("write_failed", "notes_postponed"))
    lines = [withheld.filter(record("server.app", failed)) for _ in range(30)]
    another = withheld.filter(record("server.app", other))
    clock.now = logs.QUIET_S
    later = record("server.app", failed)

    assert sum(lines) == logs.OURS_MAX
    assert another
    assert withheld.filter(later)
    assert line(formatter, later)["withheld"] == 10


def test_a_library_that_varies_its_sentences_is_held_back_too() -> None:
    withheld = logs.Withheld(HandClock())
    written = [withheld.filter(record("stranger", f"refused {n}")) for n in range(10_000)]

    assert sum(written) == logs.SENTENCES_MAX + 1


@pytest.mark.parametrize(
    ("one", "event"),
    [
        (record("lib", "lost %s", "canary"), "lost %s"),
        (record("lib", "lost %s of %s", "canary"), "lost %s of %s"),
        (record("lib", "Traceback:\n canary\nValueError: canary"), "ValueError"),
        (record("lib", ValueError("canary")), "ValueError"),
        (record("py.warnings", "%s", "x.py:3: UserWarning: canary\n  line"), "a warning"),
        (record("py.warnings", "canary"), "a warning"),
    ],
)
def test_of_a_library_only_the_fixed_part_of_a_sentence_is_written(
    formatter: logging.Formatter, one: logging.LogRecord, event: str
) -> None:
    assert line(formatter, one)["event"] == event
    assert "canary" not in formatter.format(one)


async def test_a_flood_of_requests_that_are_none_writes_one_line(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        for nonsense in (b"\x16\x03\x01 canary\r\n\r\n", b"GET canary HTTP/9.9\r\n\r\n") * 100:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(nonsense)
            await reader.read()
            writer.close()
        await server.stop()

    lines = (tmp_path / "stderr.log").read_text().splitlines()
    assert [json.loads(one)["event"] for one in lines] == ["Invalid HTTP request received."]
