"""The command line against the real server: what scripts may rely on."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from server.protocol.scalars import MemberRole
from storage import sessions
from storage.database import Transaction
from tests.clients.command import ROOT, SCRIPT, Desk, desk
from tests.clients.furnished import Furnished
from tests.house import PASSWORD
from tests.people import PATIENCE_S


@pytest.fixture
async def ana(furnished: Furnished, tmp_path: Path) -> Desk:
    return await desk(furnished, furnished.ana, tmp_path)


@pytest.fixture
async def bob(furnished: Furnished, tmp_path: Path) -> Desk:
    return await desk(furnished, furnished.bob, tmp_path)


async def test_a_message_goes_from_one_shell_to_another(ana: Desk, bob: Desk) -> None:
    sent = await ana.run("send", "Design team", "hello from a script")
    read = await bob.run("history", "design team", "--limit", "1", "--json")

    assert (sent.code, sent.out, sent.err) == (0, "", "")
    assert [record["body"] for record in read.records] == ["hello from a script"]


async def test_standard_input_is_one_message_or_one_a_line(ana: Desk, furnished: Furnished) -> None:
    whole = await ana.run("send", "Design team", "--json", stdin="one\ntwo\n")
    lines = await ana.run("send", "Design team", "--lines", "--json", stdin="three\n\nfour")

    assert [len(whole.records), len(lines.records)] == [1, 2]
    async with await furnished.person(furnished.bob) as bob:
        events = await bob.history(furnished.sphere)
    assert [event["body"] for event in events if "body" in event] == ["one\ntwo", "three", "four"]


async def test_chat_without_a_terminal_shares_each_line(ana: Desk, furnished: Furnished) -> None:
    wanted = [f"/line {number}" for number in range(200)]

    ran = await ana.run("chat", "Design team", stdin="\n".join(wanted))

    assert (ran.code, ran.out, ran.err) == (0, "", "")
    async with await furnished.person(furnished.bob) as bob:
        events = await bob.history(furnished.sphere, limit=500)
    assert [event["body"] for event in events if "body" in event] == wanted


async def test_a_line_that_cannot_be_shared_is_named_and_nothing_after_it_is(
    ana: Desk, furnished: Furnished
) -> None:
    lines = ["one", "x" * 16_001, "three"]

    ran = await ana.run("send", "Design team", "--lines", stdin="\n".join(lines))

    assert ran.code == 2
    assert "Line 2 was not shared, nor what follows it" in ran.err
    async with await furnished.person(furnished.bob) as bob:
        events = await bob.history(furnished.sphere)
    assert [event["body"] for event in events if "body" in event] == ["one"]


async def test_a_tail_shows_what_happens_and_stops_when_asked(ana: Desk, bob: Desk) -> None:
    async with ana.started("tail", "Design team", "--after", "0", "--count", "4") as tail:
        assert tail.stdout is not None
        for _ in range(3):  # the day, and two arrivals
            await asyncio.wait_for(tail.stdout.readline(), PATIENCE_S)
        await bob.run("send", "Design team", "one")
        await bob.run("send", "Design team", "two")

        assert b"Bob: one" in await asyncio.wait_for(tail.stdout.readline(), PATIENCE_S)
        assert b"Bob: two" in await asyncio.wait_for(tail.stdout.readline(), PATIENCE_S)
        assert await asyncio.wait_for(tail.wait(), PATIENCE_S) == 0


async def test_an_interrupted_tail_ends_without_a_word(ana: Desk) -> None:
    async with ana.started("tail", "Design team", "--after", "0") as tail:
        assert tail.stdout is not None
        await asyncio.wait_for(tail.stdout.readline(), PATIENCE_S)
        tail.send_signal(signal.SIGINT)

        assert await asyncio.wait_for(tail.wait(), PATIENCE_S) == 130
        assert tail.stderr is not None
        assert await tail.stderr.read() == b""


async def test_a_reader_that_goes_away_ends_it_without_a_word(ana: Desk) -> None:
    command = f"{sys.executable} {SCRIPT} history 'Design team' --limit 2; echo $? >&2"
    shell = await asyncio.create_subprocess_shell(
        f"({command}) | true",
        env=ana.environ,
        start_new_session=True,
        stderr=asyncio.subprocess.PIPE,
    )

    _, said = await asyncio.wait_for(shell.communicate(), 3 * PATIENCE_S)

    assert said == b"141\n"


async def test_a_sphere_is_founded_filled_and_left(
    ana: Desk, bob: Desk, furnished: Furnished
) -> None:
    founded = await ana.run("create", "Garden", "--json")
    invited = await ana.run("invite", "Garden", furnished.bob.address)
    listed = await bob.run("spheres")
    joined = await bob.run("join", "garden", "-v")
    await bob.run("send", "Garden", "roses")
    refused = await bob.run("leave", "Garden")
    left = await bob.run("leave", "Garden", "--yes", "--json")

    (sphere,) = founded.records
    assert (sphere["name"], sphere["role"]) == ("Garden", "administrator")
    assert (invited.code, invited.out) == (0, "")
    assert f"{sphere['sphere']}  Garden  (invited by Ana)" in listed.out
    assert joined.out == f"{sphere['sphere']}  Garden  (closed, member, 1 since I last read)\n"
    assert refused.code == 2
    assert "Everything that you wrote there is erased" in refused.err
    assert left.records[0]["messages_erased"] == 1


async def test_an_administrator_changes_a_sphere(ana: Desk, furnished: Furnished) -> None:
    changed = await ana.run(
        "configure", "Design team", "--name", "Atelier", "--audience", "open", "--listed"
    )
    nothing = await ana.run("configure", "Atelier")
    appointed = await ana.run("appoint", "Atelier", "Bob", "-v")
    removed = await ana.run("remove", "Atelier", furnished.bob.id)
    listed = await ana.run("members", "Atelier")

    assert changed.code == 0
    assert nothing.code == 2
    assert appointed.out == "Bob is an administrator.\n"
    assert removed.code == 0
    assert "Bob" not in listed.out


async def test_a_bot_brings_in_until_it_is_revoked(
    ana: Desk, furnished: Furnished, tmp_path: Path
) -> None:
    installed = await ana.run("connector", "install", "Design team", "CI")
    token = installed.out.strip()
    bot = Desk(furnished.house.url, tmp_path, CLOISON_CONNECTOR_TOKEN=token)
    brought = await bot.run("bring", "the build is green")
    lines = await bot.run("bring", "--lines", stdin="one\n\ntwo\n")
    history = await ana.run("history", "Design team", "--limit", "3")
    revoked = await ana.run("connector", "revoke", "Design team", "CI")
    dead = await bot.run("bring", "anybody?")
    nobody = await Desk(furnished.house.url, tmp_path).run("bring", "anybody?")

    assert "shown this once" in installed.err
    assert (brought.code, brought.out, brought.err) == (0, "", "")
    assert lines.code == 0
    assert "[bot CI, installed by Ana]: the build is green" in history.out
    assert revoked.code == 0
    assert (dead.code, nobody.code) == (4, 4)
    assert "not, or no longer, valid" in dead.err


async def test_a_manager_oversees_and_enters(furnished: Furnished, tmp_path: Path) -> None:
    boss = await furnished.house.resident(furnished.organisation, "Max", MemberRole.MANAGER)
    office = await desk(furnished, boss, tmp_path)

    overview = await office.run("oversee")
    outside = await office.run("history", "Design team")
    entered = await office.run("enter", "Design team", "--json")

    assert overview.out == f"{furnished.sphere}  Design team\n"
    assert outside.code == 2
    assert entered.records[0]["entered"] is True


async def test_a_guest_accepts_an_invitation_and_is_in_that_sphere_alone(
    ana: Desk, furnished: Furnished, tmp_path: Path
) -> None:
    invited = await ana.run("invite", "Design team", "zoe@guest.example", "--visitor")
    guest = Desk(
        furnished.house.url,
        tmp_path,
        CLOISON_ADDRESS="zoe@guest.example",
        CLOISON_INVITATION=invited.out.strip(),
        CLOISON_PASSWORD=PASSWORD,
    )
    accepted = await guest.run("accept", "--name", "Zoe", "--json")
    again = await guest.run("accept", "--name", "Zoe", "--json")
    (organisation,) = (record["organisation"] for record in accepted.records)
    listed = await guest.run("spheres", "--organisation", organisation, "--json")

    assert "Hand this invitation to them yourself" in invited.err
    assert accepted.code == 0
    assert again.code == 4
    assert json.loads(again.err)["error"]["code"] == "invitation_refused"
    assert [record["sphere"] for record in listed.records] == [furnished.sphere]


async def test_what_the_server_refuses_has_its_code(bob: Desk) -> None:
    person = await bob.run("configure", "Design team", "--name", "Mine")
    program = await bob.run("configure", "Design team", "--name", "Mine", "--json")

    assert (person.code, person.out) == (1, "")
    assert person.err.startswith("error: ")
    assert "Ask an administrator" in person.err
    assert json.loads(program.err)["error"]["code"] == "not_allowed"


async def test_two_spheres_of_one_name_are_told_apart_by_id(
    ana: Desk, furnished: Furnished
) -> None:
    other = await furnished.house.sphere(furnished.ana)

    by_name = await ana.run("send", "Design team", "hello")
    by_id = await ana.run("send", other, "hello", "--json")

    assert by_name.code == 2
    assert furnished.sphere in by_name.err
    assert other in by_name.err
    assert by_id.records[0]["sphere"] == other


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["send", "Nowhere", "hello"], "There is no sphere called «Nowhere»"),
        (["send", "Design team", " "], "the message is empty"),
        (["--server", "http://cloison.example", "spheres"], "use https"),
        (["frob"], "invalid choice"),
    ],
)
async def test_a_wrong_order_is_explained(ana: Desk, arguments: list[str], said: str) -> None:
    ran = await ana.run(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


async def test_a_server_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    nowhere = Desk("http://127.0.0.1:1", tmp_path, CLOISON_PASSWORD="secret")
    identity = ["--organisation", "acme", "--address", "ana@acme.example"]

    ran = await nowhere.run("spheres", *identity, "--patience", "0")

    assert ran.code == 3
    assert "Connection refused" in ran.err


async def test_the_password_of_the_environment_signs_in_when_there_is_no_session(
    furnished: Furnished, tmp_path: Path
) -> None:
    carol = await furnished.house.resident(furnished.organisation, "Carol", password=PASSWORD)
    identity = ["--organisation", "acme", "--address", carol.address]
    with_password = Desk(furnished.house.url, tmp_path, CLOISON_PASSWORD=PASSWORD)
    without = Desk(furnished.house.url, tmp_path)
    wrong = Desk(furnished.house.url, tmp_path, CLOISON_PASSWORD="not this one at all")

    unknown = await without.run("spheres", *identity)
    refused = await wrong.run("spheres", *identity, "--json")
    signed_in = await with_password.run("spheres", *identity)
    remembered = await without.run("spheres")
    left = await without.run("sign-out", "-v")
    forgotten = await without.run("spheres")

    assert unknown.code == 4
    assert "CLOISON_PASSWORD" in unknown.err
    assert refused.code == 4
    assert json.loads(refused.err)["error"]["code"] == "sign_in_refused"
    assert (signed_in.code, remembered.code) == (0, 0)
    assert left.out == "Signed out.\n"
    assert forgotten.code == 4


async def test_a_session_that_died_is_opened_again_with_the_password(
    furnished: Furnished, tmp_path: Path
) -> None:
    carol = await furnished.house.resident(furnished.organisation, "Carol", password=PASSWORD)
    at = await desk(furnished, carol, tmp_path)
    identity = at.tokens.known(furnished.house.url)[0]
    stored = at.tokens.load(identity, 0)
    assert stored is not None
    await furnished.house.parts.database.write(_end_sessions, carol.id)

    without = await at.run("spheres")
    at.tokens.save(stored)
    at.environ["CLOISON_PASSWORD"] = PASSWORD
    again = await at.run("spheres")

    assert without.code == 4
    assert "Sign in again" in without.err
    assert again.code == 0


def _end_sessions(tx: Transaction, member: str) -> list[str]:
    return sessions.end_of_member(tx, member)


async def test_a_password_is_changed_and_the_old_session_is_over(
    furnished: Furnished, tmp_path: Path
) -> None:
    carol = await furnished.house.resident(furnished.organisation, "Carol", password=PASSWORD)
    at = await desk(furnished, carol, tmp_path)
    at.environ |= {"CLOISON_PASSWORD": PASSWORD, "CLOISON_NEW_PASSWORD": "short"}

    refused = await at.run("password")
    at.environ["CLOISON_NEW_PASSWORD"] = "a heron, flying low at dusk"
    changed = await at.run("password", "-v")
    old = await at.run("sign-in", "--organisation", "acme", "--address", carol.address)

    assert refused.code == 1
    assert changed.out == "The password is changed: sign in with the new one.\n"
    assert old.code == 4


async def test_help_and_mistakes_are_answered_without_loading_what_they_do_not_need() -> None:
    program = (
        "import sys\n"
        "from clients.main import main\n"
        "try:\n    main(['--help'], {})\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'asyncio', 'websockets', 'msgpack', 'prompt_toolkit', 'http.client'}"
        " & set(sys.modules)))"
    )

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()

    assert out.decode().splitlines()[-1] == "[]"


async def test_the_client_runs_where_there_is_nothing_of_the_server(tmp_path: Path) -> None:
    program = (
        "import importlib, pathlib, sys\n"
        "for name in ('server', 'storage', 'msgspec', 'starlette', 'uvicorn', 'sqlalchemy'):\n"
        "    sys.modules[name] = None\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"for path in sorted(pathlib.Path({str(ROOT / 'clients')!r}).glob('*.py')):\n"
        "    importlib.import_module(f'clients.{path.stem}')\n"
    )

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=tmp_path)

    assert await process.wait() == 0
