"""Promise 9: data does not leave. Proven from outside the process, by strace.

It must be there: where it is not, the promise is not proven, and the test fails. What is written
down beside the data is searched in ``test_09_silence.py``.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from sqlalchemy import make_url

from server.egress import EgressRefused, Endpoint, Guard
from tests import engines
from tests.house import serving
from tests.people import PATIENCE_S, Person, Refused, call_http, sign_in
from tests.process import ROOT, Running

STRACE = ["--follow-forks", "--seccomp-bpf", "--trace=connect,sendto,sendmsg,sendmmsg"]
#: What a system call names when it goes somewhere: an address of whatever family.
_DESTINATION = re.compile(r"sa_family=(?!AF_UNSPEC)\w+")
#: In everything that is anybody's business but ours.
CANARY = "canary"
PASSWORD = f"{CANARY}-horse-battery-staple-9"


class Scene(msgspec.Struct):
    """People, a sphere, a connector and the secrets of all of them."""

    address: str
    sphere: str
    token: str
    other: str
    connector: str


async def furnish(folder: Path) -> Scene:
    async with serving(folder) as house:
        organisation = await house.organisation(CANARY)
        ana = await house.resident(organisation, f"{CANARY}-ana", password=PASSWORD)
        bob = await house.resident(organisation, f"{CANARY}-bob")
        sphere = await house.sphere(ana, bob, name=f"{CANARY} sphere")
        return Scene(
            address=ana.address,
            sphere=sphere,
            token=await house.token(ana),
            other=await house.token(bob),
            connector=await house.connector(sphere, ana, name=f"{CANARY} bot"),
        )


@asynccontextmanager
async def watched(folder: Path, **more: str) -> AsyncIterator[Running]:
    """Run the server at its most talkative under strace, which writes to ``folder/trace``."""
    strace = shutil.which("strace")
    assert strace is not None, "install strace: without it this promise is not proven"
    settings = {"PORT": "0", "DATA_DIR": str(folder), "LOG_LEVEL": "debug"}
    settings |= {"ARGON2_MEMORY_KIB": "19456", "ARGON2_TIME": "2", "ARGON2_LANES": "1"}
    settings |= {name.upper(): value for name, value in engines.settings(folder).items()}
    settings |= more
    with (folder / "stderr.log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            strace,
            *STRACE,
            f"--output={folder / 'trace'}",
            *(sys.executable, "-m", "server", "serve"),
            cwd=ROOT,
            env=os.environ | {f"CLOISON_{name}": value for name, value in settings.items()},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    running = Running(started, "", [])
    try:
        line = await running.line("serves on")
        running.url = re.findall(r"http://\S+", line)[0]
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)  # strace passes none on to what it runs
        await asyncio.wait_for(started.wait(), PATIENCE_S)
        assert started.stdout is not None
        running.said.append((await started.stdout.read()).decode())


async def http(url: str, method: str, path: str, body: Any = None, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, _, _ = await asyncio.to_thread(call_http, url, method, path, body=body, headers=named)
    return status


async def main_job(url: str, scene: Scene) -> None:
    """Do what a server is for, well and badly, with the canary everywhere."""
    await accounts(url, scene)
    await connectors(url, scene)
    await conversation(url, scene)


async def accounts(url: str, scene: Scene) -> None:
    token = await sign_in(url, CANARY, scene.address, PASSWORD)
    with pytest.raises(Refused):
        await sign_in(url, CANARY, scene.address, f"{CANARY}-wrong-password")
    with pytest.raises(Refused):
        await sign_in(url, CANARY, f"{CANARY}@nowhere.example", PASSWORD)
    assert await http(url, "POST", "/v1/sign-in", b'{"address": "canary') == 400
    assert await http(url, "POST", "/v1/sign-out", authorization=f"Bearer {token}") == 204
    assert await http(url, "GET", f"/{CANARY}?token={scene.token}") == 404


async def connectors(url: str, scene: Scene) -> None:
    hook = f"/hooks/{scene.connector}"
    links = {
        "text": f"{CANARY} <https://{CANARY}.example/page>",
        "username": f"{CANARY} label",
        "icon_url": f"https://{CANARY}.example/icon.png",
        "attachments": [
            {"image_url": "http://192.0.2.1/image.png", "thumb_url": "http://[2001:db8::1]/"}
        ],
        "response_url": f"https://{CANARY}.example/callback",
    }
    event = {"specversion": "1.0", "type": CANARY, "source": "http://192.0.2.1/", "id": "1"}
    assert await http(url, "POST", hook, links) == 200
    assert await http(url, "POST", hook, event) == 200
    assert await http(url, "POST", hook, {"issue": {"title": CANARY}}, x_github_event="x") == 200
    assert await http(url, "POST", hook, b'{"text": "canary') == 400
    assert await http(url, "POST", hook, CANARY.encode() + b"\xff") == 400
    assert await http(url, "POST", f"/hooks/{CANARY}", links) == 403
    bearer = f"Bearer {scene.connector}"
    assert await http(url, "POST", "/v1/bring", CANARY.encode(), authorization=bearer) == 202
    bot = await Person(url, scene.connector, encoding="json").connect("/v1/bring")
    await bot.call("hello", token=scene.connector)
    await bot.call("bring", body=f"{CANARY} by bot")
    await bot.close()


async def conversation(url: str, scene: Scene) -> None:
    async with Person(url, scene.token) as ana, Person(url, scene.other) as bob:
        await bob.call("subscribe", sphere=scene.sphere)
        await ana.post(scene.sphere, f"{CANARY} said")
        await bob.event("message_posted", body=f"{CANARY} said")
        await ana.refusal("post", sphere=CANARY, revision=1, client_id=CANARY * 2, body=CANARY)
        await ana.send_raw(b"\xc1" + CANARY.encode())
        await ana.history(scene.sphere)
        await bob.call("leave", sphere=scene.sphere)
    talker = await Person(url, scene.token, encoding="json").connect()
    await talker.send_raw('{"type": "canary"')
    await talker.send_raw(CANARY * 100_000)
    assert await talker.closed() == 1009
    await _shout(url, b"GET /canary HTTP/9.9\r\nhost: canary\xff\r\n\r\n")
    await _shout(url, b"\x16\x03\x01canary" * 100)


async def _shout(url: str, data: bytes) -> None:
    """Send what is no HTTP, and wait for the server to hang up."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    with suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()


def destinations(trace: Path) -> list[str]:
    """Return the system calls that went somewhere."""
    return [line for line in trace.read_text().splitlines() if _DESTINATION.search(line)]


@pytest.mark.tools
async def test_the_whole_main_job_opens_no_connection_to_anywhere(tmp_path: Path) -> None:
    scene = await furnish(tmp_path)
    async with watched(tmp_path) as server:
        await main_job(server.url, scene)

    assert server.process.returncode == 0
    assert (tmp_path / "trace").stat().st_size > 0
    assert [line for line in destinations(tmp_path / "trace") if not _is_of(line, tmp_path)] == []


@pytest.mark.tools
@pytest.mark.clustered
async def test_one_node_of_several_connects_to_its_database_and_its_broker_alone(
    tmp_path: Path, redis_url: str
) -> None:
    scene = await furnish(tmp_path)
    async with watched(tmp_path, BROKER_URL=redis_url, DEAF_AFTER_S="10") as server:
        async with asyncio.timeout(PATIENCE_S):
            while await http(server.url, "GET", "/readyz") != 200:  # noqa: ASYNC110  # over HTTP
                await asyncio.sleep(0.05)
        await main_job(server.url, scene)
    broker = f"sin_port=htons({urlsplit(redis_url).port})"
    beside = [one for one in destinations(tmp_path / "trace") if not _is_of(one, tmp_path)]

    assert [one for one in beside if broker in one]
    assert [one for one in beside if broker not in one] == []


def _is_of(line: str, folder: Path) -> bool:
    """Say whether a system call goes to the database that the server was told of.

    Its library asks the system, on this machine, who runs it.
    """
    told = engines.settings(folder).get("database_url")
    places = ("/nscd/socket", str(make_url(told).query["host"])) if told is not None else ()
    return any(place in line for place in places)


@pytest.mark.tools
def test_the_watch_sees_a_connection_where_there_is_one(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    attempts = (
        f"import socket; socket.create_connection(('127.0.0.1', {port}))\n"
        f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))\n"
        "import asyncio, uvloop\n"
        "async def go():\n"
        f"    await asyncio.get_running_loop().create_connection(asyncio.Protocol, '127.0.0.1',"
        f" {port})\n"
        "uvloop.run(go())\n"
    )
    trace = tmp_path / "trace"

    with listener:
        subprocess.run(
            ["strace", *STRACE, f"--output={trace}", sys.executable, "-c", attempts], check=True
        )

    assert [f"htons({port})" in line for line in destinations(trace)] == [True] * 3


WAYS_OUT = (
    "socket.create_connection(('192.0.2.1', 443), timeout=1)",
    "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.1', 53))",
    "socket.socket(socket.AF_UNIX).connect('/run/nobody')",
    "socket.getaddrinfo('stranger.example', 443)",
    "socket.gethostbyname('stranger.example')",
    "urllib.request.urlopen('http://192.0.2.1/')",
    "subprocess.run(['true'])",
    "os.system('true')",
    "os.fork()",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "os.execv('/bin/true', ['true'])",
    "run(lambda loop: loop.create_connection(asyncio.Protocol, '192.0.2.1', 443))",
    "run(lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol))",
    "run(lambda loop: loop.create_unix_connection(asyncio.Protocol, '/run/nobody'))",
    "run(lambda loop: loop.getaddrinfo('stranger.example', 443))",
    "run(lambda loop: loop.sock_connect(socket.socket(), ('192.0.2.1', 443)))",
    "run(lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, 'true'))",
)
_TRY_ALL = """
import asyncio, os, socket, subprocess, sys, urllib.request
from server import egress
egress.install()
def run(go):
    async def main(): await go(asyncio.get_running_loop())
    with asyncio.Runner(loop_factory=egress.loop_factory) as runner:
        runner.run(main())
for attempt in sys.argv[1:]:
    try:
        eval(attempt)
    except OSError as error:
        cause = getattr(error, "reason", error)
        assert isinstance(cause, egress.EgressRefused), attempt
    else:
        raise AssertionError(attempt)
"""


def test_the_guard_refuses_every_way_out_that_python_code_has() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRY_ALL, *WAYS_OUT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("egress_refused") == len(WAYS_OUT)
    assert "stranger" not in done.stdout


def test_what_is_configured_may_be_reached_and_its_neighbours_may_not() -> None:
    guard = Guard([Endpoint("localhost", 6379)])
    allowed: list[tuple[str, tuple[Any, ...]]] = [
        ("socket.connect", (None, ("127.0.0.1", 6379))),
        ("socket.sendmsg", (None, None)),
        ("socket.getaddrinfo", ("localhost", 6379, 0, 0, 0)),
        ("socket.getaddrinfo", (None, 80, 0, 0, 0)),
        ("socket.getaddrinfo", (b"192.0.2.1", 80, 0, 0, 0)),
        ("socket.bind", (None, ("127.0.0.1", 1))),
        ("open", ("/etc/hosts", "r", 0)),
    ]
    for event, arguments in allowed:
        guard(event, arguments)

    refused: list[Callable[[], None]] = [
        lambda: guard("socket.connect", (None, ("127.0.0.1", 6380))),
        lambda: guard("socket.connect", (None, ("192.0.2.1", 6379))),
        lambda: guard("socket.connect", (None, "/run/nobody")),
        lambda: guard("socket.getnameinfo", (("stranger.example", 80),)),
    ]
    for attempt in refused:
        with pytest.raises(EgressRefused):
            attempt()
