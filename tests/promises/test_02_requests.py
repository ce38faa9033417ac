"""Promises 2 and 5: a closed sphere that is listed shows itself, and takes requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.channels.membership import change_role, dismiss
from server.protocol.scalars import MemberRole, Parting
from storage import members, requests
from tests.house import HandClock, House, Resident, serving
from tests.people import Frame, Person

NOWHERE = "a" * 26


class Door:
    """A listed closed sphere, whoever administers it, and somebody outside."""

    def __init__(self, house: House, ana: Resident, carol: Resident, sphere: str) -> None:
        self.house = house
        self.ana, self.carol = ana, carol
        self.sphere = sphere
        self.host: Person
        self.asker: Person

    async def asks(self) -> list[str]:
        """Return who asks to be let in, as the administrator sees it."""
        found = await self.host.call("requests", sphere=self.sphere)
        return [one["member"] for one in found["requests"]]

    async def shown(self) -> list[Frame]:
        """Return the spheres that show themselves to whoever is outside."""
        return list((await self.asker.call("list"))["open"])


@asynccontextmanager
async def door(house: House) -> AsyncIterator[Door]:
    """Open a house with a listed closed sphere."""
    acme = await house.organisation()
    ana, carol = await house.resident(acme, "Ana"), await house.resident(acme, "Carol")
    made = Door(house, ana, carol, await house.sphere(ana))
    async with await house.person(ana) as made.host, await house.person(carol) as made.asker:
        await made.host.call("configure", sphere=made.sphere, revision=1, listed=True)
        yield made


def kinds(person: Person) -> list[str]:
    """Return the types of what somebody was told unasked."""
    return [frame["type"] for frame in person.frames if "id" not in frame]


async def test_a_listed_closed_sphere_shows_itself_and_cannot_be_joined(house: House) -> None:
    async with door(house) as at:
        shown = await at.shown()
        refused = await at.asker.refusal("join", sphere=at.sphere)
        missing = await at.asker.refusal("join", sphere=NOWHERE)

    assert shown == [
        {
            "sphere": at.sphere,
            "name": "Design team",
            "audience": "closed",
            "revision": 2,
            "asked": False,
        }
    ]
    assert refused == missing


async def test_asking_tells_those_who_administer_and_nobody_else(house: House) -> None:
    async with door(house) as at:
        bob = await house.resident(at.ana.member.organisation, "Bob")
        await at.host.call("invite", sphere=at.sphere, member=bob.id)
        async with await house.person(bob) as inside:
            await inside.call("join", sphere=at.sphere)

            await at.asker.call("ask", sphere=at.sphere)

            told = await at.host.event("asked")
            await inside.settled()
            assert "asked" not in kinds(inside)
            assert (await inside.refusal("requests", sphere=at.sphere))["code"] == "not_allowed"
        assert told == {
            "type": "asked", "sphere": at.sphere, "member": at.carol.id, "name": "Carol"
        }  # fmt: skip
        assert await at.asks() == [at.carol.id]
        assert [one["asked"] for one in await at.shown()] == [True]


async def test_asking_twice_is_done_and_tells_once(house: House) -> None:
    async with door(house) as at:
        for _ in range(3):
            await at.asker.call("ask", sphere=at.sphere)

        assert await at.asks() == [at.carol.id]
        assert kinds(at.host).count("asked") == 1


async def test_an_invitation_is_the_answer(house: House) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)

        await at.host.call("invite", sphere=at.sphere, member=at.carol.id)

        invited = await at.asker.event("invited")
        assert invited["invitation"]["sphere"] == at.sphere
        assert await at.asks() == []
        assert (await at.asker.refusal("ask", sphere=at.sphere))["code"] == "may_join"
        await at.asker.call("join", sphere=at.sphere)
        assert (await at.asker.refusal("ask", sphere=at.sphere))["code"] == "already_inside"


async def test_a_refusal_drops_it_tells_nobody_and_may_come_twice(house: House) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)

        for who in (at.carol.id, at.carol.id, NOWHERE):
            await at.host.call("refuse", sphere=at.sphere, member=who)

        assert await at.asks() == []
        assert [one["asked"] for one in await at.shown()] == [False]
        assert kinds(at.asker) == []


async def test_whoever_asks_takes_it_back_with_decline(house: House) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)

        await at.asker.call("decline", sphere=at.sphere)

        again = await at.asker.refusal("decline", sphere=at.sphere)
        assert again == await at.asker.refusal("decline", sphere=NOWHERE)
        assert await at.asks() == []


async def test_an_administrator_appointed_later_finds_what_was_asked_before(house: House) -> None:
    async with door(house) as at:
        bob = await house.resident(at.ana.member.organisation, "Bob")
        await at.asker.call("ask", sphere=at.sphere)
        await at.host.call("invite", sphere=at.sphere, member=bob.id)
        async with await house.person(bob) as heir:
            await heir.call("join", sphere=at.sphere)
            await at.host.call("leave", sphere=at.sphere)

            found = await heir.call("requests", sphere=at.sphere)

    assert [one["name"] for one in found["requests"]] == ["Carol"]


async def test_to_become_invisible_ends_what_was_asked_and_whoever_asked_forgets(
    house: House,
) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)

        await at.host.call("configure", sphere=at.sphere, revision=2, listed=False)

        await at.asker.event("sphere_forgotten", sphere=at.sphere)
        hidden = await at.asker.refusal("ask", sphere=at.sphere)
        assert hidden == await at.asker.refusal("ask", sphere=NOWHERE)
        assert await at.shown() == []
        await at.host.call("configure", sphere=at.sphere, revision=3, listed=True)
        assert await at.asks() == []


async def test_to_open_ends_what_was_asked_because_nobody_need_ask(house: House) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)

        await at.host.call("configure", sphere=at.sphere, revision=2, audience="open")

        assert await at.asks() == []
        assert (await at.asker.refusal("ask", sphere=at.sphere))["code"] == "may_join"
        assert kinds(at.asker) == []
        await at.asker.call("join", sphere=at.sphere)


async def test_to_close_what_was_open_and_listed_keeps_it_shown(house: House) -> None:
    async with door(house) as at:
        await at.host.call("configure", sphere=at.sphere, revision=2, audience="open")
        await at.host.call("configure", sphere=at.sphere, revision=3, audience="closed")

        assert [one["audience"] for one in await at.shown()] == ["closed"]
        assert kinds(at.asker) == []


async def test_a_rename_keeps_what_was_asked(house: House) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)

        await at.host.call("configure", sphere=at.sphere, revision=2, name="Another")

        assert await at.asks() == [at.carol.id]


async def test_a_visitor_is_told_that_visitors_cannot_ask_whatever_the_id(house: House) -> None:
    async with door(house) as at:
        vic = await house.resident(at.ana.member.organisation, "Vic", MemberRole.VISITOR)
        async with await house.person(vic) as visitor:
            answers = [await visitor.refusal("ask", sphere=one) for one in (at.sphere, NOWHERE)]
            listed = await visitor.call("list")

    assert answers[0] == answers[1]
    assert answers[0]["code"] == "not_allowed"
    assert listed["open"] == []


@pytest.mark.parametrize("end", ["dismissed", "made a visitor"])
async def test_a_request_ends_with_what_let_it_be_made(house: House, end: str) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)
        write, now = house.parts.database.write, house.parts.clock.now()

        if end == "dismissed":
            await write(dismiss, at.carol.id, Parting.LEFT, now)
        else:
            await write(change_role, at.carol.id, MemberRole.VISITOR, now)
            await write(change_role, at.carol.id, MemberRole.MEMBER, now)

        assert await at.asks() == []


async def test_a_request_ends_though_a_bequest_keeps_the_name(house: House) -> None:
    async with door(house) as at:
        other = await house.sphere(at.ana, at.carol, name="Other")
        await at.asker.call("bequeath", sphere=other, form="named")
        await at.asker.post(other, "kept under my name")
        await at.asker.call("ask", sphere=at.sphere)

        await house.parts.database.write(dismiss, at.carol.id, Parting.LEFT, 1)

        assert not await house.parts.database.read(requests.stands, at.sphere, at.carol.id)


async def test_whoever_is_shut_out_is_not_shown_while_they_are(house: House) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)
        shut = house.parts.database.write

        await shut(members.set_disabled, member_id=at.carol.id, disabled=True)
        meanwhile = await at.asks()
        await shut(members.set_disabled, member_id=at.carol.id, disabled=False)

        assert meanwhile == []
        assert await at.asks() == [at.carol.id]


async def test_beyond_the_bound_the_oldest_request_lapses(tmp_path: Path, clock: HandClock) -> None:
    async with (
        serving(tmp_path, clock=clock, requests_per_sphere_max=2) as house,
        door(house) as at,
    ):
        acme = at.ana.member.organisation
        askers = [at.carol, *[await house.resident(acme, name) for name in ("Dan", "Eve")]]
        for resident in askers:
            clock.advance(1_000)
            async with await house.person(resident) as person:
                await person.call("ask", sphere=at.sphere)

        assert await at.asks() == [one.id for one in askers[1:]]


async def test_when_a_sphere_that_shows_itself_ends_outsiders_forget_it(house: House) -> None:
    async with door(house) as at:
        await at.asker.call("ask", sphere=at.sphere)

        await at.host.call("leave", sphere=at.sphere)

        await at.asker.event("sphere_forgotten", sphere=at.sphere)
        await at.host.settled()
        assert kinds(at.host).count("sphere_forgotten") == 1
        assert await at.shown() == []


# -- races: the writer takes one after the other, and either order holds


async def test_asking_while_the_sphere_hides_leaves_no_request_behind(house: House) -> None:
    async with door(house) as at:
        revision = 2
        for turn in range(10):
            first, second = (at.asker, at.host) if turn % 2 else (at.host, at.asker)
            sent = {}
            for person in (first, second):
                sent[person] = (
                    await person.send("ask", sphere=at.sphere)
                    if person is at.asker
                    else await person.send(
                        "configure", sphere=at.sphere, revision=revision, listed=False
                    )
                )
            answer = await at.asker.answer(sent[at.asker])
            await at.host.reply(sent[at.host])

            assert answer["type"] == "done" or answer["error"]["code"] == "not_found"
            await at.host.call("configure", sphere=at.sphere, revision=revision + 1, listed=True)
            revision += 2
            assert await at.asks() == []


async def test_asking_while_one_is_invited_ends_in_an_invitation_and_no_request(
    house: House,
) -> None:
    async with door(house) as at:
        for _ in range(10):
            asked = await at.asker.send("ask", sphere=at.sphere)
            invited = await at.host.send("invite", sphere=at.sphere, member=at.carol.id)
            answer = await at.asker.answer(asked)
            await at.host.reply(invited)

            assert answer["type"] == "done" or answer["error"]["code"] == "may_join"
            assert await at.asks() == []
            await at.asker.call("decline", sphere=at.sphere)
