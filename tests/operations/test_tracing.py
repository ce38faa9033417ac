"""Traces: to a file of the operator's, off by default, and blind to who, where and what."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server import errors
from server.tracing import FileExporter, Tracing
from server.watching import Answer, Commit, Span
from tests.house import serving
from tests.people import Person, call_http
from tests.process import ROOT

CANARY = "canary"


def spans(path: Path) -> list[dict[str, Any]]:
    """Return the spans of a file, as a collector reads them."""
    found = []
    for line in path.read_text().splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                found += scope["spans"]
    return found


def said(span: dict[str, Any]) -> dict[str, str]:
    """Return the attributes of a span, all as text."""
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


@pytest.mark.parametrize("fast_links", [True, False])
async def test_requests_commands_and_commits_are_traced_and_name_nobody(
    tmp_path: Path, *, fast_links: bool
) -> None:
    file = tmp_path / "traces" / "spans.jsonl"
    file.parent.mkdir()
    async with serving(tmp_path, traces_file=file, fast_links=fast_links) as house:
        organisation = await house.organisation(CANARY)
        ana = await house.resident(organisation, f"{CANARY}-ana")
        sphere = await house.sphere(ana, name=f"{CANARY} sphere")
        token = await house.connector(sphere, ana, name=f"{CANARY} bot")
        await asyncio.to_thread(call_http, house.url, "PROPFIND", f"/{CANARY}")
        await asyncio.to_thread(
            call_http, house.url, "POST", f"/hooks/{token}", body=CANARY.encode()
        )
        async with Person(house.url, await house.token(ana)) as person:
            await person.call("subscribe", sphere=sphere)
            await person.refusal("subscribe", sphere=sphere[:-1] + "x")
            await person.post(sphere, f"{CANARY} said")

    traced = spans(file)
    drawn = {(span["name"], tuple(said(span).items())) for span in traced}
    assert {
        ("other", (("http.request.method", "other"), ("http.response.status_code", "404"),
                   ("error.type", "not_found"))),
        ("POST /hooks/{token}", (("http.request.method", "POST"), ("http.route", "/hooks/{token}"),
                                 ("http.response.status_code", "200"))),
        ("bring", ()),
        ("hello", ()),
        ("subscribe", ()),
        ("subscribe", (("error.type", "not_found"),)),
        ("post", ()),
        ("commit", (("cloison.posts", "1"),)),
    } <= drawn  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o600
    for secret in (CANARY, token, sphere, organisation, ana.id, "127.0.0.1"):
        assert secret not in file.read_text()


async def test_what_goes_wrong_is_marked_and_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    async with serving(tmp_path, traces_file=file) as house:

        def fail(_: object) -> None:
            raise ValueError(CANARY)

        def refuse(_: object) -> None:
            raise errors.NotFound

        with pytest.raises(ValueError, match=CANARY):
            await house.parts.database.write(fail)
        with pytest.raises(errors.NotFound):
            await house.parts.database.write(refuse)

    marked = [(said(one)["error.type"], one["status"]["code"]) for one in spans(file) if said(one)]
    assert marked == [("failed", 2), ("not_found", 0)]
    assert CANARY not in file.read_text()


def test_spans_stand_by_themselves_with_their_own_times(tmp_path: Path) -> None:
    tracing = Tracing(tmp_path / "spans", 1_000_000)
    tracing.committed(Commit(Span(5, 9), posts=2, outcome=""))
    tracing.answered(Answer(Span(6, 8), "GET", "/readyz", 503, ""))
    tracing.close()

    first, second = spans(tmp_path / "spans")
    assert (first["startTimeUnixNano"], first["endTimeUnixNano"]) == ("5", "9")
    assert (first["kind"], second["kind"]) == (1, 2)
    assert second["status"] == {"code": 2}
    assert first["traceId"] != second["traceId"]
    assert "parentSpanId" not in first | second


def test_a_full_file_makes_room_and_two_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "spans"
    for turn in range(5):
        tracing = Tracing(path, 2_000)
        for _ in range(8):
            tracing.committed(Commit(Span(turn, turn), posts=1, outcome=""))
        tracing.close()

    assert sorted(one.name for one in tmp_path.iterdir()) == ["spans", "spans.1"]
    assert [{one["startTimeUnixNano"] for one in spans(tmp_path / name)} for name in
            ("spans.1", "spans")] == [{"3"}, {"4"}]  # fmt: skip


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileExporter(tmp_path / "nowhere" / "spans", 1_000)


def test_without_opentelemetry_a_file_of_traces_is_refused_with_the_reason(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from server.cli import main\n"
        "sys.exit(main(['serve', '--port', '0', '--data-dir', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        env={"CLOISON_TRACES_FILE": str(tmp_path / "spans")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == "cloison: Traces need OpenTelemetry: install cloison[otel].\n"
