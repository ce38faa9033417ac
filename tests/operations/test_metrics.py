"""Metrics: on a port of their own, off by default, and blind to who, where and what."""

from __future__ import annotations

import asyncio
import re
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import time
from typing import Any

import pytest

from server import errors
from server.metrics import Metrics
from server.tallies import Tallies
from tests.house import House, serving
from tests.people import PATIENCE_S, Person, call_http, sign_in
from tests.process import ROOT

CANARY = "canary"


async def read(house: House) -> str:
    """Return what is read on the port of metrics."""
    assert house.parts.metrics is not None
    with house.parts.metrics.served("127.0.0.1", 0) as port:
        status, _, body = await asyncio.to_thread(
            call_http, f"http://127.0.0.1:{port}", "GET", "/metrics"
        )
    assert status == 200
    return body.decode()


def value(figures: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", figures, re.MULTILINE)
    assert found is not None, f"{name} is not among\n{figures}"
    return float(found[1])


async def test_figures_follow_what_happens_and_name_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics_port=0) as house:
        organisation = await house.organisation(CANARY)
        ana = await house.resident(organisation, f"{CANARY}-ana", password=f"{CANARY}-staple-9")
        sphere = await house.sphere(ana, name=f"{CANARY} sphere")
        token = await house.connector(sphere, ana, name=f"{CANARY} bot")
        signed_in = await sign_in(house.url, CANARY, ana.address, f"{CANARY}-staple-9")
        async with Person(house.url, await house.token(ana)) as person:
            for _ in range(3):
                await person.post(sphere, f"{CANARY} said")
            await asyncio.to_thread(
                call_http, house.url, "POST", f"/hooks/{token}", body=CANARY.encode()
            )
            await asyncio.to_thread(call_http, house.url, "GET", f"/{CANARY}")
            figures = await read(house)

    assert value(figures, "cloison_connections") == 1
    assert value(figures, "cloison_sessions") == 1
    assert value(figures, "cloison_clock_seconds") == pytest.approx(time(), abs=60)
    assert value(figures, "cloison_writer_queue") == 0
    assert value(figures, "cloison_password_hashes") == 0
    assert value(figures, 'cloison_events_total{type="message_posted"}') == 3
    assert value(figures, 'cloison_events_total{type="connector_posted"}') == 1
    assert value(figures, 'cloison_http_responses_total{status="404"}') == 1
    assert value(figures, "cloison_batch_posts_sum") == 4
    assert value(figures, "cloison_posts_committed_total") == 4
    assert value(figures, 'cloison_http_refusals_total{code="not_found"}') == 1
    assert value(figures, "cloison_commit_seconds_count") >= 4
    for secret in (CANARY, token, signed_in, sphere, organisation, ana.id, "127.0.0.1"):
        assert secret not in figures
    assert set(re.findall(r"(\w+)=", figures)) <= {"type", "status", "code", "le"}


async def test_every_figure_that_is_read_is_documented(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics_port=0) as house:
        figures = await read(house)

    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^# TYPE (?!\S+_created )(\S+)", figures, re.MULTILINE))
    assert [name for name in names if f"`{name}`" not in page] == []


async def test_without_a_port_there_are_none_and_people_never_reach_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as house:
        status, _, _ = await asyncio.to_thread(call_http, house.url, "GET", "/metrics")
        off = house.parts.metrics

    assert off is None
    assert status == 404


def test_a_port_that_is_taken_stops_the_start_with_the_reason() -> None:
    metrics = Metrics(Tallies())

    with metrics.served("127.0.0.1", 0) as port:
        second = Metrics(Tallies()).served("127.0.0.1", port)
        with pytest.raises(OSError, match="in use"):
            second.__enter__()


@pytest.mark.parametrize("fast_links", [True, False])
async def test_deliveries_refusals_and_ends_are_told_by_their_codes(
    tmp_path: Path, *, fast_links: bool
) -> None:
    async with serving(tmp_path, metrics_port=0, fast_links=fast_links) as house:
        ana = await house.resident(await house.organisation(), "Ana")
        sphere = await house.sphere(ana)
        reader, other = await house.person(ana), await house.person(ana, encoding="json")
        for person in (reader, other):
            await person.call("subscribe", sphere=sphere)
        for _ in range(3):
            await reader.post(sphere, "said")
        for person in (reader, other):
            await person.until(lambda _, person=person: len(person.heard(sphere)) == 3)  # type: ignore[misc]  # bound now
        await reader.refusal("subscribe", sphere=CANARY)
        await reader.send_raw(b"x" * 70_000)
        assert await reader.closed() == 1009
        await _close(other, 3_999)
        await _until(lambda: house.parts.doors.open == 0)
        figures = await read(house)

    assert value(figures, "cloison_deliveries_total") == 6
    assert value(figures, 'cloison_refusals_total{code="invalid_field"}') == 1
    assert value(figures, 'cloison_connections_closed_total{code="1009"}') == 1
    assert value(figures, 'cloison_connections_closed_total{code="other"}') == 1
    assert value(figures, "cloison_connections_congested") == 0


async def test_a_slow_reader_shows_while_it_is_congested_and_when_it_is_cut(tmp_path: Path) -> None:
    bounds: dict[str, Any] = {"outbox_bytes_high": 4_096, "outbox_bytes_max": 65_536}
    async with serving(tmp_path, metrics_port=0, **bounds) as house:
        ana = await house.resident(await house.organisation(), "Ana")
        sphere = await house.sphere(ana)
        stuck, writer = await house.person(ana), await house.person(ana)
        await stuck.call("subscribe", sphere=sphere)
        _stop_reading(stuck)
        tallies, most = house.parts.services.tallies, 0
        while not tallies.closes:
            # Three share a commit, and are less than the bound: congested first, then cut.
            await asyncio.gather(*(writer.post(sphere, "x" * 16_000) for _ in range(3)))
            most = max(most, tallies.congested)
        figures = await read(house)
        await stuck.close()
        await writer.close()

    assert most == 1
    assert value(figures, "cloison_connections_congested") == 0
    assert value(figures, 'cloison_connections_closed_total{code="4001"}') == 1


async def test_keys_and_erasures_that_are_held_up_are_counted(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics_port=0) as house:
        acme = await house.organisation()
        ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
        sphere = await house.sphere(ana, bob)
        async with await house.person(ana) as one, await house.person(bob) as other:
            await one.post(sphere, "said")
            await other.post(sphere, "said")
            before = await read(house)
            with closing(sqlite3.connect(house.parts.database.path)) as elsewhere:
                elsewhere.execute("BEGIN")
                elsewhere.execute("SELECT count(*) FROM event").fetchone()
                await other.call("leave", sphere=sphere)
                held_up = await read(house)
            await _until(lambda: not house.parts.eraser.pending)
            after = await read(house)

    assert [value(one, "cloison_keys") for one in (before, held_up, after)] == [3, 2, 2]
    assert [value(one, "cloison_erasures_pending") for one in (before, held_up, after)] == [0, 1, 0]


async def test_a_figure_that_cannot_be_read_keeps_none_of_the_others_back(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics_port=0) as house:
        keyring = house.parts.database.keyring
        keyring.close()
        figures = await read(house)

    assert "cloison_keys NaN" in figures
    assert value(figures, "cloison_connections") == 0


async def test_whoever_hangs_up_on_metrics_causes_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError(CANARY)

    async with serving(tmp_path, metrics_port=0) as house:
        metrics = house.parts.metrics
        assert metrics is not None
        with metrics.served("127.0.0.1", 0) as port, pytest.MonkeyPatch.context() as patch:
            patch.setattr("prometheus_client.exposition.MetricsHandler.do_GET", lambda _: fail())
            with pytest.raises(OSError, match=r"."):
                await asyncio.to_thread(call_http, f"http://127.0.0.1:{port}", "GET", "/metrics")

    assert "Traceback" not in capfd.readouterr().err


async def test_a_write_that_fails_is_told_from_one_that_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics_port=0) as house:

        def fail(_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        def refuse(_: object) -> None:
            raise errors.NotFound

        with pytest.raises(errors.StorageUnavailable):
            await house.parts.database.write(fail)
        with pytest.raises(errors.NotFound):
            await house.parts.database.write(refuse)
        figures = await read(house)

    assert value(figures, "cloison_commits_failed_total") == 1


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  # the server's own state, which tells nobody
            await asyncio.sleep(0.01)


def _stop_reading(person: Person) -> None:
    """Leave what the server sends in a socket that holds little."""
    assert person._socket is not None
    line: socket.socket = person._socket.transport.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    person.stop_reading()


async def _close(person: Person, code: int) -> None:
    """Close with a code of the peer's own, which must not become a label."""
    assert person._socket is not None
    await person._socket.close(code)
    await person.close()
