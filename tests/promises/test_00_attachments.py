"""What the server itself promises, of files: bounds, one answer, bytes and nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests import engines, files
from tests.house import House, Resident, serving
from tests.people import PATIENCE_S, call_http

FILE = bytes(range(256)) * 2_400


async def _alone(house: House) -> tuple[Resident, str]:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    return ana, await house.sphere(ana)


async def test_what_goes_out_is_bytes_to_be_saved_whatever_their_author_called_them(
    house: House,
) -> None:
    ana, sphere = await _alone(house)
    page = b"<!doctype html><script>alert(1)</script>"
    async with await house.person(ana) as author:
        _, attachment = await files.share(
            author, sphere, page, name="page.html", media_type="text/html"
        )

        status, headers, body = await files.fetch(house.url, author.token, attachment)
        line = await files.ask(
            house.url, "GET", f"/v1/attachments/{attachment}", files.bearer(author.token)
        )
        head = await line.head()
        line.close()
        headed = await files.fetch(house.url, author.token, attachment, "HEAD")
        posted = await files.fetch(house.url, author.token, attachment, "POST")
        ranged = await asyncio.to_thread(
            call_http, house.url, "GET", f"/v1/attachments/{attachment}",
            headers=files.bearer(author.token) | {"range": "bytes=0-3"},
        )  # fmt: skip
    assert (status, body) == (200, page)
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == 'attachment; filename="attachment"'
    assert headers["content-length"] == str(len(page))
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert b"\r\ncontent-security-policy: sandbox\r\n" in head
    assert b"\r\ncontent-security-policy: default-src 'none'; frame-ancestors 'none'\r\n" in head
    assert (headed[0], headed[2], headed[1]["content-length"]) == (200, b"", str(len(page)))
    assert posted[2] == page
    assert (ranged[0], ranged[2]) == (200, page)


async def test_a_browser_sends_and_fetches_by_its_cookie_and_its_origin_alone(house: House) -> None:
    ana, sphere = await _alone(house)
    async with await house.person(ana) as author:
        cookie = {"cookie": f"cloison={author.token}"}
        page = cookie | {"origin": house.url}
        attachment = await files.announce(author, sphere, 5)
        path = f"/v1/attachments/{attachment}"

        def call(method: str, headers: dict[str, str], body: bytes | None = None) -> files.Answer:
            return call_http(house.url, method, path, body=body, headers=headers)

        refused = [
            await asyncio.to_thread(call, "PUT", headers, b"bytes")
            for headers in (cookie, cookie | {"origin": "https://elsewhere.example"})
        ]
        sent = await asyncio.to_thread(call, "PUT", page, b"bytes")
        await files.post(author, sphere, attachment)
        plain = await asyncio.to_thread(call, "GET", cookie)
        given = await asyncio.to_thread(call, "POST", page, b"")
    assert [status for status, _, _ in refused] == [401, 403]
    assert (sent[0], plain[0]) == (200, 401)
    assert (given[0], given[2]) == (200, b"bytes")


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 600_000])
async def test_a_file_of_any_size_comes_back_as_it_was_sent(tmp_path: Path, size: int) -> None:
    async with serving(tmp_path) as house:
        ana, sphere = await _alone(house)
        async with await house.person(ana) as author:
            _, attachment = await files.share(author, sphere, FILE[:size])

            given = await files.fetch(house.url, author.token, attachment)
    assert (given[0], given[2] == FILE[:size]) == (200, True)


async def test_a_file_has_the_length_that_was_announced_or_is_not_taken(house: House) -> None:
    ana, sphere = await _alone(house)
    async with await house.person(ana) as author:
        attachment = await files.announce(author, sphere, 300_000)
        path = f"/v1/attachments/{attachment}"
        answers = [
            await files.put(author, attachment, bytes(size)) for size in (0, 299_999, 300_001)
        ]
        for size in (299_999, 300_001):
            headers = files.bearer(author.token) | {"transfer-encoding": "chunked"}
            line = await files.ask(house.url, "PUT", path, headers)
            line.writer.write(b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n")
            head = await line.head()
            answers.append((int(head.split()[1]), {}, b""))
            line.close()

        taken = await files.put(author, attachment, bytes(300_000))
        twice = await files.put(author, attachment, bytes(300_000))
    assert [status for status, _, _ in answers] == [400, 400, 400, 400, 413]
    assert json.loads(taken[2])["size"] == 300_000
    assert twice[0] == 404


async def test_sending_again_begins_anew_and_ends_the_former_sending(house: House) -> None:
    ana, sphere = await _alone(house)
    async with await house.person(ana) as author:
        attachment = await files.announce(author, sphere, len(FILE))
        headers = files.bearer(author.token) | {"content-length": str(len(FILE))}
        former = await files.ask(house.url, "PUT", f"/v1/attachments/{attachment}", headers)
        former.writer.write(bytes(400_000))
        await former.writer.drain()
        async with asyncio.timeout(PATIENCE_S):
            while not _pieces(house):  # noqa: ASYNC110  # another connection's commit
                await asyncio.sleep(0.01)

        taken = await files.put(author, attachment, FILE)
        former.writer.write(bytes(len(FILE) - 400_000))
        head = await former.head()
        former.close()
        await files.post(author, sphere, attachment)
        given = await files.fetch(house.url, author.token, attachment)
    assert taken[0] == 200
    assert b" 404 " in head.partition(b"\r\n")[0]
    assert given[2] == FILE


def _pieces(house: House) -> int:
    with engines.beside(house.parts.settings) as store:
        return int(store.exec_driver_sql("SELECT count(*) FROM chunk").scalar_one())


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM chunk WHERE number = 2",
        "UPDATE attachment SET pieces = 2",
        (
            "UPDATE chunk SET number = number + 7 WHERE number < 2;"
            " UPDATE chunk SET number = 8 - number WHERE number > 2"
        ),
        (
            "UPDATE chunk SET sealed = (SELECT sealed FROM chunk AS c WHERE c.number = 1)"
            " WHERE number = 0"
        ),
        "UPDATE attachment SET seq = 2",
    ],
)
async def test_pieces_that_were_cut_off_or_put_elsewhere_are_never_given_as_the_file(
    tmp_path: Path, change: str
) -> None:
    async with serving(tmp_path) as house:
        ana, sphere = await _alone(house)
        async with await house.person(ana) as author:
            other = await author.post(sphere, "a message without a file")
            _, attachment = await files.share(author, sphere, FILE)
            with engines.beside(house.parts.settings) as store:
                for statement in change.split(";"):
                    store.exec_driver_sql(statement)

            line = await files.ask(
                house.url, "GET", f"/v1/attachments/{attachment}", files.bearer(author.token)
            )
            answer = await line.rest() if b" 200 " in await line.head() else b""
            line.close()
    assert other["seq"] == 2
    assert FILE.startswith(answer)
    assert len(answer) < len(FILE)


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "a/b",
        "a\\b",
        ".hidden",
        "ends.",
        "nul\0",
        "c:d",
        "rtl\u202egpj.exe",
        "\u200b",
        "?*",
    ],
)
async def test_a_name_that_is_a_path_or_does_not_show_what_it_is_is_refused(
    tmp_path: Path, name: str
) -> None:
    async with serving(tmp_path) as house:
        ana, sphere = await _alone(house)
        async with await house.person(ana) as author:
            refused = await author.refusal("attach", sphere=sphere, size=1, name=name)
    assert refused["code"] == "invalid_field"


async def test_every_bound_of_files_holds(tmp_path: Path) -> None:
    async with serving(
        tmp_path,
        attachment_bytes_max=1_000,
        attachment_bytes_per_member_max=2_500,
        attachments_pending_max=2,
    ) as house:
        acme = await house.organisation()
        ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
        sphere, other = await house.sphere(ana, bob), await house.sphere(ana, name="Other")
        async with await house.person(ana) as author, await house.person(bob) as second:
            thread = await author.converse(sphere, bob.id)
            large = await author.refusal("attach", sphere=sphere, size=1_001)
            seq, _ = await files.share(author, sphere, bytes(1_000))
            await files.share(author, sphere, bytes(1_000), thread=thread)
            filled = await author.refusal("attach", sphere=sphere, size=501)
            await files.announce(author, sphere, 500)
            await files.announce(author, other, 1_000)
            pending = await author.refusal("attach", sphere=other, size=1)
            await files.announce(second, sphere, 1_000)
            await author.call("delete", sphere=sphere, message=seq)
            many = await author.refusal(
                "post", sphere=sphere, revision=1, client_id="too-many-files", body="see",
                attachments=["b" * 26] * 11,
            )  # fmt: skip
    assert large["code"] == "too_large"
    assert (filled["code"], pending["code"]) == ("full", "full")
    assert many["code"] == "invalid_field"


async def test_a_file_may_take_longer_than_other_requests(tmp_path: Path) -> None:
    async with serving(tmp_path, handshake_timeout_s=0.2) as house:
        ana, sphere = await _alone(house)
        async with await house.person(ana) as author:
            attachment = await files.announce(author, sphere, len(FILE))
            headers = files.bearer(author.token) | {"content-length": str(len(FILE))}
            line = await files.ask(house.url, "PUT", f"/v1/attachments/{attachment}", headers)
            late = asyncio.get_running_loop().time() + 1
            line.writer.write(FILE[:300_000])
            while asyncio.get_running_loop().time() < late:  # noqa: ASYNC110  # time must pass
                await asyncio.sleep(0.05)
            line.writer.write(FILE[300_000:])
            head = await line.head()
            line.close()
    assert b" 200 " in head.partition(b"\r\n")[0]


async def test_a_line_that_stalls_is_cut_and_one_member_takes_few_places(tmp_path: Path) -> None:
    async with serving(tmp_path, transfer_stall_s=0.2, transfers_per_member_max=1) as house:
        ana, sphere = await _alone(house)
        async with await house.person(ana) as author:
            attachment = await files.announce(author, sphere, len(FILE))
            other = await files.announce(author, sphere, len(FILE))
            headers = files.bearer(author.token) | {"content-length": str(len(FILE))}
            slow = await files.ask(house.url, "PUT", f"/v1/attachments/{attachment}", headers)
            slow.writer.write(bytes(300_000))
            async with asyncio.timeout(PATIENCE_S):
                while not _pieces(house):  # noqa: ASYNC110  # another connection's commit
                    await asyncio.sleep(0.01)

            second = await files.put(author, other, FILE)
            head = await slow.head()
            slow.close()
            after = await files.put(author, other, FILE)
    assert (second[0], json.loads(second[2])["error"]["code"]) == (429, "too_fast")
    assert b" 400 " in head
    assert after[0] == 200
