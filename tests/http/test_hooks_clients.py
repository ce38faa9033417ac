"""The tools that people already have, unmodified, against a running server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from slack_sdk.webhook import WebhookClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.house import serving
from tests.http.test_hooks import Place, furnish


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with serving(tmp_path) as house:
        yield await furnish(house)


def curl(*arguments: str) -> str:
    """Run curl; return what it printed: the body and the status."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "10", "-w", " %{http_code}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.tools
@pytest.mark.parametrize(
    "arguments",
    [
        ["-d", "The build is green."],
        ["--data-binary", "The build is green."],
        ["-H", "content-type: text/plain", "-d", "The build is green."],
        ["-H", "content-type:", "-d", "The build is green."],
        ["-d", '{"text": "The build is green."}'],
        ["-H", "content-type:", "-d", '{"text": "The build is green."}'],
        ["-H", "content-type: application/json", "-d", '{"text": "The build is green."}'],
        ["--json", '{"text": "The build is green."}'],
        ["-d", 'payload={"text": "The build is green."}'],
        ["--data-urlencode", 'payload={"text": "The build is green."}'],
        ["--data-urlencode", "text=The build is green."],
        ["-F", 'payload={"text": "The build is green."}'],
        ["-F", "text=The build is green."],
        ["-F", 'payload={"text": "The build is green."};type=application/json'],
    ],
)
async def test_curl_in_each_of_its_forms_posts_one_line(place: Place, arguments: list[str]) -> None:
    said = await asyncio.to_thread(curl, *arguments, f"{place.house.url}/hooks/{place.token}")

    [post] = await place.posts()
    assert said == "ok 200"
    assert post["body"] == "The build is green."


@pytest.mark.tools
async def test_curl_sends_what_a_pipe_says_line_breaks_and_all(
    place: Place, tmp_path: Path
) -> None:
    report = tmp_path / "report.txt"
    report.write_text("disk: 91 %\nload: 3+1 & rising\n")

    said = await asyncio.to_thread(
        curl, "--data-binary", f"@{report}", f"{place.house.url}/hooks/{place.token}"
    )

    [post] = await place.posts()
    assert said == "ok 200"
    assert post["body"] == "disk: 91 %\nload: 3+1 & rising"


def apprise(*addresses: str) -> int:
    """Notify with apprise's own program; return its exit code."""
    program = [sys.executable, "-c", "from apprise.cli import main; main()"]
    said = ["--title=Backup", "--body=All done.", *addresses]
    return subprocess.run([*program, *said], capture_output=True, check=False).returncode


BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Done* <https://a.example|log>"}}]
ATTACHMENTS = [{"color": "good", "title": "Build", "text": "Passed", "fallback": "Build passed"}]


async def test_slacks_own_client_is_told_ok(place: Place) -> None:
    client = WebhookClient(f"{place.house.url}/hooks/{place.token}", timeout=10)

    answers = [
        await asyncio.to_thread(client.send, text="Hello &amp; <https://a.example|link>"),
        await asyncio.to_thread(client.send, text="fallback", blocks=BLOCKS),
        await asyncio.to_thread(client.send, attachments=ATTACHMENTS),
    ]
    refused = await asyncio.to_thread(client.send, text="")

    assert {(answer.status_code, answer.body) for answer in answers} == {(200, "ok")}
    assert (refused.status_code, refused.body) == (400, "no_text")
    assert [post["body"] for post in await place.posts()] == [
        "Hello & link (https://a.example)",
        "*Done* log (https://a.example)",
        "Build\nPassed",
    ]


async def test_slacks_own_asynchronous_client_is_told_ok(place: Place) -> None:
    client = AsyncWebhookClient(f"{place.house.url}/hooks/{place.token}", timeout=10)
    stranger = AsyncWebhookClient(f"{place.house.url}/hooks/clc_{'x' * 43}", timeout=10)

    answer = await client.send(text="Hello", blocks=BLOCKS, attachments=ATTACHMENTS)
    refused = await stranger.send(text="Hello")

    [post] = await place.posts()
    assert (answer.status_code, answer.body) == (200, "ok")
    assert (refused.status_code, refused.body) == (403, "invalid_token")
    assert post["body"] == "*Done* log (https://a.example)\nBuild\nPassed"


async def test_apprise_notifies_through_its_own_services(place: Place) -> None:
    door = f"{urlsplit(place.house.url).netloc}"
    addresses = [
        f"mmost://{door}/{place.token}",
        f"mmost://Nightly@{door}/{place.token}?channel=other",
        f"json://{door}/hooks/{place.token}",
        f"form://{door}/hooks/{place.token}",
    ]

    code = await asyncio.to_thread(apprise, *addresses)
    refused = await asyncio.to_thread(apprise, f"mmost://{door}/clc_{'x' * 43}")

    posts = await place.posts()
    assert (code, refused) == (0, 1)
    assert {post["body"] for post in posts} == {"Backup\nAll done."}
    labels = sorted(post.get("label") or "" for post in posts)
    assert labels == ["", "", "Apprise", "Nightly"]


@pytest.mark.tools
async def test_alertmanagers_documented_request_is_taken_as_it_is(place: Place) -> None:
    labels = {"alertname": "Down", "instance": "web1"}
    group = {
        "version": "4",
        "groupKey": "{}:{}",
        "status": "firing",
        "receiver": "r",
        "groupLabels": {"alertname": "Down"},
        "commonLabels": labels,
        "commonAnnotations": {"summary": "web1 is down"},
        "externalURL": "http://alertmanager.example",
        "alerts": [{"status": "firing", "labels": labels, "annotations": {}}],
    }

    said = await asyncio.to_thread(
        curl,
        *("-H", "user-agent: Alertmanager/0.28", "-H", "content-type: application/json"),
        *("--data-binary", json.dumps(group), f"{place.house.url}/hooks/{place.token}"),
    )

    [post] = await place.posts()
    assert said == "ok 200"
    assert post["body"] == "[FIRING:1] Down\nweb1 is down"
