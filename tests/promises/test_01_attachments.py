"""Promise 1, of files: for whoever their message is for, and for nobody a moment longer."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from server.protocol.scalars import MemberRole
from tests import engines, files
from tests.house import House, Resident
from tests.nodes import nodes
from tests.people import Person, call_http

#: More than the sockets of both sides and the server hold on their way.
LONG = secrets.token_bytes(6_000_000)


async def _furnished(house: House) -> tuple[Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    return ana, bob, await house.sphere(ana, bob)


async def _half_read(house: House, reader: Person, attachment: str) -> files.Line:
    """Begin to read a file, and stop in the middle of it."""
    path = f"/v1/attachments/{attachment}"
    line = await files.ask(house.url, "GET", path, files.bearer(reader.token))
    assert b" 200 " in await line.head()
    assert await line.reader.read(1_000)
    return line


async def _stop(house: House, host: Person, guest: Person, way: str, sphere: str, seq: int) -> None:
    """Have something happen after which the guest may not read on."""
    if way == "removed":
        await host.call("remove", sphere=sphere, member=guest.me)
    elif way == "left":
        await guest.call("leave", sphere=sphere)
    elif way == "deleted":
        await host.call("delete", sphere=sphere, message=seq)
    elif way == "author left":
        await host.call("leave", sphere=sphere)
    else:
        path, headers = "/v1/sign-out", files.bearer(guest.token)
        await asyncio.to_thread(call_http, house.url, "POST", path, headers=headers)


@pytest.mark.parametrize("way", ["removed", "left", "signed out", "deleted", "author left"])
async def test_what_is_on_its_way_is_cut_when_its_reader_may_read_it_no_more(
    house: House, way: str
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        seq, attachment = await files.share(host, sphere, LONG)
        line = await _half_read(house, guest, attachment)

        await _stop(house, host, guest, way, sphere, seq)

        rest = await line.rest()
        again = await files.fetch(house.url, guest.token, attachment)
        line.close()
    assert len(rest) < len(LONG) - 1_000_000
    assert line.reset
    assert again[0] == (401 if way == "signed out" else 404)


async def test_sending_stops_with_the_session_and_with_the_stay(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        for way in ("removed", "signed out"):
            attachment = await files.announce(guest, sphere, 600_000)
            headers = files.bearer(guest.token) | {"content-length": "600000"}
            line = await files.ask(house.url, "PUT", f"/v1/attachments/{attachment}", headers)
            line.writer.write(bytes(300_000))
            await line.writer.drain()

            await _stop(house, host, guest, way, sphere, 0)
            if way == "removed":
                line.writer.write(bytes(300_000))
                answer = await line.rest()
                await host.call("invite", sphere=sphere, member=bob.id)
                await guest.call("join", sphere=sphere)
            else:
                answer = await line.rest()
            line.close()
            assert answer == b"" or b" 404 " in answer.partition(b"\r\n")[0]
        with engines.beside(house.parts.settings) as store:
            found = "SELECT count(*) FROM attachment WHERE pieces IS NOT NULL"
            assert store.exec_driver_sql(found).scalar_one() == 0


async def test_a_file_is_brought_along_by_its_sender_where_it_was_sent_and_once(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    other = await house.sphere(ana, bob, name="Another")
    async with await house.person(ana) as author, await house.person(bob) as reader:
        thread = await author.converse(sphere, bob.id)
        mine = await files.send(author, sphere, b"mine")
        private = await files.send(author, sphere, b"private", thread=thread)
        theirs = await files.send(reader, sphere, b"theirs")
        unsent = await files.announce(author, sphere, 4)
        _, used = await files.share(author, sphere, b"used")
        attempts = [
            (other, None, mine), (sphere, thread, mine), (sphere, None, private),
            (sphere, None, theirs), (sphere, None, unsent), (sphere, None, used),
            (sphere, None, "a" * 26),
        ]  # fmt: skip

        refusals = [
            await author.refusal(
                "post", sphere=where, thread=inside, revision=1, client_id=secrets.token_hex(8),
                attachments=[one], **({"body": "see"} if inside is None else
                                      {"sealed": author.sealed("see")}),
            )
            for where, inside, one in attempts
        ]  # fmt: skip
        twice = await author.refusal(
            "post", sphere=sphere, revision=1, client_id="names-it-twice", body="see",
            attachments=[mine, mine],
        )  # fmt: skip
        first, second = [
            await author.send(
                "post", sphere=sphere, revision=1, client_id=f"at-once-{n}", body="see",
                attachments=[mine],
            )
            for n in range(2)
        ]  # fmt: skip
        answers = [await author.answer(one) for one in (first, second)]
    assert {refusal["code"] for refusal in refusals} == {"not_found"}
    assert len({refusal["message"] for refusal in refusals}) == 1
    assert twice["code"] == "invalid_field"
    assert sorted(answer["type"] for answer in answers) == ["error", "posted"]


async def test_a_post_sent_again_is_the_same_only_with_the_same_files(house: House) -> None:
    ana, _, sphere = await _furnished(house)
    async with await house.person(ana) as author:
        one, other = [await files.send(author, sphere, b"bytes") for _ in range(2)]
        first = await files.post(author, sphere, one, client_id="is-the-same")

        again = await files.post(author, sphere, one, client_id="is-the-same")
        changed = await author.refusal(
            "post", sphere=sphere, revision=1, client_id="is-the-same", body="see the plan",
            attachments=[other],
        )  # fmt: skip
    assert (again["seq"], again["at"]) == (first["seq"], first["at"])
    assert changed["code"] == "client_id_reused"


async def test_a_manager_reads_no_file_from_before_their_entry(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    mia = await house.resident(acme, "Mia", role=MemberRole.MANAGER)
    sphere = await house.sphere(ana)
    async with await house.person(ana) as author, await house.person(mia) as manager:
        await author.call("configure", sphere=sphere, revision=1, history="visible")
        _, before = await files.share(author, sphere, b"before", revision=2)
        outside = await files.fetch(house.url, manager.token, before)
        await manager.call("enter", sphere=sphere)
        _, after = await files.share(author, sphere, b"after", revision=2)

        answers = [await files.fetch(house.url, manager.token, one) for one in (before, after)]
    assert [status for status, _, _ in answers] == [404, 200]
    assert outside[2] == answers[0][2]


async def test_what_goes_through_one_node_is_cut_by_what_happens_on_another(
    tmp_path: Path, redis_url: str
) -> None:
    async with nodes(tmp_path, redis_url) as (here, there):
        ana, bob, sphere = await _furnished(here)
        async with await here.person(ana) as host, await there.person(bob) as guest:
            for way in ("deleted", "removed"):
                seq, attachment = await files.share(host, sphere, LONG)
                line = await _half_read(there, guest, attachment)

                await _stop(here, host, guest, way, sphere, seq)

                rest = await line.rest()
                again = await files.fetch(there.url, guest.token, attachment)
                line.close()
                assert len(rest) < len(LONG) - 1_000_000
                assert line.reset
                assert again[0] == 404
