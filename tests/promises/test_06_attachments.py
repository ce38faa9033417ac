"""Promise 6, of files: a newcomer reads those of messages that are for newcomers."""

from __future__ import annotations

from tests import files
from tests.house import House


async def test_a_file_has_the_horizon_and_the_stamp_of_its_message(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana)
    async with await house.person(ana) as author, await house.person(bob) as newcomer:
        _, hidden = await files.share(author, sphere, b"before")
        # Sent while history was hidden, and shared when it no longer is: the message decides.
        early = await files.send(author, sphere, b"early")
        await author.call("configure", sphere=sphere, revision=1, history="visible")
        _, visible = await files.share(author, sphere, b"visible", revision=2)
        await files.post(author, sphere, early, revision=2)
        await author.call("configure", sphere=sphere, revision=2, history="hidden")
        _, again = await files.share(author, sphere, b"hidden again", revision=3)
        await author.call("invite", sphere=sphere, member=bob.id)
        await newcomer.call("join", sphere=sphere)
        _, after = await files.share(author, sphere, b"after", revision=3)

        answers = [
            await files.fetch(house.url, newcomer.token, one)
            for one in (hidden, visible, early, again, after, "b" * 26)
        ]
    assert [status for status, _, _ in answers] == [404, 200, 200, 404, 200, 404]
    assert answers[0][2] == answers[3][2] == answers[5][2]


async def test_who_comes_back_reads_no_file_of_their_own_former_stay(house: House) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await guest.call("bequeath", sphere=sphere, form="named")
        _, mine = await files.share(guest, sphere, b"mine, of then")
        _, theirs = await files.share(host, sphere, b"hers, of then")
        await guest.call("leave", sphere=sphere)
        await host.call("invite", sphere=sphere, member=bob.id)
        await guest.call("join", sphere=sphere)

        answers = [await files.fetch(house.url, guest.token, one) for one in (mine, theirs)]
        kept = await files.fetch(house.url, host.token, mine)
    assert [status for status, _, _ in answers] == [404, 404]
    assert kept[2] == b"mine, of then"
