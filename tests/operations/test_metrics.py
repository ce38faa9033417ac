"""Metrics: on a port of their own, off by default, and blind to who, where and what."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from server.metrics import Metrics
from tests.house import House, serving
from tests.people import Person, call_http, sign_in

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
    assert value(figures, "cloison_writer_queue") == 0
    assert value(figures, "cloison_password_hashes") == 0
    assert value(figures, 'cloison_events_total{type="message_posted"}') == 3
    assert value(figures, 'cloison_events_total{type="connector_posted"}') == 1
    assert value(figures, 'cloison_http_responses_total{status="404"}') == 1
    assert value(figures, "cloison_batch_posts_sum") == 4
    assert value(figures, "cloison_commit_seconds_count") >= 4
    for secret in (CANARY, token, signed_in, sphere, organisation, ana.id, "127.0.0.1"):
        assert secret not in figures
    assert set(re.findall(r"(\w+)=", figures)) <= {"type", "status", "le"}


async def test_without_a_port_there_are_none_and_people_never_reach_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as house:
        status, _, _ = await asyncio.to_thread(call_http, house.url, "GET", "/metrics")
        off = house.parts.metrics

    assert off is None
    assert status == 404


def test_a_port_that_is_taken_stops_the_start_with_the_reason() -> None:
    metrics = Metrics()

    with metrics.served("127.0.0.1", 0) as port:
        second = Metrics().served("127.0.0.1", port)
        with pytest.raises(OSError, match="in use"):
            second.__enter__()
