"""Promise 2, of files: who may not read one is answered as for one that there is not."""

from __future__ import annotations

import re

from tests import files
from tests.house import House
from tests.people import Frame

NOTHING = "b" * 26


async def test_every_file_that_is_not_for_me_is_answered_like_one_that_does_not_exist(
    house: House,
) -> None:
    acme, umbrella = await house.organisation(), await house.organisation("umbrella")
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    eve, far = await house.resident(acme, "Eve"), await house.resident(umbrella, "Far")
    hidden, shared = await house.sphere(ana, bob), await house.sphere(ana, eve, name="Shared")
    async with await house.person(ana) as author, await house.person(eve) as outsider:
        away = await house.token(far)
        thread = await author.converse(hidden, bob.id)
        _, in_hidden = await files.share(author, hidden, b"hidden")
        _, in_thread = await files.share(author, hidden, b"private", thread=thread)
        pending = await files.send(author, shared, b"pending")
        empty = await files.announce(author, shared, 5)
        _, readable = await files.share(author, shared, b"for both")
        asked = [in_hidden, in_thread, pending, empty, NOTHING, "not-an-id", readable.upper()]

        answers = [await files.fetch(house.url, outsider.token, one) for one in asked]
        answers += [await files.fetch(house.url, away, one) for one in (*asked, readable)]
        answers += [await files.fetch(house.url, author.token, one) for one in (pending, empty)]
        sent = [await files.put(outsider, one, b"hello") for one in (*asked, readable)]
        mine = await files.fetch(house.url, outsider.token, readable)
    seen = {(status, _stable(headers), body) for status, headers, body in answers}
    assert len(seen) == 1
    assert answers[0][0] == 404
    assert len({(status, _stable(headers), body) for status, headers, body in sent}) == 1
    assert sent[0][0] == 404
    assert (mine[0], mine[2]) == (200, b"for both")


def _stable(headers: dict[str, str]) -> str:
    return str({name: value for name, value in headers.items() if name != "date"})


async def test_a_file_is_announced_to_no_sphere_or_thread_that_i_am_outside_of(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob, eve = [await house.resident(acme, name) for name in ("Ana", "Bob", "Eve")]
    sphere, hidden = await house.sphere(ana, bob, eve), await house.sphere(ana, name="Hidden")
    async with await house.person(ana) as host, await house.person(eve) as outsider:
        thread = await host.converse(sphere, bob.id)
        places: list[Frame] = [
            {"sphere": hidden}, {"sphere": NOTHING}, {"sphere": thread},
            {"sphere": sphere, "thread": thread}, {"sphere": sphere, "thread": NOTHING},
            {"sphere": hidden, "thread": thread},
        ]  # fmt: skip

        refusals = [await outsider.refusal("attach", size=1, **place) for place in places]
        large = [await outsider.refusal("attach", size=2**40, **place) for place in places]
    assert {refusal["code"] for refusal in refusals} == {"not_found"}
    assert len({str(refusal) for refusal in refusals}) == 1
    assert {refusal["code"] for refusal in large} == {"too_large"}


async def test_without_a_session_there_is_nothing_and_a_bots_token_opens_nothing(
    house: House,
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    bot = await house.connector(sphere, ana)
    async with await house.person(ana) as author:
        _, attachment = await files.share(author, sphere, b"for members")

        answers = [await files.fetch(house.url, token, attachment) for token in (None, bot)]
    assert [status for status, _, _ in answers] == [401, 401]
    assert answers[0][2] == answers[1][2]
    assert re.search(rb'"code":\s*"not_authenticated"', answers[0][2])
