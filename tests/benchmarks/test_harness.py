"""The harness works: plans are read as they were written, and both generators count the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import plan, town
from benchmarks.bench import SUBPROTOCOL
from benchmarks.figures import Figure, Target, table
from benchmarks.generator import Load, Tools, flooring, loading
from benchmarks.plot import svg
from benchmarks.processes import cloison
from benchmarks.python_load import Connection, Plan


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools.made(tmp_path_factory.mktemp("tools"))


def _check_counted(load: Load, readers: int, *, acks: bool) -> None:
    load.open()
    report = load.saturate(window=2, readers=readers, acks=acks, warm=0, seconds=0.2)
    assert report["posts"] > 0
    assert report["refusals"] == 0
    assert report["owed"] == 0
    assert report["p50_us"] > 0


def test_both_generators_drive_the_server_and_lose_nothing(tmp_path: Path, tools: Tools) -> None:
    there = town.build(tmp_path, spheres=1, members=3)
    file = plan.write(tmp_path / "plan", plan.people(there, posters=1), SUBPROTOCOL)

    with cloison(there.folder, core=None) as server:
        for some in (tools, replace(tools, load=None)):
            with loading(some, server, file) as load:
                _check_counted(load, 3, acks=True)


def test_the_floor_delivers_each_post_to_each_hearer_of_its_group(
    tmp_path: Path, tools: Tools
) -> None:
    file = plan.write(tmp_path / "plan", plan.floor(groups=2, hearers=3, posters=1))

    with flooring(tools) as floor:
        if floor is not None:  # there is a C compiler
            with loading(tools, floor, file) as load:
                _check_counted(load, 3, acks=False)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    post = plan.post("s" * 26, 1)
    planned = plan.Planned("/v1/connect", 3, [b"hello"], post)

    read = Plan(plan.write(tmp_path / "plan", [planned], SUBPROTOCOL))

    assert read.text() == SUBPROTOCOL
    assert read.number() == 1
    one = Connection(read)
    assert (one.path, one.steps, one.post) == ("/v1/connect", [(b"hello", 0)], post)
    assert one.post[one.stamp :].startswith(plan.STAMP.encode())
    assert one.post[one.identity :].startswith(b"0" * 16)


def test_a_figure_is_the_median_of_values_and_its_ratio_that_of_pairs() -> None:
    figure = Figure("rooms", "posts/s", "/s", target=Target(2, least=True, of_ratio=True))
    for value, floor in ((10.0, 5.0), (30.0, 10.0), (20.0, 20.0)):
        figure.add(value, floor)

    assert (figure.value, figure.floor, figure.ratio) == (20.0, 10.0, 2.0)
    assert "met" in table([figure])
    assert "rooms: posts/s" in svg([figure])
