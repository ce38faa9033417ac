"""Promise 5, of files: readers without an account are given none."""

from __future__ import annotations

from tests import files
from tests.house import House
from tests.people import Person


async def test_readers_are_told_of_no_file_and_given_none(house: House) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as author:
        await author.call("configure", sphere=sphere, revision=1, audience="public")
        _, before = await files.share(author, sphere, b"a plan", name="plan.txt", revision=2)
        reader = await Person(house.url, None).connect("/v1/read")
        async with reader:
            await reader.call("hello", sphere=sphere)
            _, attachment = await files.share(
                author, sphere, b"a plan", name="plan.txt", revision=2
            )
            told = await reader.event("message")
            page = await reader.call("history")
        given = await files.fetch(house.url, None, attachment)
    assert set(told) == {"type", "message", "at", "author", "body", "name"}
    assert len(page["messages"]) == 2
    assert attachment not in str(page)
    assert before not in str(page)
    assert given[0] == 401
