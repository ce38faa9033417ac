"""Questions: pairs that must have one answer, and take as long."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests import files
from tests.house import PASSWORD, House, serving
from tests.process import ROOT
from tests.timing.line import Line
from tests.timing.samples import Verdict, judged, taken

#: So that nothing but the answer is measured: none of them is ever too fast, and nobody is pinged.
FAST = {
    "SIGN_INS_PER_MINUTE_PER_SOURCE": "1000000000",
    "SIGN_IN_FAILURES_PER_MINUTE": "1000000000",
    "COMMANDS_PER_SECOND": "1000000000",
    "COMMANDS_BURST": "1000000000",
    "POSTS_PER_SECOND": "1000000000",
    "REFUSALS_MAX": "1000000000",
    "PING_INTERVAL_S": "86400",
}
#: The cheapest hash that the settings allow: what is around it shows the more.
CHEAP_HASH = {"ARGON2_MEMORY_KIB": "19456", "ARGON2_TIME": "2", "ARGON2_LANES": "1"}
#: Asked before anything is measured, so that both ways are warm.
WARM_UP = 20
#: Every operation of an outsider that names a sphere.
OPERATIONS: dict[str, dict[str, Any]] = {
    "subscribe": {},
    "history": {},
    "post": {"revision": 1, "client_id": "probe-0001", "body": "hello?"},
    "configure": {"revision": 1, "name": "Mine"},
    "invite": {"member": "b" * 26},
    "invite_visitor": {"address": "nobody@nowhere.example"},
    "decline": {},
    "join": {},
    "leave": {},
    "remove": {"member": "b" * 26},
    "appoint": {"member": "b" * 26},
    "bequeath": {"form": "named"},
    "install_connector": {"name": "Spy"},
    "revoke_connector": {"connector": "c" * 26},
    "profile": {"member": "b" * 26},
    "describe": {"field": "title", "visibility": "hidden"},
    "attach": {"size": 5},
}


def sign_in(folder: Path, rounds: int, draw: random.Random) -> Iterator[tuple[str, Verdict]]:
    """Yield the verdict on a known address against an unknown one, with a wrong password."""
    known = asyncio.run(_residents(folder))
    with _served(folder) as url:
        where = urlsplit(url)
        assert where.hostname is not None
        line = http.client.HTTPConnection(where.hostname, where.port)

        def ask(address: str) -> None:
            body = {"organisation": "acme", "address": address, "password": "a wrong password"}
            line.request("POST", "/v1/sign-in", json.dumps(body).encode())
            response = line.getresponse()
            assert response.status == 401, response.status  # refused
            response.read()

        unknown = f"ana.{secrets.token_hex(4)}@example.org"
        pair = (lambda: ask(known)), (lambda: ask(unknown))
        taken(*pair, WARM_UP, draw)
        yield "sign-in", judged(taken(*pair, rounds, draw), draw)
        line.close()


def invisible(folder: Path, rounds: int, draw: random.Random) -> Iterator[tuple[str, Verdict]]:
    """Yield the verdict on an invisible sphere against none at all, for each operation."""
    sphere, token = asyncio.run(_outsider(folder))
    with _served(folder) as url:
        line = Line(url, token)
        nothing = _absent()
        for kind, fields in OPERATIONS.items():
            there = line.frame(kind, sphere=sphere, **fields)
            nowhere = line.frame(kind, sphere=nothing, **fields)
            assert b'"not_found"' in line.exchange(there), kind

            def ask_there(frame: bytes = there) -> bytes:
                return line.exchange(frame)

            def ask_nowhere(frame: bytes = nowhere) -> bytes:
                return line.exchange(frame)

            taken(ask_there, ask_nowhere, WARM_UP, draw)
            yield kind, judged(taken(ask_there, ask_nowhere, rounds, draw), draw)
        line.close()


def file(folder: Path, rounds: int, draw: random.Random) -> Iterator[tuple[str, Verdict]]:
    """Yield the verdict on a file of an invisible sphere against none at all."""
    attachment, token = asyncio.run(_stranger(folder))
    with _served(folder) as url:
        where = urlsplit(url)
        assert where.hostname is not None
        line = http.client.HTTPConnection(where.hostname, where.port)

        def ask(wanted: str) -> None:
            headers = {"authorization": f"Bearer {token}"}
            line.request("GET", f"/v1/attachments/{wanted}", headers=headers)
            response = line.getresponse()
            assert response.status == 404, response.status
            response.read()

        nothing = _absent()
        pair = (lambda: ask(attachment)), (lambda: ask(nothing))
        taken(*pair, WARM_UP, draw)
        yield "file", judged(taken(*pair, rounds, draw), draw)
        line.close()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Run the server in a process of its own; yield its address."""
    chosen = {"PORT": "0", "DATA_DIR": str(folder), **CHEAP_HASH, **FAST}
    environment = os.environ | {f"CLOISON_{name}": value for name, value in chosen.items()}
    command = [sys.executable, "-m", "server", "serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            line = next(line for line in server.stdout if b"serves on" in line)
            yield re.findall(r"https?://\S+", line.decode())[0]
        finally:
            server.terminate()


def _absent() -> str:
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(26))


async def _residents(folder: Path) -> str:
    """Make an organisation of a hundred; return the address of one."""
    async with serving(folder) as house:
        acme = await house.organisation()
        for number in range(99):
            await house.resident(acme, f"Resident {number}")
        return (await house.resident(acme, "Ana", password=PASSWORD)).address


async def _outsider(folder: Path) -> tuple[str, str]:
    """Make an invisible sphere among others; return it, and a session of somebody outside."""
    async with serving(folder) as house:
        acme = await house.organisation()
        return await _town(house, acme), await house.token(await house.resident(acme, "Carol"))


async def _stranger(folder: Path) -> tuple[str, str]:
    """Share a file in an invisible sphere; return it, and a session of somebody outside."""
    async with serving(folder) as house:
        acme = await house.organisation()
        ana = await house.resident(acme, "Ana")
        sphere = await house.sphere(ana)
        async with await house.person(ana) as author:
            _, attachment = await files.share(author, sphere, b"a plan")
        return attachment, await house.token(await house.resident(acme, "Carol"))


async def _town(house: House, organisation: str) -> str:
    founders = [await house.resident(organisation, f"Founder {one}") for one in range(20)]
    made = [await house.sphere(founder, *founders[:5]) for founder in founders[5:]]
    return made[len(made) // 2]
