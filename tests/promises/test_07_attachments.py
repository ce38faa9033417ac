"""Promise 7, of files: one of a private thread is for those who take part."""

from __future__ import annotations

from tests import files
from tests.house import House


async def test_a_file_of_a_thread_is_read_by_those_who_take_part_and_by_no_administrator(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    sphere = await house.sphere(ana, bob, carol)
    async with (
        await house.person(ana) as administrator,
        await house.person(bob) as author,
        await house.person(carol) as other,
    ):
        thread = await author.converse(sphere, carol.id)
        await administrator.call("subscribe", sphere=sphere)
        await other.call("subscribe", sphere=sphere, thread=thread)
        seq, attachment = await files.share(
            author, sphere, b"between us", thread=thread, name="secret.txt"
        )

        told = await other.event("private_posted", seq=seq)
        given = [
            await files.fetch(house.url, one.token, attachment)
            for one in (author, other, administrator)
        ]
        await other.call("leave", sphere=sphere, thread=thread)
        gone = await files.fetch(house.url, other.token, attachment)
        await administrator.settled()
        heard = administrator.heard(sphere)
    assert told["attachments"][0]["name"] == "secret.txt"
    assert [status for status, _, _ in given] == [200, 200, 404]
    assert gone[0] == 404
    assert heard == []


async def test_with_a_sealed_message_a_file_has_no_name_that_the_server_could_read(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as author, await house.person(bob) as other:
        thread = await author.converse(sphere, bob.id)
        named = await files.send(author, sphere, b"\x00\x01", thread=thread, name="secret.txt")
        typed = await files.send(author, sphere, b"\x00\x01", thread=thread, media_type="text/css")
        bare = await files.send(author, sphere, b"\x00\x01", thread=thread)
        post = {
            "sphere": sphere, "thread": thread, "revision": 1, "scheme": "mls-1",
            "sealed": author.sealed("sealed"),
        }  # fmt: skip

        refusals = [
            await author.refusal(
                "post", client_id=f"says-too-much-{one}", attachments=[one], **post
            )
            for one in (named, typed)
        ]
        posted = await author.call("post", client_id="says-nothing", attachments=[bare], **post)
        (seen,) = await other.history(sphere, thread=thread, after=posted["seq"] - 1)
        given = await files.fetch(house.url, other.token, bare)
    assert {refusal["code"] for refusal in refusals} == {"invalid_field"}
    assert set(seen["attachments"][0]) == {"attachment", "size", "digest"}
    assert given[2] == b"\x00\x01"
