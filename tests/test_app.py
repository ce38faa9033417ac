from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server import errors
from server.app import Entrance, application, running, uvicorn_config
from server.channels.outcome import Limits, Outcome
from server.channels.writer import WriterLimits
from server.gateway.link import LinkLimits
from server.gateway.services import ReaderLimits
from server.gateway.speaker import ConnectionLimits
from server.parts import Parts, compose
from server.protocol.scalars import FRAME_BYTES_MAX
from server.settings import Settings
from storage import migrations, organisations
from storage.database import Transaction
from tests.house import CHEAP, House, serving
from tests.people import call_http


@contextmanager
def _composed(folder: Path, **settings: Any) -> Iterator[Parts]:
    """Make the parts of a server that never runs, and let go of them."""
    parts = compose(Settings(data_dir=folder, **CHEAP | settings))
    try:
        yield parts
    finally:
        parts.passwords.close()
        asyncio.run(parts.database.close())


def _distinct(kinds: list[Any]) -> dict[str, float]:
    """Return settings of which no two are alike, within their bounds."""
    names = sorted({name for kind in kinds for name in kind.__struct_fields__})
    return {
        name: Settings.model_fields[name].default + number
        for number, name in enumerate(names, start=1)
        if name in Settings.model_fields
    }


def test_every_bound_of_a_part_is_the_setting_of_that_name(tmp_path: Path) -> None:
    chosen = _distinct([Limits, WriterLimits, ConnectionLimits, LinkLimits, ReaderLimits])

    with _composed(tmp_path, **chosen) as parts:
        services = parts.services
        for part in (
            services.limits,
            services.connection,
            services.readers,
            parts.links,
            parts.writer._limits,
        ):
            for name in part.__struct_fields__:
                if name != "message_bytes_max":
                    assert getattr(part, name) == chosen[name], name
        assert parts.links.message_bytes_max == FRAME_BYTES_MAX
        assert parts.doors._connections_max == parts.settings.connections_max
        assert parts.doors._per_address_max == parts.settings.connections_per_address_max
        assert parts.public_doors._connections_max == parts.settings.public_readers_max
        assert parts.public_doors._per_address_max == parts.settings.public_readers_per_address_max
        assert services.hub.halls._readers_max == parts.settings.public_readers_per_sphere_max
        assert services.reading._value == parts.settings.reader_looks_max


def test_the_defaults_of_a_part_are_those_of_the_settings() -> None:
    for kind in (Limits, WriterLimits, ConnectionLimits, LinkLimits, ReaderLimits):
        part = kind()
        for name in part.__struct_fields__:
            if name in Settings.model_fields:
                assert getattr(part, name) == Settings.model_fields[name].default, name


@pytest.mark.parametrize("fast", [True, False])
def test_uvicorn_neither_compresses_nor_logs_nor_announces_itself(
    tmp_path: Path, *, fast: bool
) -> None:
    with _composed(tmp_path) as parts:
        config = uvicorn_config(parts, application(parts), fast_links=fast)

    assert config.ws_max_size == FRAME_BYTES_MAX
    assert not config.ws_per_message_deflate
    assert not config.access_log
    assert not config.server_header
    assert not config.proxy_headers
    assert config.log_config is None


async def test_sockets_go_straight_to_their_endpoint_and_all_else_to_the_web() -> None:
    called: list[str] = []

    def endpoint(name: str) -> Any:
        async def serve(*_: Any) -> None:
            called.append(name)

        return serve

    entrance = Entrance(endpoint("web"), {"/v1/connect": endpoint("people")})
    nothing: Any = None
    for scope in (
        {"type": "websocket", "path": "/v1/connect"},
        {"type": "http", "path": "/v1/connect"},
        {"type": "websocket", "path": "/v1/connect/"},
        {"type": "lifespan"},
    ):
        await entrance(scope, nothing, nothing)

    assert called == ["people", "web", "web", "web"]


async def test_a_server_that_is_ready_says_so_until_its_store_is_gone(house: House) -> None:
    ready = await asyncio.to_thread(call_http, house.url, "GET", "/readyz")
    alive = await asyncio.to_thread(call_http, house.url, "GET", "/healthz")

    assert (ready[0], alive[0]) == (200, 200)


async def test_what_was_stored_is_there_at_the_next_start(tmp_path: Path) -> None:
    async with serving(tmp_path) as house:
        made = await house.organisation("acme")

    async with serving(tmp_path) as again:
        found = await again.parts.database.read(organisations.by_handle, "acme")

    assert found is not None
    assert found.id == made


def _never(_tx: Transaction) -> Outcome:
    raise AssertionError("nothing is run after the stop")


async def test_when_it_stops_nothing_more_is_written(tmp_path: Path) -> None:
    parts = compose(Settings(data_dir=tmp_path, **CHEAP))
    async with running(parts):
        assert await parts.database.read(migrations.version) == migrations.HEAD

    with pytest.raises(errors.GoingAway):
        await parts.writer.act(_never)


async def test_a_start_that_fails_leaves_no_writer_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_tx: object) -> None:
        raise errors.StorageUnavailable

    monkeypatch.setattr(migrations, "upgrade", broken)
    parts = compose(Settings(data_dir=tmp_path, **CHEAP))

    with pytest.raises(errors.StorageUnavailable):
        async with running(parts):
            raise AssertionError("it must not serve")

    assert not [task for task in asyncio.all_tasks() if task.get_name() in {"writer", "notes"}]
    parts.passwords.close()
    await parts.database.close()
