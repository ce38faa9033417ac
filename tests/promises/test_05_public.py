"""Promise 5 (and 2, 13): a public sphere is read without an account, and nothing else of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from sqlalchemy import inspect, text
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server.protocol import commands
from storage.database import Transaction
from storage.identifiers import new_id
from tests.house import PASSWORD, HandClock, House, Resident, serving
from tests.people import Frame, Person, call_http
from tests.readers import Reader, publish, reader
from tools.shapes import tag_of

FRAMES = {
    "reading",
    "page",
    "message",
    "message_changed",
    "forgotten",
    "author_renamed",
    "sphere_renamed",
    "error",
}
FIELDS = {
    *("type", "id", "sphere", "name", "ends_at", "now", "messages", "more", "error"),
    *("message", "at", "author", "body", "bot", "label", "edited_at"),
}


async def _furnished(house: House) -> tuple[Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    return ana, bob, await house.sphere(ana, bob)


def _ids_of(*residents: Resident) -> set[str]:
    return {one.id for one in residents} | {one.account for one in residents}


def _check_discreet(someone: Reader, *inside: Resident) -> None:
    """Fail when a reader was told more than readers may be told."""
    for frame in someone.frames:
        assert frame["type"] in FRAMES
        assert set(frame) <= FIELDS
        for message in frame.get("messages", ()):
            assert set(message) <= FIELDS
    said = json.dumps(someone.frames)
    assert '"seq"' not in said
    assert '"installed_by"' not in said
    assert not [one for one in _ids_of(*inside) if one in said]


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_anyone_with_the_address_reads_a_public_sphere_and_follows_it(
    house: House, encoding: str
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await publish(host, sphere)
        await host.post(sphere, "first", revision=2)

        async with Reader(house.url, encoding=encoding) as someone:
            await someone.connect("/v1/read")
            reading = await someone.call("hello", sphere=sphere)
            page = await someone.page()
            await guest.post(sphere, "second", revision=2)
            second = await someone.event("message", body="second")
            await host.post(sphere, "third", revision=2)
            third = await someone.event("message", body="third")

            assert (reading["sphere"], reading["name"]) == (sphere, "Design team")
            assert [(one["body"], one["name"]) for one in page] == [("first", "Ana")]
            assert (second["name"], third["name"]) == ("Bob", "Ana")
            assert page[0]["author"] == third["author"] != second["author"]
            assert await someone.page() == [page[0], second, third]
            _check_discreet(someone, ana, bob)


@pytest.mark.parametrize("history", ["hidden", "visible"])
@pytest.mark.parametrize("audience", ["closed", "open"])
async def test_no_operation_shows_a_reader_what_was_sent_before(
    house: House, audience: str, history: str
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host:
        await publish(host, sphere, audience=audience, history=history, listed=True)
        for number in range(3):
            await host.post(sphere, f"before {number}", revision=2)
        await publish(host, sphere, revision=2)
        await host.post(sphere, "after", revision=3)
        await publish(host, sphere, revision=3, history="visible", name="New")
        async with await reader(house, sphere) as someone:
            first = (await someone.page())[0]["message"]
            seen = [
                await someone.bodies(**fields)
                for fields in (
                    {},
                    {"before": first},
                    {"after": first},
                    {"limit": 500},
                    {"before": first, "after": first},
                )
            ]
            more = [
                (await someone.call("history", limit=1, **fields))["more"]
                for fields in ({}, {"before": first}, {"after": first})
            ]

            assert seen == [["after"], [], [], ["after"], []]
            assert more == [False] * 3
            assert "before" not in "".join(one["body"] for one in await someone.page())
            _check_discreet(someone, ana, bob)


async def test_narrowing_sends_readers_away_before_anything_else_is_said(house: House) -> None:
    ana, _, sphere = await _furnished(house)
    async with await house.person(ana) as host:
        await publish(host, sphere)
        await host.post(sphere, "public", revision=2)
        someone, other = await reader(house, sphere), await reader(house, sphere, encoding="json")

        for request in [
            await host.send("configure", sphere=sphere, revision=2, audience="open"),
            *[
                await host.send(
                    "post", sphere=sphere, revision=3, client_id=f"client-{n:04}", body="private"
                )
                for n in range(20)
            ],
        ]:
            await host.reply(request)

        assert [await one.closed() for one in (someone, other)] == [4505, 4505]
        assert someone.said == other.said == []
        again = Reader(house.url)
        await again.connect("/v1/read")
        assert (await again.refusal("hello", sphere=sphere))["code"] == "not_found"
        await publish(host, sphere, revision=3)
        await again.call("hello", sphere=sphere)
        assert await again.bodies() == ["public"]
        await again.close()


async def test_to_a_reader_whatever_is_not_public_does_not_exist(house: House) -> None:
    ana, bob, closed = await _furnished(house)
    hidden, listed, public = [
        await house.sphere(ana, bob, name=name) for name in ("Hidden", "Listed", "Public")
    ]
    foreign = await house.sphere(await house.resident(await house.organisation("other"), "Eve"))
    async with await house.person(ana) as host:
        await publish(host, hidden, audience="open")
        await publish(host, listed, audience="open", listed=True, history="visible")
        await publish(host, public)
    thread = await house.parts.database.write(_thread, public)

    raw = []
    for sphere in (closed, hidden, listed, foreign, thread, new_id(), ana.id):
        async with Reader(house.url, encoding="json") as someone:
            await someone.connect("/v1/read")
            await someone.refusal("hello", sphere=sphere)
            raw.append(json.dumps(someone.frames))

    assert len(set(raw)) == 1
    assert json.loads(raw[0])[0]["error"]["code"] == "not_found"


def _thread(tx: Transaction, of: str) -> str:
    """Make a thread that is public, by some fault: it is a thread still."""
    thread = new_id()
    tx.execute(
        text(
            "INSERT INTO sphere SELECT :thread, organisation, name, audience, history, listed,"
            " revision, head, created_at, id FROM sphere WHERE id = :of"
        ),
        {"thread": thread, "of": of},
    )
    return thread


async def test_a_reader_learns_nothing_of_who_does_not_write(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    carol = await house.resident(ana.member.organisation, "Carol")
    async with (
        await house.person(ana) as host,
        await house.person(bob) as guest,
        await house.person(carol) as third,
    ):
        await publish(host, sphere, listed=True)
        await host.post(sphere, "hello", revision=2)
        async with await reader(house, sphere) as someone:
            await someone.page()
            await third.call("join", sphere=sphere)
            await third.call("rename", name="Caroline")
            await host.call("invite", sphere=sphere, address=bob.address)
            await host.call("appoint", sphere=sphere, member=bob.id)
            made = await host.call("install_connector", sphere=sphere, name="Builds")
            connector = made["connector"]["connector"]
            await host.call("revoke_connector", sphere=sphere, connector=connector)
            await host.call("remove", sphere=sphere, member=carol.id)
            await publish(host, sphere, revision=2, history="visible", listed=False)
            await guest.call("leave", sphere=sphere)
            await host.post(sphere, "the end", revision=3)
            await someone.event("message", body="the end")

            assert [frame["type"] for frame in someone.told] == ["message"]
            _check_discreet(someone, ana, bob, carol)


async def test_a_reader_hears_the_new_name_of_an_author_and_of_the_sphere(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host:
        await publish(host, sphere)
        await host.post(sphere, "hello", revision=2)
        async with await reader(house, sphere) as someone:
            said = (await someone.page())[0]
            await host.call("rename", name="Anabel")
            await publish(host, sphere, revision=2, name="Everybody")
            renamed = await someone.event("author_renamed")
            called = await someone.event("sphere_renamed")

            assert (renamed["author"], renamed["name"]) == (said["author"], "Anabel")
            assert called["name"] == "Everybody"
            assert (await someone.page())[0] == said | {"name": "Anabel"}
        async with await reader(house, sphere) as other:
            assert other.frames[0]["name"] == "Everybody"
            _check_discreet(other, ana, bob)


async def test_leaving_reaches_whoever_reads_at_that_moment(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await publish(host, sphere)
        await guest.post(sphere, "words of Bob", revision=2)
        async with await reader(house, sphere) as someone:
            said = (await someone.page())[0]
            await guest.call("leave", sphere=sphere)
            await host.post(sphere, "still here", revision=2)
            await someone.event("message", body="still here")

            assert [frame["type"] for frame in someone.told] == ["forgotten", "message"]
            assert someone.told[0] == {"type": "forgotten", "author": said["author"]}
            assert await someone.bodies() == ["still here"]
            assert await someone.bodies(after=said["message"]) == ["still here"]


async def test_what_is_bequeathed_without_a_name_comes_back_without_one(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await publish(host, sphere)
        await guest.post(sphere, "words of Bob", revision=2)
        await guest.call("bequeath", sphere=sphere, form="anonymous")
        async with await reader(house, sphere) as someone:
            named = (await someone.page())[0]
            await guest.call("leave", sphere=sphere)
            await someone.event("forgotten", author=named["author"])
            kept = (await someone.page())[0]

            assert kept["body"] == "words of Bob"
            assert "name" not in kept
            assert kept["author"] != named["author"]

            await guest.call("bequeath", sphere=sphere, form="none")
            await someone.event("forgotten", author=kept["author"])
            assert await someone.page() == []


async def test_what_is_bequeathed_by_name_stays_until_it_is_withdrawn(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await publish(host, sphere)
        await guest.post(sphere, "words of Bob", revision=2)
        await guest.call("bequeath", sphere=sphere, form="named")
        async with await reader(house, sphere) as someone:
            before = await someone.page()
            await guest.call("leave", sphere=sphere)
            assert await someone.page() == before
            assert someone.told == []

            await guest.call("bequeath", sphere=sphere, form="none")
            await someone.event("forgotten", author=before[0]["author"])
            assert await someone.page() == []


async def test_edits_and_deletions_reach_readers_and_those_of_before_never_do(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        old = (await guest.post(sphere, "before"))["seq"]
        older = (await guest.post(sphere, "before too"))["seq"]
        await publish(host, sphere)
        new = (await guest.post(sphere, "frist", revision=2))["seq"]
        newer = (await host.post(sphere, "second", revision=2))["seq"]
        async with await reader(house, sphere) as someone:
            shown = await someone.page()
            await guest.call("edit", sphere=sphere, revision=2, message=old, body="changed")
            await guest.call("delete", sphere=sphere, message=older)
            await guest.call("react", sphere=sphere, message=newer, reaction="+1", on=True)
            await guest.call("edit", sphere=sphere, revision=2, message=new, body="first")
            await host.call("delete", sphere=sphere, message=newer)
            await someone.event("forgotten", message=shown[1]["message"])

            assert [frame["type"] for frame in someone.told] == ["message_changed", "forgotten"]
            changed = someone.told[0]
            assert (changed["message"], changed["body"]) == (shown[0]["message"], "first")
            edited_at = changed["edited_at"]
            assert await someone.page() == [shown[0] | {"body": "first", "edited_at": edited_at}]
            _check_discreet(someone, ana, bob)


async def test_the_end_of_a_sphere_sends_its_readers_away(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await publish(host, sphere)
        someone = await reader(house, sphere)
        await host.call("leave", sphere=sphere)
        await guest.call("leave", sphere=sphere)

        assert await someone.closed() == 4505
        again = Reader(house.url)
        await again.connect("/v1/read")
        assert (await again.refusal("hello", sphere=sphere))["code"] == "not_found"
        await again.close()


async def test_readers_are_sent_away_when_the_last_member_closes_their_account(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana", password=PASSWORD)
    sphere = await house.sphere(ana)
    async with await house.person(ana) as host:
        await publish(host, sphere)
    someone = await reader(house, sphere)

    status, _, _ = await asyncio.to_thread(
        call_http,
        house.url,
        "POST",
        "/v1/close",
        body={"organisation": "acme", "address": ana.address, "password": PASSWORD},
    )

    assert status == 200
    assert await someone.closed() == 4505


async def test_a_bot_is_shown_by_its_name_and_not_by_who_installed_it(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    token = await house.connector(sphere, ana)
    async with await house.person(ana) as host:
        await publish(host, sphere)
        async with await reader(house, sphere) as someone:
            bot = await Person(house.url, token).connect("/v1/bring")
            await bot.call("hello", token=token)
            await bot.call("bring", body="The build is green.")
            brought = await someone.event("message", body="The build is green.")

            assert (brought["name"], brought["bot"]) == ("Builds", True)
            assert await someone.page() == [brought]
            _check_discreet(someone, ana, bob)
            await bot.close()


async def test_ids_that_readers_are_told_open_nothing_inside(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    twin = await house.sphere(ana, bob, name="Twin")
    async with await house.person(ana) as host, await house.person(bob) as guest:
        authors = []
        for one in (sphere, twin):
            await publish(host, one)
            await host.post(one, "hello", revision=2)
            async with await reader(house, one) as someone:
                authors.append((await someone.page())[0]["author"])

        refused = await guest.refusal("profile", member=authors[0], sphere=sphere)
        assert refused["code"] == "not_found"
        assert authors[0] != authors[1]  # nor does one tell that the other is the same person


async def test_a_reader_who_comes_back_knows_the_messages_again(
    tmp_path: Path, clock: HandClock
) -> None:
    async with serving(tmp_path, clock=clock) as house:
        ana, _, sphere = await _furnished(house)
        async with await house.person(ana) as host:
            await publish(host, sphere)
            for number in range(5):
                await host.post(sphere, f"{number}", revision=2)
        async with await reader(house, sphere) as someone:
            before = await someone.page()
    async with serving(tmp_path, clock=clock) as house, await reader(house, sphere) as someone:
        assert await someone.page() == before
        assert await someone.bodies(after=before[2]["message"]) == ["3", "4"]
        assert await someone.bodies(before=before[2]["message"], limit=1) == ["1"]
        refused = await someone.refusal("history", after=new_id())

    assert refused["code"] == "invalid_field"


async def test_pages_join_without_a_hole_and_without_doubles(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        revision, shown = 1, []
        for number in range(24):
            if number % 4 == 0:  # public for four, closed for four
                audience = "closed" if number % 8 else "public"
                revision = await publish(host, sphere, revision=revision, audience=audience)
            await (host if number % 3 else guest).post(sphere, f"{number}", revision=revision)
            shown += [f"{number}"] if number % 8 < 4 else []
        await publish(host, sphere, revision=revision)
        async with await reader(house, sphere) as someone:
            assert await _downwards(someone, 5) == shown
            assert await _upwards(someone, 5) == shown


async def _downwards(someone: Reader, limit: int) -> list[str]:
    found: list[Frame] = []
    while True:
        before = found[0]["message"] if found else None
        page = await someone.call("history", limit=limit, before=before)
        found = page["messages"] + found
        if not page["more"]:
            return [one["body"] for one in found]


async def _upwards(someone: Reader, limit: int) -> list[str]:
    first = (await someone.page())[0]
    found = [first]
    while True:
        page = await someone.call("history", limit=limit, after=found[-1]["message"])
        found += page["messages"]
        if not page["more"]:
            return [one["body"] for one in found]


# -- what a reader cannot do


PERSONAL = sorted({tag_of(one) for one in get_args(commands.AnyCommand)} - {"hello", "history"})


async def test_every_command_of_a_member_is_unknown_to_readers(house: House) -> None:
    ana, _, sphere = await _furnished(house)
    async with await house.person(ana) as host:
        await publish(host, sphere)
        async with await reader(house, sphere) as someone:
            codes = {
                kind: (await someone.refusal(kind, sphere=sphere))["code"] for kind in PERSONAL
            }
        everything = await host.history(sphere)

    assert len(codes) == len(PERSONAL) > 20
    assert set(codes.values()) == {"unknown_command"}
    assert [one["type"] for one in everything][-1] == "sphere_changed"


async def test_a_reader_presents_no_token_and_asks_of_one_sphere(house: House) -> None:
    ana, _, sphere = await _furnished(house)
    other = await house.sphere(ana, name="Other")
    token = await house.token(ana)
    async with await house.person(ana) as host, Reader(house.url) as someone:
        await publish(host, sphere)
        await publish(host, other)
        await someone.connect("/v1/read")

        refused = [
            (await someone.refusal(kind, **fields))["code"]
            for kind, fields in (
                ("history", {}),
                ("hello", {"sphere": sphere, "token": token}),
                ("hello", {"token": token}),
                ("hello", {"sphere": "short"}),
            )
        ]
        await someone.call("hello", sphere=sphere)
        late = [
            (await someone.refusal("hello", sphere=other))["code"],
            (await someone.refusal("history", sphere=other))["code"],
        ]

    assert refused == ["not_authenticated", *["invalid_field"] * 3]
    assert late == ["already_greeted", "invalid_field"]


async def test_reading_leaves_no_trace_in_the_store_and_none_with_the_members(
    house: House,
) -> None:
    ana, _, sphere = await _furnished(house)
    async with await house.person(ana) as host:
        await publish(host, sphere)
        await host.post(sphere, "hello", revision=2)
        await host.call("subscribe", sphere=sphere)
        told = len(host.frames)
        before = await house.parts.database.read(_everything)

        async with await reader(house, sphere) as someone:
            await someone.page()
        await host.settled()

        assert await house.parts.database.read(_everything) == before
        assert len(host.frames) == told
    assert not house.parts.services.hub.halls


def _everything(tx: Transaction) -> dict[str, Any]:
    return {
        name: list(tx.exec_driver_sql(f'SELECT * FROM "{name}"'))  # noqa: S608  # names of tables
        for name in inspect(tx).get_table_names()
        if name != "session"
    }


# -- bounds


async def _status(house: House, **options: Any) -> int:
    """Shake hands; return the status of the answer, and let go."""
    try:
        async with connect(
            house.url.replace("http", "ws", 1) + "/v1/read",
            subprotocols=["cloison.v1.json"],  # type: ignore[list-item]  # a NewType
            **options,
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_a_page_of_the_web_reads_only_where_it_may_use_the_server(house: House) -> None:
    cookie = {"cookie": "cloison=cls_" + "x" * 43}

    assert await _status(house) == 101
    assert await _status(house, origin=house.url) == 101
    assert await _status(house, origin="https://evil.example") == 403
    assert await _status(house, origin="null") == 403
    assert await _status(house, origin=house.url, additional_headers=cookie) == 101


async def test_readers_are_counted_apart_and_shut_no_member_out(tmp_path: Path) -> None:
    bounds: dict[str, Any] = {"public_readers_max": 2, "connections_max": 2}
    async with serving(tmp_path, **bounds) as house:
        ana, bob, sphere = await _furnished(house)
        async with await house.person(ana) as host:
            await publish(host, sphere)
            readers = [await reader(house, sphere) for _ in range(2)]

            assert await _status(house) == 503
            async with await house.person(bob) as guest:
                assert await guest.history(sphere)
            await readers[0].close()
            assert await _status(house) == 101
            await readers[1].close()


@pytest.mark.parametrize("bound", ["public_readers_per_address_max", "public_readers_max"])
async def test_no_more_read_than_the_operator_allows(tmp_path: Path, bound: str) -> None:
    bounds: dict[str, Any] = {bound: 1}
    async with serving(tmp_path, **bounds) as house:
        one = await Reader(house.url).connect("/v1/read")

        assert await _status(house) == 503
        await one.close()
        assert await _status(house) == 101


async def test_a_sphere_has_a_bound_of_readers_and_the_next_comes_back(tmp_path: Path) -> None:
    async with serving(tmp_path, public_readers_per_sphere_max=1) as house:
        ana, _, sphere = await _furnished(house)
        async with await house.person(ana) as host:
            await publish(host, sphere)
        async with await reader(house, sphere) as one, Reader(house.url) as other:
            await other.connect("/v1/read")
            refused = await other.refusal("hello", sphere=sphere)
            await one.close()
            await other.call("hello", sphere=sphere)

    assert (refused["code"], refused["temporary"]) == ("busy", True)


async def test_a_readers_time_is_over_and_they_come_back(tmp_path: Path) -> None:
    async with serving(tmp_path, reader_lifetime_s=0.3) as house:
        ana, _, sphere = await _furnished(house)
        async with await house.person(ana) as host:
            await publish(host, sphere)
        someone = await reader(house, sphere)
        reading = someone.frames[0]

        assert reading["ends_at"] - reading["now"] <= 300
        assert await someone.closed() == 4004
        again = await reader(house, sphere)
        await again.close()


async def test_a_reader_who_names_no_sphere_is_sent_away(tmp_path: Path) -> None:
    async with serving(tmp_path, hello_timeout_s=1) as house:
        someone = await Reader(house.url).connect("/v1/read")

        refused = await someone.refusal("hello", sphere=new_id())
        assert refused["code"] == "not_found"
        assert await someone.closed() == 4502


async def test_a_reader_who_asks_too_fast_is_told_and_then_sent_away(
    tmp_path: Path, clock: HandClock
) -> None:
    bounds: dict[str, Any] = {
        "reader_commands_burst": 3,
        "reader_commands_per_second": 1,
        "refusals_max": 5,
    }
    async with serving(tmp_path, clock=clock, **bounds) as house:
        ana, _, sphere = await _furnished(house)
        async with await house.person(ana) as host:
            await publish(host, sphere)
        someone = await reader(house, sphere)
        for _ in range(2):
            await someone.page()
        refused = await someone.refusal("history")
        clock.advance(refused["retry_after_ms"])
        await someone.page()
        for _ in range(6):
            await someone.send("history")

        assert refused["code"] == "too_fast"
        assert await someone.closed() == 4002


async def test_a_frame_that_is_too_large_or_of_the_other_kind_costs_what_it_costs_members(
    house: House,
) -> None:
    someone = await Reader(house.url).connect("/v1/read")
    await someone.send_raw("{}")
    await someone.send_raw(b"\xc1")
    await someone.refusal("history")
    codes = [frame["error"]["code"] for frame in someone.frames]
    await someone.send_raw(b"x" * 70_000)

    assert codes == ["malformed_frame", "malformed_frame", "not_authenticated"]
    assert await someone.closed() == 1009


async def test_a_reader_who_does_not_read_costs_the_others_nothing(tmp_path: Path) -> None:
    bounds: dict[str, Any] = {"outbox_bytes_high": 4_096, "outbox_bytes_max": 65_536}
    async with serving(tmp_path, **bounds) as house:
        ana, _, sphere = await _furnished(house)
        async with await house.person(ana) as host:
            await publish(host, sphere)
            slow, quick = await reader(house, sphere), await reader(house, sphere)
            slow.stop_reading()
            hall = next(iter(house.parts.services.hub.halls._halls.values()))
            number = 0
            while len(hall.readers) == 2:
                number += 1
                assert number < 3_000, "the slow reader was never cut"
                await host.post(sphere, f"{number}" + "x" * 15_000, revision=2)
            last = f"{number}" + "x" * 15_000
            await quick.event("message", body=last)

            assert len(quick.said) == number
            slow.read_on()
            assert await slow.closed() in {4001, 1006}
            await quick.close()


def test_what_readers_are_told_has_no_field_of_the_inside() -> None:
    from server.protocol import reader as dialect  # noqa: PLC0415  # one test's matter

    told = [
        *get_args(dialect.AnyReaderEvent),
        *get_args(dialect.AnyReaderReply),
    ]
    fields = {field.name for one in told for field in msgspec.structs.fields(one)}

    assert fields <= FIELDS
