"""Promise 13, of files: they go with their message, in every way in which it goes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests import engines, files
from tests.house import HandClock, House, Resident, serving
from tests.people import PATIENCE_S, call_http

#: Two pieces and a bit, none of it like the next.
FILE = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(17_000))


async def _furnished(house: House) -> tuple[Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    return ana, bob, await house.sphere(ana, bob)


def _sealed(house: House) -> list[bytes]:
    """Return the middle of every stored piece, and what is said of each file."""
    with engines.beside(house.parts.settings) as store:
        pieces = [bytes(row[0]) for row in store.exec_driver_sql("SELECT sealed FROM chunk")]
        said = [bytes(row[0]) for row in store.exec_driver_sql("SELECT about FROM attachment")]
    return [piece[len(piece) // 2 :][:64] for piece in pieces] + said


def _in_files(house: House, *traces: bytes) -> bool:
    if engines.is_sqlite():
        contents = [path.read_bytes() for path in house.database_files]
        return any(trace in content for trace in traces for content in contents)
    with engines.beside(house.parts.settings) as store:
        rows = [row[0] for row in store.exec_driver_sql("SELECT sealed FROM chunk")]
        rows += [row[0] for row in store.exec_driver_sql("SELECT about FROM attachment")]
    return any(trace in row for trace in traces for row in rows)


def _rows(house: House) -> list[int]:
    with engines.beside(house.parts.settings) as store:
        return [
            store.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()  # noqa: S608  # two names
            for table in ("attachment", "chunk")
        ]


async def test_a_file_arrives_whole_and_no_byte_of_it_or_its_name_stands_in_the_clear(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as author, await house.person(bob) as reader:
        await reader.call("subscribe", sphere=sphere)

        seq, attachment = await files.share(
            author, sphere, FILE, name="Salaries.pdf", media_type="application/pdf"
        )

        told = await reader.event("message_posted", seq=seq)
        status, _, body = await files.fetch(house.url, reader.token, attachment)
        seen = await reader.history(sphere, after=seq - 1)
    assert told["attachments"] == [
        {
            "attachment": attachment,
            "size": len(FILE),
            "digest": hashlib.sha256(FILE).hexdigest(),
            "name": "Salaries.pdf",
            "media_type": "application/pdf",
        }
    ]
    assert (status, body == FILE) == (200, True)
    assert seen == [told]
    assert not _in_files(house, FILE[100:164], FILE[-64:], b"Salaries")


@pytest.mark.parametrize("way", ["leave", "remove", "delete", "dissolve", "thread"])
async def test_whatever_erases_a_message_erases_its_files_from_every_file_of_the_database(
    house: House, way: str
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        thread = await leaver.converse(sphere, ana.id) if way == "thread" else None
        seq, attachment = await files.share(leaver, sphere, FILE, thread=thread)
        traces = _sealed(house)
        before = _in_files(house, *traces)

        if way == "remove":
            await stays.call("remove", sphere=sphere, member=bob.id)
        elif way == "delete":
            await leaver.call("delete", sphere=sphere, message=seq)
        else:
            left = await leaver.call("leave", sphere=sphere)
            assert left["certificate"]["attachments_erased"] == 1
        if way == "dissolve":
            await stays.call("leave", sphere=sphere)

        status, _, _ = await files.fetch(house.url, stays.token, attachment)
    assert before
    assert len(traces) == 4
    assert not _in_files(house, *traces)
    assert _rows(house) == [0, 0]
    assert status == 404


async def test_a_file_on_its_way_is_erased_with_the_stay_and_takes_no_more_bytes(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana), await house.person(bob) as leaver:
        whole = await files.send(leaver, sphere, FILE)
        empty = await files.announce(leaver, sphere, len(FILE))
        traces = _sealed(house)
        await leaver.call("bequeath", sphere=sphere, form="named")

        left = await leaver.call("leave", sphere=sphere)

        answers = [await files.put(leaver, one, FILE) for one in (whole, empty, "a" * 26)]
    assert "attachments_erased" not in left["certificate"]
    assert not _in_files(house, *traces)
    assert _rows(house) == [0, 0]
    assert len({(status, body) for status, _, body in answers}) == 1
    assert answers[0][0] == 404


@pytest.mark.parametrize("form", ["named", "anonymous"])
async def test_a_bequest_keeps_files_with_their_messages_and_its_withdrawal_erases_them(
    house: House, form: str
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        await stays.call("subscribe", sphere=sphere)
        seq, attachment = await files.share(leaver, sphere, FILE)
        traces = _sealed(house)
        await leaver.call("bequeath", sphere=sphere, form=form)
        left = await leaver.call("leave", sphere=sphere)

        kept = await files.fetch(house.url, stays.token, attachment)
        own = await files.fetch(house.url, leaver.token, attachment)
        (seen,) = await stays.history(sphere, after=seq - 1, limit=1)
        await leaver.call("bequeath", sphere=sphere, form="none")
        gone = await files.fetch(house.url, stays.token, attachment)
        told = await stays.event("bequest_withdrawn")
    assert (kept[0], kept[2] == FILE) == (200, True)
    assert own[0] == gone[0] == 404
    assert seen["attachments"][0]["attachment"] == attachment
    assert (seen["author"] == bob.id) is (form == "named")
    assert left["certificate"].get("attachments_erased", 0) == 0
    assert told["author"] == seen["author"]
    assert not _in_files(house, *traces)


async def test_the_end_of_an_account_erases_its_files_and_the_certificate_counts_them(
    house: House,
) -> None:
    acme = await house.organisation()
    password = "correct-horse-battery-staple"
    ana = await house.resident(acme, "Ana")
    bob = await house.resident(acme, "Bob", password=password)
    sphere = await house.sphere(ana, bob)
    async with await house.person(bob) as leaver:
        await files.share(leaver, sphere, FILE)
        await files.share(leaver, sphere, b"")
        traces = _sealed(house)

        status, _, body = await asyncio.to_thread(
            call_http,
            house.url,
            "POST",
            "/v1/close",
            body={"organisation": "acme", "address": bob.address, "password": password},
        )

    assert status == 200
    assert json.loads(body)["certificates"][0]["attachments_erased"] == 2
    assert not _in_files(house, *traces)
    assert _rows(house) == [0, 0]


async def test_an_edit_leaves_the_files_of_a_message_as_they_are(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as author, await house.person(bob) as reader:
        seq, attachment = await files.share(author, sphere, FILE)

        await author.call("edit", sphere=sphere, revision=1, message=seq, body="the new plan")

        (seen,) = await reader.history(sphere, after=seq - 1, limit=1)
        status, _, body = await files.fetch(house.url, reader.token, attachment)
    assert (seen["body"], seen["attachments"][0]["attachment"]) == ("the new plan", attachment)
    assert (status, body == FILE) == (200, True)


@pytest.mark.embedded
async def test_a_backup_taken_before_gives_up_no_file_of_who_left_since(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    async with serving(before) as house:
        ana, bob, sphere = await _furnished(house)
        token = await house.token(ana)
        async with await house.person(bob) as leaver:
            _, attachment = await files.share(leaver, sphere, FILE)
            after.mkdir()
            with (
                closing(sqlite3.connect(before / "cloison.sqlite3")) as source,
                closing(sqlite3.connect(after / "cloison.sqlite3")) as target,
            ):
                source.backup(target)
            readable = await files.fetch(house.url, token, attachment)

            await leaver.call("leave", sphere=sphere)

    async with serving(after, keys_dir=before / "keys") as restored:
        gone = await files.fetch(restored.url, token, attachment)
    assert readable[0] == 200
    assert gone[0] == 404


async def test_a_file_that_nobody_shares_in_time_is_erased(
    tmp_path: Path, clock: HandClock
) -> None:
    async with serving(tmp_path, clock=clock, seen_every_s=0.05) as house:
        ana, _, sphere = await _furnished(house)
        async with await house.person(ana) as author:
            seq, shared = await files.share(author, sphere, b"shared in time")
            late = await files.send(author, sphere, FILE)

            clock.advance(3_600_001)

            async with asyncio.timeout(PATIENCE_S):
                while _rows(house) != [1, 1]:  # noqa: ASYNC110  # another connection's commit
                    await asyncio.sleep(0.01)
            refused = await author.refusal(
                "post", sphere=sphere, revision=1, client_id="too-late", body="see",
                attachments=[late],
            )  # fmt: skip
            kept = await files.fetch(house.url, author.token, shared)
    assert refused["code"] == "not_found"
    assert kept[2] == b"shared in time"
    assert seq


async def test_an_export_holds_my_files_byte_by_byte_and_nobody_elses(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as author, await house.person(bob) as other:
        thread = await author.converse(sphere, bob.id)
        _, mine = await files.share(author, sphere, FILE, name="mine.bin")
        _, private = await files.share(author, sphere, b"between us", thread=thread)
        _, theirs = await files.share(other, sphere, secrets.token_bytes(100), name="theirs.bin")
        _, whispered = await files.share(other, sphere, b"to Ana", thread=thread)

        status, _, body = await asyncio.to_thread(
            call_http, house.url, "GET", "/v1/export", headers=files.bearer(author.token)
        )

    lines = [json.loads(line) for line in body.splitlines()]
    found = {line["attachment"]: line for line in lines if line["type"] == "attachment"}
    pieces = [line for line in lines if line["type"] == "piece"]
    bytes_of = {
        one: b"".join(
            base64.b64decode(line["data"]) for line in pieces if line["attachment"] == one
        )
        for one in found
    }
    assert status == 200
    assert bytes_of == {mine: FILE, private: b"between us"}
    assert (found[mine]["name"], found[mine]["sphere"]) == ("mine.bin", sphere)
    assert found[private]["thread"] == thread
    assert theirs not in body.decode()
    assert whispered not in body.decode()
    assert b"theirs.bin" not in body
