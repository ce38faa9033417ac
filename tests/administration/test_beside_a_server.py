"""Administration beside a server that runs: what is done reaches open sockets, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.administration.foreman import Foreman
from server.administration.office import NotTaken, opened
from server.administration.wishes import Dismiss, SetRole
from server.domain.policy import SessionPolicy
from server.protocol.scalars import MemberRole
from storage import connectors, errands, members
from storage.charge import FileCharge
from tests.administration.desk import Desk, settings
from tests.house import HandClock, House, serving
from tests.people import Person

WORDS = "the heron flies at dusk"
HOUR = 3_600_000


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """Return a server that looks for errands all the time, and whose clock the test moves."""
    async with serving(tmp_path, clock=clock, errands_every_s=0.01) as running:
        yield running


async def test_a_tightened_policy_closes_the_sockets_past_it_and_spares_the_others(
    house: House, desk: Desk, clock: HandClock
) -> None:
    acme = await house.organisation(session=SessionPolicy(lifetime_ms=2 * HOUR, idle_ms=HOUR))
    old = await house.person(await house.resident(acme, "Ana"))
    clock.advance(HOUR // 2)
    young = await house.person(await house.resident(acme, "Bob"))

    await desk.done("org", "set", "acme", "--session-lifetime", "20m", "--session-idle", "20m")

    assert await old.closed() == 4500
    await young.call("list")
    await young.close()


async def test_activity_that_only_the_server_knows_of_counts_when_a_policy_tightens(
    house: House, desk: Desk, clock: HandClock
) -> None:
    acme = await house.organisation(session=SessionPolicy(lifetime_ms=2 * HOUR, idle_ms=HOUR))
    busy = await house.person(await house.resident(acme, "Ana"))
    clock.advance(HOUR // 2)
    await busy.call("list")

    await desk.done("org", "set", "acme", "--session-idle", "10m")

    await busy.call("list")
    await busy.close()


async def test_disabling_closes_every_socket_of_a_member_and_erases_nothing(
    house: House, desk: Desk
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    stays, out = await house.person(ana), await house.person(bob)
    await out.post(sphere, WORDS)

    said = await desk.done("member", "disable", "acme", bob.address)

    assert await out.closed() == 4501
    assert "Sessions ended: 1" in said
    assert [event.get("body") for event in await stays.history(sphere)][-1] == WORDS
    await stays.close()


async def test_who_was_disabled_and_let_in_again_signs_in_again(house: House, desk: Desk) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    await desk.done("member", "disable", "acme", ana.id)

    await desk.done("member", "enable", "acme", ana.id)

    async with await house.person(ana) as back:
        assert back.me == ana.id


async def test_a_removed_member_leaves_every_sphere_and_takes_their_words_along(
    house: House, desk: Desk
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    rooms = [await house.sphere(ana, bob, name=name) for name in ("One", "Two")]
    stays, out = await house.person(ana), await house.person(bob)
    for sphere in rooms:
        await stays.call("subscribe", sphere=sphere)
        await out.call("subscribe", sphere=sphere)
        await out.post(sphere, WORDS)

    said = await desk.done("member", "remove", "acme", bob.address, "--erase")

    told = [await stays.event("member_left", member=bob.id, sphere=sphere) for sphere in rooms]
    assert await out.closed() in {4501, 1006}  # cut, where frames of a sphere were unsent
    await stays.post(rooms[0], "after it")  # written when the erasure before it is over
    assert "Spheres left: 2; messages erased: 2" in said
    assert [(event["how"], event["kept"]) for event in told] == [("removed", "none")] * 2
    assert not house.holds(WORDS)
    assert not house.holds(bob.address)
    assert ana.address in await desk.done("member", "list", "acme")
    assert bob.address not in await desk.done("member", "list", "acme")
    await stays.close()


async def test_what_a_removed_member_bequeathed_stays_under_the_name_or_no_name(
    house: House, desk: Desk
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bobolink")
    named, nameless = await house.sphere(ana, bob), await house.sphere(ana, bob)
    async with await house.person(bob) as out:
        await out.call("bequeath", sphere=named, form="named")
        await out.call("bequeath", sphere=nameless, form="anonymous")
        for sphere in (named, nameless):
            await out.post(sphere, WORDS)

    said = await desk.done("member", "remove", "acme", bob.address, "--erase")

    async with await house.person(ana) as stays:
        shown = await stays.call("subscribe", sphere=named)
        hidden = await stays.call("subscribe", sphere=nameless)
        bodies = [event.get("body") for event in await stays.history(nameless)]
    assert "kept as their author bequeathed: 2" in said
    assert shown["former"] == [{"member": bob.id, "name": "Bobolink"}]
    assert hidden["former"] == []
    assert WORDS in bodies
    assert not house.holds(bob.address)


async def test_who_is_inside_no_sphere_is_gone_from_every_file_all_the_same(
    house: House, desk: Desk
) -> None:
    acme = await house.organisation()
    bob = await house.resident(acme, "Bobolink")
    await desk.done("member", "invite", "acme", "gus@guests.example")

    await desk.done("member", "remove", "acme", bob.address, "--erase")
    await desk.done("member", "uninvite", "acme", "gus@guests.example")

    traces = ("Bobolink", bob.address, "gus@guests.example")
    assert not any(house.holds(trace) for trace in traces)


async def test_a_name_that_nothing_is_kept_under_is_forgotten(house: House, desk: Desk) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bobolink")
    sphere = await house.sphere(ana, bob)
    async with await house.person(bob) as out:
        await out.call("bequeath", sphere=sphere, form="anonymous")
        await out.post(sphere, WORDS)

    await desk.done("member", "remove", "acme", bob.address, "--erase")

    await house.parts.eraser.scrub()  # where a reader held up the one that the command asked for
    assert not house.holds("Bobolink")
    assert await house.parts.database.read(members.get, bob.id) is None


async def test_a_manager_who_is_none_any_more_is_out_of_the_spheres_that_they_entered(
    house: House, desk: Desk
) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    max_ = await house.resident(acme, "Max", MemberRole.MANAGER)
    entered, own = await house.sphere(ana, name="Entered"), await house.sphere(max_, name="Own")
    stays, manager = await house.person(ana), await house.person(max_)
    await stays.call("subscribe", sphere=entered)
    await manager.call("enter", sphere=entered)

    await desk.done("member", "role", "acme", max_.address, "member")

    gone = await stays.event("manager_left", member=max_.id)
    assert gone["how"] == "removed"
    assert await manager.closed() == 4501
    async with await house.person(max_) as back:
        listed = await back.call("list")
        refused = await back.refusal("oversee")
    assert [one["sphere"] for one in listed["spheres"]] == [own]
    assert refused["code"] == "not_allowed"
    await stays.close()


async def test_spheres_and_connectors_are_listed_by_name_and_id_alone(
    house: House, desk: Desk
) -> None:
    acme, umbra = await house.organisation(), await house.organisation("umbra")
    ana, zoe = await house.resident(acme, "Ana"), await house.resident(umbra, "Zoe")
    sphere, foreign = await house.sphere(ana, name="Herons"), await house.sphere(zoe)
    await house.connector(sphere, ana, name="Builds")
    await house.connector(foreign, zoe, name="Spies")
    async with await house.person(ana) as person:
        await person.post(sphere, WORDS)

    spheres = await desk.done("sphere", "list", "acme")
    bots = await desk.done("connector", "list", "acme")

    assert spheres.split() == ["NAME", "SPHERE", "Herons", sphere]
    assert bots.splitlines()[1].split()[::2] == ["Builds", ana.id]
    assert bots.split()[-1] == sphere
    assert len(bots.splitlines()) == 2


async def test_a_revoked_connector_is_dead_and_its_sphere_is_told(house: House, desk: Desk) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    zoe = await house.resident(await house.organisation("umbra"), "Zoe")
    sphere, foreign = await house.sphere(ana), await house.sphere(zoe)
    token = await house.connector(sphere, ana)
    await house.connector(foreign, zoe)
    (one,), (elsewhere,) = [
        await house.parts.database.read(connectors.of_sphere, where) for where in (sphere, foreign)
    ]
    bot = await Person(house.url, token).connect("/v1/bring")
    await bot.call("hello", token=token)
    async with await house.person(ana) as person:
        await person.call("subscribe", sphere=sphere)

        refused = await desk.run("connector", "revoke", "acme", elsewhere.connector)
        await desk.done("connector", "revoke", "acme", one.connector)

        told = await person.event("connector_revoked", connector=one.connector)
        assert await bot.closed() == 4504
    assert refused.code == 1
    assert told["by"] is None
    assert await house.parts.database.read(connectors.of_sphere, foreign) == [elsewhere]


async def test_what_is_not_named_in_a_policy_stays(house: House, desk: Desk) -> None:
    await house.organisation()
    await desk.done("org", "set", "acme", "--password-age", "1d", "--directory", "on")
    await desk.done("org", "set", "acme", "--password-length", "45", "--second-factor", "on")

    shown = await desk.done("org", "set", "acme", "--password-age", "never")

    lines = dict(line.rsplit("  ", 1) for line in shown.splitlines()[-11:])
    said = {name.strip(): value.strip() for name, value in lines.items()}
    assert said["password length"] == "45"
    assert said["password age"] == "never"
    assert (said["directory"], said["second factor"]) == ("on", "required")


async def test_requiring_a_second_factor_signs_out_who_has_none(house: House, desk: Desk) -> None:
    acme = await house.organisation()
    person = await house.person(await house.resident(acme, "Ana"))

    said = await desk.done("org", "set", "acme", "--second-factor", "on")

    assert await person.closed() == 4501
    assert "Sessions ended: 1" in said


async def test_a_role_that_stays_the_same_ends_nothing(house: House, desk: Desk) -> None:
    acme = await house.organisation()
    ana = await house.resident(acme, "Ana")
    async with await house.person(ana) as person:
        said = await desk.done("member", "role", "acme", ana.address, "member")
        await person.call("list")

    assert "sessions ended: 0" in said


async def test_a_refusal_of_the_server_in_charge_is_told(house: House) -> None:
    async with opened(settings(house.folder)) as office:
        with pytest.raises(Exception, match="There is no such thing"):
            await office.wish(Dismiss(member="nobody"))


@pytest.mark.embedded
async def test_a_wish_that_nobody_takes_up_is_withdrawn(tmp_path: Path) -> None:
    async with opened(settings(tmp_path)) as office:
        elsewhere = FileCharge(office.database.path)
        office.charge.leave()
        assert elsewhere.take()
        with pytest.raises(NotTaken):
            await office._replace(patience_s=0.05).wish(Dismiss(member="nobody"))

        assert await office.database.read(errands.pending) == []
        elsewhere.leave()


async def test_an_errand_that_cannot_be_read_is_refused_and_not_tried_for_ever(
    house: House,
) -> None:
    database = house.parts.database
    errand = await database.write(errands.ask, b"{", house.parts.clock.now())

    async with asyncio.timeout(10):
        while (  # noqa: ASYNC110  # the server answers, and tells nobody
            words := await database.read(errands.answer_of, errand)
        ) is None:
            await asyncio.sleep(0.01)

    assert b"fault" in words
    assert await database.read(errands.pending) == []


async def test_a_server_that_does_not_lead_leaves_errands_to_the_one_that_does(
    house: House,
) -> None:
    parts = house.parts
    foreman = Foreman(
        parts.database, parts.writer, parts.services.live, parts.clock, leads=lambda: False
    )
    await parts.foreman.stop()
    await parts.database.write(errands.ask, b"{", parts.clock.now())

    await foreman.look()
    left = await parts.database.read(errands.pending)
    await parts.foreman.look()

    assert len(left) == 1
    assert await parts.database.read(errands.pending) == []


@pytest.mark.clustered
async def test_of_two_servers_one_does_what_is_asked_and_the_other_takes_over(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as second, opened(settings(tmp_path)) as office:
        acme = await second.organisation()
        ana, bob = await second.resident(acme, "Ana"), await second.resident(acme, "Bob")
        wishes = [SetRole(member=one.id, role=MemberRole.VISITOR) for one in (ana, bob)]
        async with serving(tmp_path) as first:
            assert not office.charge.take()
            await office.wish(wishes[0])
            leads = [one.parts.charge.lead() for one in (second, first)]
        await office.wish(wishes[1])

    assert sorted(leads) == [False, True]


@pytest.mark.embedded
def test_one_process_at_a_time_is_in_charge(tmp_path: Path) -> None:
    one, other = FileCharge(tmp_path / "data"), FileCharge(tmp_path / "data")

    taken = [one.take(), one.take(), other.take()]
    one.leave()
    one.leave()

    assert taken == [True, True, False]
    assert other.take()
    other.leave()
