"""Promise 9: logs, metrics and traces carry no content, address, name or token.

A word that stands in everything that is anybody's business but theirs is taken through every path
of a real process, at its most talkative; then everything that it wrote beside its data is searched.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from server.app import _routes
from server.gateway.connect import Connect, ConnectReader
from server.parts import compose
from server.protocol.commands import AnyCommand
from server.settings import Settings
from tests import files
from tests.house import CHEAP
from tests.people import Person, Refused, call_http, sign_in
from tests.process import ROOT, process
from tests.promises.test_09_egress import (
    CANARY,
    PASSWORD,
    Scene,
    _shout,
    furnish,
    http,
    main_job,
)

#: What the process may write to, beside its data.
WRITTEN = ("stderr.log", "spans.jsonl", "temporary")

#: A password that is accepted: it must not hold the canary, which stands in name and address.
STRONG = "Zq7#vLp9 over tumbrels"


def paths(folder: Path) -> list[tuple[str, str]]:
    """Return every method and path that HTTP answers, with the canary in what varies."""
    parts = compose(Settings(data_dir=folder, **CHEAP))
    nobody: Any = None
    try:
        people, bots = (
            Connect(parts.services, nobody, parts.links, (), bots=bots) for bots in (False, True)
        )
        readers = ConnectReader(parts.services, nobody, parts.links, ())
        routes = _routes(parts, people, bots, readers)
    finally:
        parts.passwords.close()
        asyncio.run(parts.database.close())
    return [
        (method, re.sub(r"\{\w+\}", CANARY, route.path))
        for route in routes
        for method in sorted(route.methods or ())
    ]


FORM = "application/x-www-form-urlencoded"
#: A request of each tool that the hooks know, and of some that they do not.
HOOKS: list[tuple[Any, dict[str, str]]] = [
    ({"text": CANARY, "blocks": [{"type": "section", "text": {"text": CANARY}}]}, {}),
    ({"attachments": [{"title": CANARY, "fields": [{"title": CANARY, "value": CANARY}]}]}, {}),
    ({"ref": CANARY, "commits": [{"message": CANARY}]}, {"x-github-event": "push"}),
    ({"action": CANARY, "pull_request": {"title": CANARY}}, {"x-github-event": "pull_request"}),
    ({"ref": CANARY, "pusher": {"login": CANARY}}, {"x-gitea-event": "push"}),
    ({"version": "4", "alerts": [{"labels": {"alertname": CANARY}}], "status": CANARY}, {}),
    ({"specversion": "1.0", "type": CANARY, "source": CANARY, "id": CANARY, "data": CANARY}, {}),
    (CANARY.encode(), {"ce-specversion": "1.0", "ce-type": CANARY, "ce-source": CANARY}),
    (b"payload=%7B%22text%22%3A%22canary%22%7D", {"content-type": FORM}),
    (
        b'--canary\r\nContent-Disposition: form-data; name="text"; filename="canary"\r\n\r\n'
        + CANARY.encode() * 200_000
        + b"\r\n--canary--\r\n",
        {"content-type": "multipart/form-data; boundary=canary"},
    ),
    (b"\xff" + CANARY.encode(), {"content-type": f"text/{CANARY}"}),
    (CANARY.encode() * 300_000, {}),
]  # fmt: skip


async def every_route(url: str, scene: Scene, routes: list[tuple[str, str]]) -> None:
    """Ask every route, badly, well-formed and too much, with the canary in each place."""
    said: dict[str, Any] = dict.fromkeys(
        ("organisation", "address", "name", "invitation", "code", "token"), CANARY
    )
    passwords = {"password": PASSWORD, "new_password": f"{PASSWORD} of tomorrow"}
    bodies: tuple[Any, ...] = (said, said | passwords, CANARY.encode(), CANARY.encode() * 50_000)
    for method, path in routes:
        for body in bodies if method == "POST" else (None,):
            for authorization in (f"Bearer {scene.token[:-1]}x", f"{CANARY} {CANARY}"):
                status = await http(
                    url,
                    method,
                    f"{path}?{CANARY}={CANARY}",
                    body,
                    authorization=authorization,
                    cookie=f"__Host-cloison={CANARY}",
                    origin=f"https://{CANARY}.example",
                    user_agent=CANARY,
                )
                assert status < 500, (method, path)


async def second_factor(url: str, scene: Scene) -> str:
    """Set up a second factor, well and badly; return its secret."""
    proof = {"organisation": CANARY, "address": scene.address, "password": PASSWORD}
    status, _, answer = await asyncio.to_thread(
        call_http, url, "POST", "/v1/second-factor", body=proof
    )
    assert status == 200
    for code in (CANARY, "000000"):
        assert await http(url, "POST", "/v1/second-factor/confirm", proof | {"code": code}) >= 400
    return str(json.loads(answer)["secret"])


async def every_command(url: str, scene: Scene) -> None:
    """Send every command there is, with the canary in each of its fields, in both encodings."""
    for encoding in ("msgpack", "json"):
        async with Person(url, scene.token, encoding=encoding) as ana:
            made = await ana.call("create", name=f"{CANARY} to be left")
            for kind in AnyCommand.__args__:
                tag = str(kind.__struct_config__.tag)
                fields = [name for name in kind.__struct_fields__ if name != "id"]
                for values in (CANARY, made["sphere"]["sphere"], 1, [CANARY], {CANARY: CANARY}):
                    with suppress(Refused):
                        await ana.call(tag, **dict.fromkeys(fields, values))
                with suppress(Refused):
                    await ana.call(tag, **{CANARY: CANARY})
            await ana.refusal(CANARY, sphere=scene.sphere)
            await conduct(ana, scene)


async def every_reader(url: str, scene: Scene) -> None:
    """Read without an account, in vain."""
    for sphere in (CANARY, scene.sphere):
        reader = await Person(url, None, encoding="json").connect("/v1/read")
        await reader.refusal("hello", sphere=sphere)
        await reader.refusal(CANARY, sphere=sphere)
        await reader.close()


async def conduct(ana: Person, scene: Scene) -> None:
    """Do well what the canary can be said in."""
    made = await ana.call("create", name=f"{CANARY} too")
    sphere = made["sphere"]["sphere"]
    await ana.call("configure", sphere=sphere, revision=1, name=f"{CANARY} three")
    await ana.call("invite", sphere=sphere, address=f"{CANARY}@nowhere.example")
    await ana.call("invite_visitor", sphere=sphere, address=f"{CANARY}@guest.example")
    await ana.call("install_connector", sphere=sphere, name=f"{CANARY} bot")
    with suppress(Refused):  # it is allowed now and then
        await ana.call("rename", name=f"{CANARY} again")
    await ana.call("describe", field="about", value=CANARY, visibility="organisation")
    await ana.call("subscribe", sphere=sphere)
    await ana.post(sphere, CANARY, revision=2)
    await ana.refusal("post", sphere=sphere, revision=9, client_id=CANARY * 2, body=CANARY)
    said = f"{CANARY}.txt", f"text/{CANARY}", CANARY.encode() * 60_000
    _, file = await files.share(ana, sphere, said[2], name=said[0], media_type=said[1], revision=2)
    assert (await files.fetch(ana.url, ana.token, file))[0] == 200
    await ana.call("leave", sphere=sphere)


async def in_private(url: str, scene: Scene) -> str:
    """Post, edit, react and delete, in a sphere and in a thread; return the thread's id."""
    async with Person(url, scene.token) as ana, Person(url, scene.other, encoding="json") as bob:
        thread = await bob.converse(scene.sphere, ana.me)
        for person in (ana, bob):
            for place in ({}, {"thread": thread}):
                posted = (
                    await person.whisper(scene.sphere, thread, CANARY)
                    if place
                    else await person.post(scene.sphere, CANARY)
                )
                about: dict[str, Any] = place | {"sphere": scene.sphere}
                about["message"] = posted["seq"]
                words = {"sealed": person.sealed(f"{CANARY} more")} if place else {"body": CANARY}
                await person.call("edit", revision=1, **about, **(words | {"scheme": "plain"}))
                await person.refusal("edit", revision=1, **about | {"message": CANARY}, **words)
                await person.call("react", reaction="\N{BIRD}", **about)
                with suppress(Refused):  # it is no single sign, perhaps
                    await person.call("react", reaction=CANARY, **about)
                await person.call("delete", **about)
            await person.send_raw(
                b"\x81\xa4type\xa6canary" if person is ana else '{"canary": canary'
            )
            await person.send_raw(CANARY if person is ana else CANARY.encode())
        return thread


async def every_file(url: str, scene: Scene) -> str:
    """Share files in a sphere and in a thread, well and badly, and fetch them; return an id."""
    data, named = CANARY.encode() * 20_000, {"name": f"{CANARY}.txt", "media_type": "text/canary"}
    async with Person(url, scene.token) as ana, Person(url, scene.other) as bob:
        thread = await ana.converse(scene.sphere, bob.me)
        for place in ({}, {"thread": thread}):
            _, attachment = await files.share(ana, scene.sphere, data, **place, **named)
            status, _, body = await files.fetch(url, bob.token, attachment)
            assert (status, body) == (200, data)
        waiting = await files.announce(ana, scene.sphere, 9, **named)
        for person, wrong in ((ana, CANARY), (ana, waiting), (bob, waiting)):
            status, _, _ = await files.put(person, wrong, data)
            assert 400 <= status < 500
        assert (await files.fetch(url, CANARY, attachment))[0] == 401
    return attachment


async def every_hook(url: str, scene: Scene) -> None:
    for body, headers in HOOKS:
        status, _, _ = await asyncio.to_thread(
            call_http, url, "POST", f"/hooks/{scene.connector}", body=body, headers=headers
        )
        assert status in {200, 202, 400, 413}, headers


async def administration(folder: Path) -> tuple[str, str]:
    """Administer beside the server; return what was said on standard error, and an invitation."""
    (folder / "bad.csv").write_text(f"address,role\n{CANARY} at two,{CANARY}\n")
    said, invitation = [], ""
    for words in (
        ["member", "invite", CANARY, f"{CANARY}@three.example"],
        ["member", "import", CANARY, str(folder / "bad.csv")],
    ):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "server", *words, "--data-dir", str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        said.append(done.stderr)
        if words[:2] == ["member", "invite"]:
            invitation = done.stdout.split()[-1]
    return "".join(said), invitation


async def admission(url: str, scene: Scene, invitation: str) -> list[str]:
    """Accept an invitation, and change a password; return the secrets in it."""
    guest = {"invitation": invitation, "address": f"{CANARY}@three.example", "name": CANARY}
    for password, status in ((CANARY, 400), (STRONG, 200), (STRONG, 401)):
        answer = await http(url, "POST", "/v1/accept", guest | {"password": password})
        assert answer == status
    claim = {"organisation": CANARY, "address": guest["address"]}
    for password in (CANARY, STRONG):
        change = claim | {"password": password, "new_password": f"{STRONG} of tomorrow"}
        await http(url, "POST", "/v1/password", change)
    token = await sign_in(url, CANARY, guest["address"], f"{STRONG} of tomorrow")
    return [invitation, token, STRONG]


def listed(process: int) -> str:
    """Return what a list of processes shows of one: its command line, its threads' names."""
    place = Path("/proc") / str(process)
    names = [*place.glob("task/*/comm"), place / "cmdline"]
    return "".join(f"{name.read_text()}\n" for name in names)


async def metrics(folder: Path) -> str:
    """Return what is read on the port of metrics, which the log tells."""
    lines = [json.loads(line) for line in (folder / "stderr.log").read_text().splitlines()]
    (port,) = [line["port"] for line in lines if line["event"] == "metrics_served"]
    status, _, body = await asyncio.to_thread(
        call_http, f"http://127.0.0.1:{port}", "GET", "/metrics"
    )
    assert status == 200
    return body.decode()


def written(folder: Path) -> Iterator[str]:
    """Yield what the process wrote beside its data, file by file."""
    for name in WRITTEN:
        place = folder / name
        for file in [place] if place.is_file() else place.rglob("*"):
            yield f"{file}\n{file.read_bytes().decode(errors='replace')}"


#: Bounds that would have refused what is to be tried.
WIDE = {
    "METRICS_PORT": "0",
    "SIGN_INS_PER_MINUTE_PER_SOURCE": "10000",
    "SIGN_IN_FAILURES_PER_MINUTE": "10000",
    "CONNECTOR_POSTS_BURST": "10000",
}


def check_silence(said: list[str], folder: Path, secrets: list[str]) -> None:
    """Fail when anything of anybody's is in what was said."""
    everything = "".join([*said, *written(folder)]).replace(str(folder), "")
    assert "failed" in everything  # something went wrong, and was said
    for word in (CANARY, *secrets):
        found = re.search(f".{{0,200}}{re.escape(word)}.{{0,50}}", everything, re.IGNORECASE)
        assert found is None, found
    assert "Traceback" not in everything
    assert "127.0.0.1" not in "".join(written(folder))


@pytest.mark.embedded
async def test_a_word_goes_through_every_path_and_is_written_nowhere_beside_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    routes = await asyncio.to_thread(paths, tmp_path)
    scene = await furnish(tmp_path)
    (tmp_path / "temporary").mkdir()
    spans = {"LOG_LEVEL": "debug", "TRACES_FILE": str(tmp_path / "spans.jsonl")}
    async with process(tmp_path, **WIDE, **spans) as server:
        thread = await in_private(server.url, scene)
        file = await every_file(server.url, scene)
        await main_job(server.url, scene)
        await every_route(server.url, scene, routes)
        await every_command(server.url, scene)
        await every_reader(server.url, scene)
        await every_hook(server.url, scene)
        beside, invitation = await administration(tmp_path)
        tokens = await admission(server.url, scene, invitation)
        secret = await second_factor(server.url, scene)
        await _shout(server.url, b"POST /v1/sign-in HTTP/1.1\r\ncanary: " + b"canary" * 10_000)
        said = [beside, await metrics(tmp_path), listed(server.process.pid)]
        await break_the_store(server.url, scene, tmp_path)
        said.append(await metrics(tmp_path))
        code = await server.stop()

    assert code == 0
    assert (tmp_path / "spans.jsonl").stat().st_size > 100_000
    scenery = [scene.token, scene.other, scene.connector, scene.sphere]
    check_silence([*said, *server.said], tmp_path, [*scenery, *tokens, secret, thread, file])


@pytest.mark.embedded
@pytest.mark.parametrize("level", ["info", "error"])
async def test_nor_is_it_at_other_levels_over_plain_asgi(tmp_path: Path, level: str) -> None:
    scene = await furnish(tmp_path)
    settings = {"LOG_LEVEL": level, "FAST_LINKS": "false", **WIDE}
    async with process(tmp_path, **settings) as server:
        thread = await in_private(server.url, scene)
        await main_job(server.url, scene)
        await break_the_store(server.url, scene, tmp_path)
        said = [listed(server.process.pid)]
        await server.stop()

    scenery = [scene.token, scene.other, scene.connector, scene.sphere, thread]
    check_silence([*said, *server.said], tmp_path, scenery)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://u:{}@127.0.0.1:1/{}"),
        ("DATABASE_URL", "postgresql://u:{}@127.0.0.1:port/{}"),
        ("BROKER_URL", "amqp://u:{}@127.0.0.1/{}"),
        ("PORT", "{}"),
    ],
)
def test_a_start_that_fails_quotes_no_setting(tmp_path: Path, name: str, url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server", "serve", "--data-dir", str(tmp_path)],
        cwd=ROOT,
        env={"CLOISON_PORT": "0", f"CLOISON_{name}": url.format(CANARY, CANARY)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode in {1, 2}
    assert done.stderr
    assert CANARY not in done.stderr + done.stdout


async def test_a_process_that_is_aborted_shows_where_it_was_and_not_what_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await furnish(tmp_path)
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    async with process(tmp_path, LOG_LEVEL="debug") as server:
        await main_job(server.url, scene)
        async with Person(server.url, scene.token) as ana:
            await ana.post(scene.sphere, CANARY)
            await server.stop(signal.SIGABRT)

    shown = (tmp_path / "stderr.log").read_text()
    assert "Fatal Python error: Aborted" in shown
    assert CANARY not in shown.replace(str(tmp_path), "")


async def break_the_store(url: str, scene: Scene, folder: Path) -> None:
    """Let what is stored become unreadable, then be gone, under the server's feet."""
    async with Person(url, scene.token, encoding="json") as ana:
        _vandalise(folder, "UPDATE event SET content = CAST('canary' AS BLOB)")
        with suppress(Refused, ConnectionError):
            await ana.history(scene.sphere)
    async with Person(url, scene.token) as ana:
        _vandalise(folder, "DROP TABLE event")
        with suppress(Refused, ConnectionError):
            await ana.post(scene.sphere, f"{CANARY} lost")
        assert await http(url, "POST", f"/hooks/{scene.connector}", {"text": CANARY}) == 503
        _vandalise(folder, "DROP TABLE stay")
        with suppress(Refused, ConnectionError):
            await ana.history(scene.sphere)


def _vandalise(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "cloison.sqlite3", isolation_level=None) as database:
        database.execute("PRAGMA foreign_keys=off")
        database.execute(statement)
    database.close()


_CAUGHT_BY_A_LIBRARY = """
import logging
try: int('canary')
except ValueError: logging.getLogger('uvicorn.error').exception('failed')
"""
_IN_A_CALLBACK = """
async def go(canary='canary'):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.on_loop_exception)
    loop.call_soon(int, 'canary')
    await asyncio.sleep(0)
asyncio.run(go())
"""


@pytest.mark.parametrize(
    "crash",
    [
        "raise ValueError('canary')",
        "import threading; t = threading.Thread(target=int, args=('canary',)); t.start(); t.join()",
        _CAUGHT_BY_A_LIBRARY,
        "class C:\n    def __del__(self): int('canary')\nC()",
        _IN_A_CALLBACK,
    ],
)
def test_crash_output_names_the_error_and_not_what_was_being_handled(crash: str) -> None:
    program = f"import asyncio\nfrom server import logs\nlogs.configure('debug')\n{crash}"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert "ValueError" in done.stderr
    assert CANARY not in done.stderr + done.stdout
    for line in done.stderr.splitlines():
        json.loads(line)
