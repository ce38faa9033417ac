"""What the server itself promises: durable, in one order, exactly once after resume."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.house import House, serving
from tests.people import Person
from tests.process import process


async def _prepared(folder: Path) -> tuple[str, list[str]]:
    """Make a sphere with two members; return it, and a token of each."""
    async with serving(folder) as house:
        acme = await house.organisation()
        ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
        return await house.sphere(ana, bob), [await house.token(ana), await house.token(bob)]


async def _pour(person: Person, sphere: str, drafts: dict[str, str]) -> dict[str, int]:
    """Post everything, pipelined; return the seq of what was acknowledged before the end."""
    sent = {}
    acknowledged = {}
    with suppress(Exception):
        for client_id, body in drafts.items():
            sent[client_id] = await person.send(
                "post", sphere=sphere, revision=1, client_id=client_id, body=body
            )
            if len(sent) % 30 == 0:
                await person.reply(sent[client_id])
        await person.closed()
    by_request = {request: client_id for client_id, request in sent.items()}
    for frame in person.frames:
        if frame["type"] == "posted":
            acknowledged[by_request[frame["id"]]] = frame["seq"]
    return acknowledged


async def test_kill_9_amid_a_stream_of_posts_loses_and_doubles_nothing_acknowledged(
    tmp_path: Path,
) -> None:
    sphere, (writer_token, reader_token) = await _prepared(tmp_path)
    drafts = {f"draft-{n:05}": f"message {n}" for n in range(20_000)}
    async with process(tmp_path, POSTS_PER_SECOND="100000") as server:
        writer = await Person(server.url, writer_token).hello()
        reader = await Person(server.url, reader_token).hello()
        await reader.call("subscribe", sphere=sphere)
        pouring = asyncio.create_task(_pour(writer, sphere, drafts))
        await reader.until(lambda _: len(reader.heard(sphere)) > 300)
        await server.stop(signal.SIGKILL)
        acknowledged = await pouring
        await reader.closed()
    last = reader.heard(sphere)[-1]["seq"]
    unsure = [client_id for client_id in drafts if client_id not in acknowledged][:64]

    async with process(tmp_path) as server:
        async with await Person(server.url, writer_token).hello() as writer:
            for client_id in unsure:
                await writer.post(sphere, drafts[client_id], client_id=client_id)
        async with await Person(server.url, reader_token).hello() as reader_again:
            await reader_again.call("subscribe", sphere=sphere, after=last)
            missed = await _everything(reader_again, sphere, last)
            stored = await _everything(reader_again, sphere, 0)

    assert len(acknowledged) > 100
    bodies = [event["body"] for event in stored if event["type"] == "message_posted"]
    expected = [drafts[client_id] for client_id in acknowledged]
    assert set(expected) <= set(bodies)
    assert len(bodies) == len(set(bodies))
    assert [event["seq"] for event in stored] == list(range(2, len(stored) + 2))
    assert reader.heard(sphere) + missed == [e for e in stored if e["seq"] > stored[0]["seq"]]
    by_seq = {event["seq"]: event["body"] for event in stored if "body" in event}
    for client_id, seq in acknowledged.items():
        assert by_seq[seq] == drafts[client_id]


async def _everything(person: Person, sphere: str, after: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while page := await person.history(sphere, after=after, limit=500):
        events += page
        after = page[-1]["seq"]
    return events


async def test_a_leave_that_kill_9_interrupts_happened_wholly_or_not_at_all(
    tmp_path: Path,
) -> None:
    sphere, (stays_token, leaver_token) = await _prepared(tmp_path)
    async with process(tmp_path) as server:
        leaver = await Person(server.url, leaver_token).hello()
        for n in range(50):
            await leaver.post(sphere, f"the heron flies at dusk {n}")
        await leaver.send("leave", sphere=sphere)
        await server.stop(signal.SIGKILL)
        await leaver.closed()

    async with process(tmp_path) as server:
        async with await Person(server.url, stays_token).hello() as stays:
            seen = await stays.history(sphere, limit=500)
        async with await Person(server.url, leaver_token).hello() as back:
            answer = await back.answer(await back.send("history", sphere=sphere))

    inside = answer["type"] == "page"
    bodies = [event for event in seen if event["type"] == "message_posted"]
    departures = [event for event in seen if event["type"] == "member_left"]
    assert inside or answer["error"]["code"] == "not_found"
    assert (len(bodies), len(departures)) == ((50, 0) if inside else (0, 1))


async def test_a_server_told_to_stop_says_come_back_and_exits_cleanly(tmp_path: Path) -> None:
    _, (token, _) = await _prepared(tmp_path)
    async with process(tmp_path) as server:
        person = await Person(server.url, token).hello()

        code = await server.stop(signal.SIGTERM)

        assert await person.closed() == 4000
        assert code == 0
    assert "Traceback" not in (tmp_path / "stderr.log").read_text()


async def test_all_members_see_one_order(house: House) -> None:
    acme = await house.organisation()
    residents = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    sphere = await house.sphere(*residents)
    people = [await house.person(resident) for resident in residents]
    for person in people:
        await person.call("subscribe", sphere=sphere)

    async def talk(person: Person) -> None:
        for n in range(30):
            await person.post(sphere, f"{person.me} {n}")

    await asyncio.gather(*(talk(person) for person in people))

    for person in people:
        await person.until(lambda _, p=person: len(p.heard(sphere)) == 90)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    stories = [person.heard(sphere) for person in people]
    assert (
        stories[0] == stories[1] == stories[2] == (await people[0].history(sphere, limit=500))[3:]
    )
    for person in people:
        await person.close()


async def test_a_snapshot_and_the_events_after_it_equal_a_fresh_snapshot(house: House) -> None:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    sphere = await house.sphere(ana, bob)
    async with (
        await house.person(ana) as watcher,
        await house.person(ana) as admin,
        await house.person(bob) as leaver,
        await house.person(carol) as newcomer,
    ):
        state = await watcher.call("subscribe", sphere=sphere)

        await admin.call("invite", sphere=sphere, member=carol.id)
        await newcomer.call("join", sphere=sphere)
        await admin.call("configure", sphere=sphere, revision=1, name="New name", listed=True)
        await leaver.call("leave", sphere=sphere)
        await admin.call("appoint", sphere=sphere, member=carol.id)
        await admin.call("install_connector", sphere=sphere, name="Alerts")
        fresh = await admin.call("subscribe", sphere=sphere)
        journal = await watcher.call("journal", sphere=sphere)
        await watcher.settled()

    for event in watcher.heard(sphere):
        _apply(state, event)
    for one in (state, fresh):
        one.pop("present")  # signals change it, in their own time: see test_08_presence
    state["journal"]["digest"] = journal["records"][-1]["digest"]
    assert {**state, "id": 0} == {**fresh, "id": 0}


def _apply(state: dict[str, Any], event: dict[str, Any]) -> None:
    """Fold an event into a snapshot, as protocol.md says."""
    members = state["members"]
    state["sphere"]["head"] = state["journal"]["seq"] = event["seq"]
    match event["type"]:
        case "member_joined" | "manager_entered":
            members.append(event["member"])
        case "member_left" | "manager_left":
            members[:] = [one for one in members if one["member"] != event["member"]]
        case "sphere_changed":
            for name in ("name", "audience", "history", "listed", "revision"):
                state["sphere"][name] = event[name]
        case "administrator_appointed":
            for one in members:
                if one["member"] == event["member"]:
                    one["role"] = "administrator"
        case "connector_installed":
            state["connectors"].append(event["connector"])


async def test_a_slow_reader_costs_nobody_else_anything_and_is_told_to_come_back(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    stuck, reader, writer = (
        await house.person(bob),
        await house.person(bob),
        await house.person(ana),
    )
    for person in (stuck, reader):
        await person.call("subscribe", sphere=sphere)
    stuck.stop_reading()

    for n in range(400):
        await writer.post(sphere, f"{n:04}" * 4_000)

    await reader.until(lambda _: len(reader.heard(sphere)) == 400)
    stuck.read_on()
    assert await stuck.closed() in {4001, 1006}
    for person in (stuck, reader, writer):
        await person.close()
