"""Promise 13: leaving deletes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.house import House, Resident, serving
from tests.people import Person

WORDS = "the heron flies at dusk"


async def _furnished(house: House) -> tuple[Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    return ana, bob, await house.sphere(ana, bob)


def _bodies(events: list[dict[str, Any]]) -> list[str]:
    return [event["body"] for event in events if "body" in event]


async def test_leaving_erases_what_one_wrote_from_every_file_of_the_database(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        await stays.call("subscribe", sphere=sphere)
        await leaver.post(sphere, WORDS, client_id="client-id-of-bob")
        await stays.post(sphere, "mine stays")
        in_the_clear = house.holds(WORDS) or house.holds("client-id-of-bob")

        left = await leaver.call("leave", sphere=sphere)

        told = await stays.event("member_left", member=bob.id)
        seen = await stays.history(sphere)
    certificate = left["certificate"]
    assert not in_the_clear
    assert not house.holds(WORDS)
    assert not house.holds("client-id-of-bob")
    assert (certificate["messages_erased"], certificate["messages_kept"]) == (1, 0)
    assert (told["how"], told["kept"]) == ("left", "none")
    assert _bodies(seen) == ["mine stays"]
    assert [event["seq"] for event in seen] == list(range(1, told["seq"] + 1))


@pytest.mark.embedded
async def test_a_backup_of_the_data_taken_before_no_longer_gives_up_what_was_erased(
    tmp_path: Path,
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    async with serving(before) as house:
        ana, bob, sphere = await _furnished(house)
        token = await house.token(ana)
        async with await house.person(bob) as leaver, await house.person(ana) as stays:
            await stays.post(sphere, "mine stays")
            await leaver.post(sphere, WORDS)
            after.mkdir()
            copy(before / "cloison.sqlite3", after / "cloison.sqlite3")
            readable = await stays.history(sphere)

            await leaver.call("leave", sphere=sphere)

    async with (
        serving(after, keys_dir=before / "keys") as restored,
        Person(restored.url, token) as stays,
    ):
        seen = await stays.history(sphere)
    assert _bodies(readable) == ["mine stays", WORDS]
    assert _bodies(seen) == ["mine stays"]
    assert [event["type"] for event in seen] == [
        "member_joined",
        "erased",
        "message_posted",
        "erased",
    ]


@pytest.mark.embedded
async def test_without_its_keys_a_copy_of_the_data_says_nothing(tmp_path: Path) -> None:
    there, stolen = tmp_path / "there", tmp_path / "stolen"
    async with serving(there) as house:
        ana, _, sphere = await _furnished(house)
        token = await house.token(ana)
        async with await house.person(ana) as author:
            await author.post(sphere, WORDS)
        stolen.mkdir()
        copy(there / "cloison.sqlite3", stolen / "cloison.sqlite3")

    async with serving(stolen) as thief, await Person(thief.url, token).hello() as reader:
        seen = await reader.history(sphere)
    assert {event["type"] for event in seen} == {"erased"}


def copy(source: Path, target: Path) -> None:
    """Copy a database that is in use, as a backup does."""
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as kept:
        live.backup(kept)


async def test_removal_erases_as_if_they_had_left(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await guest.call("subscribe", sphere=sphere)
        await guest.post(sphere, WORDS)

        await host.call("remove", sphere=sphere, member=bob.id)

        await guest.event("sphere_forgotten", sphere=sphere)
        await host.post(sphere, "are you there?")
        await guest.settled()
        gone = await guest.refusal("history", sphere=sphere)
    assert not house.holds(WORDS)
    assert gone["code"] == "not_found"
    assert "are you there?" not in _bodies(guest.heard(sphere))


async def test_a_bequest_keeps_messages_under_the_name_and_withdrawing_it_erases(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        await leaver.post(sphere, WORDS)
        await leaver.call("bequeath", sphere=sphere, form="named")
        left = await leaver.call("leave", sphere=sphere)
        snapshot = await stays.call("subscribe", sphere=sphere)
        kept = await stays.history(sphere)

        await leaver.call("bequeath", sphere=sphere, form="none")

        withdrawn = await stays.event("bequest_withdrawn", sphere=sphere)
        after = await stays.history(sphere)
        again = await leaver.refusal("bequeath", sphere=sphere, form="none")
    assert left["certificate"]["messages_kept"] == 1
    assert snapshot["former"] == [{"member": bob.id, "name": "Bob"}]
    assert [event["author"] for event in kept if event["type"] == "message_posted"] == [bob.id]
    assert withdrawn["author"] == bob.id
    assert _bodies(after) == []
    assert not house.holds(WORDS)
    assert again["code"] == "not_found"


async def test_what_is_kept_under_a_name_keeps_that_name_when_its_author_takes_another(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        await leaver.post(sphere, WORDS)
        await leaver.call("bequeath", sphere=sphere, form="named")
        await leaver.call("leave", sphere=sphere)

        await leaver.call("rename", name="Robert")

        told = await stays.call("subscribe", sphere=sphere)
    assert told["former"] == [{"member": bob.id, "name": "Bob"}]


async def test_an_anonymous_bequest_names_nobody_and_can_still_be_withdrawn(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        await leaver.post(sphere, WORDS)
        await leaver.call("bequeath", sphere=sphere, form="anonymous")
        await leaver.call("leave", sphere=sphere)
        snapshot = await stays.call("subscribe", sphere=sphere)
        kept = await stays.history(sphere)
        (message,) = [event for event in kept if event["type"] == "message_posted"]

        await leaver.call("bequeath", sphere=sphere, form="none")

        withdrawn = await stays.event("bequest_withdrawn", sphere=sphere)
        after = await stays.history(sphere)
    assert message["body"] == WORDS
    assert message["author"] not in {ana.id, bob.id}
    assert snapshot["former"] == []
    assert not [event for event in kept if event.get("member", {}) == {"name": "Bob"}]
    assert withdrawn["author"] == message["author"]
    assert _bodies(after) == []
    assert not house.holds(WORDS)


async def _return(house: House, host: Person, guest: Resident, sphere: str) -> Person:
    """Invite somebody again; return their connection, inside."""
    back = await house.person(guest)
    await host.call("invite", sphere=sphere, member=guest.id)
    await back.call("join", sphere=sphere)
    return back


async def test_each_stay_bequeathed_anonymously_bears_another_alias(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as stays:
        first = await house.person(bob)
        for person, body in ((first, "one"), (None, "two")):
            speaker = person or await _return(house, stays, bob, sphere)
            await speaker.post(sphere, body)
            await speaker.call("bequeath", sphere=sphere, form="anonymous")
            await speaker.call("leave", sphere=sphere)
            await speaker.close()
        kept = await stays.history(sphere)

    authors = [event["author"] for event in kept if event["type"] == "message_posted"]
    assert len({*authors, ana.id, bob.id}) == 4


async def test_withdrawing_erases_what_every_earlier_stay_had_kept_under_any_author(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as stays:
        await stays.call("subscribe", sphere=sphere)
        leaver = await house.person(bob)
        for form in ("anonymous", "named"):
            await leaver.post(sphere, f"kept {form}")
            await leaver.call("bequeath", sphere=sphere, form=form)
            await leaver.call("leave", sphere=sphere)
            await leaver.close()
            leaver = await _return(house, stays, bob, sphere)
        await leaver.post(sphere, "of the present stay")
        before = await stays.history(sphere)

        await leaver.call("bequeath", sphere=sphere, form="none")

        await stays.until(
            lambda _: sum(e["type"] == "bequest_withdrawn" for e in stays.heard(sphere)) == 2
        )
        after = await stays.history(sphere)
        away = await stays.call("subscribe", sphere=sphere, after=before[-1]["seq"])
        await leaver.close()
    withdrawn = [e for e in stays.heard(sphere) if e["type"] == "bequest_withdrawn"]
    authors = {e["author"] for e in before if e["type"] == "message_posted"}
    assert _bodies(before) == ["kept anonymous", "kept named", "of the present stay"]
    assert _bodies(after) == ["of the present stay"]
    assert {e["author"] for e in withdrawn} == authors
    assert all(e["before"] < before[-1]["seq"] for e in withdrawn)
    assert {(p["author"], p["before"]) for p in away["purges"]} == {
        (e["author"], e["before"]) for e in withdrawn
    }


async def test_a_newcomer_learns_nothing_of_who_left_before_they_came(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    carol = await house.resident(ana.member.organisation, "Carol")
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        await leaver.post(sphere, WORDS)
        await leaver.call("bequeath", sphere=sphere, form="named")
        await leaver.call("leave", sphere=sphere)
        newcomer = await _return(house, stays, carol, sphere)
        snapshot = await newcomer.call("subscribe", sphere=sphere)
        await stays.call("subscribe", sphere=sphere)

        await leaver.call("bequeath", sphere=sphere, form="none")

        told = await stays.event("bequest_withdrawn", author=bob.id)
        veiled = await newcomer.event("erased", sphere=sphere)
        seen = await newcomer.history(sphere)
        again = await newcomer.call("subscribe", sphere=sphere, after=snapshot["sphere"]["head"])
        await newcomer.close()
    assert snapshot["former"] == []
    assert veiled["seq"] == told["seq"]
    assert seen[-1] == veiled
    assert again["purges"] == []


async def test_nobody_but_the_author_can_bequeath(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as admin, await house.person(bob) as leaver:
        refused = await admin.refusal("bequeath", sphere=sphere, form="named", member=bob.id)
        await admin.call("bequeath", sphere=sphere, form="named")
        await leaver.post(sphere, WORDS)
        left = await leaver.call("leave", sphere=sphere)

    assert refused["code"] == "invalid_field"
    assert left["certificate"]["messages_erased"] == 1
    assert not house.holds(WORDS)


async def test_who_comes_back_later_receives_the_erasure_before_any_replayed_event(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as away:
        await away.call("subscribe", sphere=sphere)
        async with await house.person(bob) as leaver:
            last = (await leaver.post(sphere, WORDS))["seq"]
            await away.event("message_posted", body=WORDS)
    async with await house.person(bob) as leaver:
        await leaver.call("leave", sphere=sphere)

    async with await house.person(ana) as back:
        reply = await back.call("subscribe", sphere=sphere, after=last)
        missed = await back.history(sphere, after=last)

    assert reply["purges"] == [{"author": bob.id, "before": missed[0]["seq"]}]
    assert missed[0]["type"] == "member_left"


async def test_the_longest_present_member_administers_when_the_last_administrator_leaves(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    sphere = await house.sphere(ana, bob, carol)
    async with await house.person(ana) as leaver, await house.person(bob) as heir:
        await heir.call("subscribe", sphere=sphere)

        await leaver.call("leave", sphere=sphere)

        appointed = await heir.event("administrator_appointed")
        await heir.call("configure", sphere=sphere, revision=1, name="Heirs")
    assert (appointed["member"], appointed["by"]) == (bob.id, None)


async def test_a_sphere_ends_with_its_last_member(house: House) -> None:
    acme = await house.organisation()
    ana, carol = await house.resident(acme, "Ana"), await house.resident(acme, "Carol")
    sphere = await house.sphere(ana, name="Heron watchers")
    async with await house.person(ana) as last, await house.person(carol) as guest:
        await last.post(sphere, WORDS)
        await last.call("invite", sphere=sphere, member=carol.id)
        await guest.event("invited")

        left = await last.call("leave", sphere=sphere)

        await guest.event("sphere_forgotten", sphere=sphere)
        refused = await guest.refusal("join", sphere=sphere)
    assert left["certificate"]["messages_erased"] == 1
    assert refused["code"] == "not_found"
    assert not house.holds(WORDS)
    assert not house.holds("Heron watchers")


async def test_a_post_in_flight_at_the_departure_is_refused_or_erased(house: House) -> None:
    _, bob, sphere = await _furnished(house)
    one, other = await house.person(bob), await house.person(bob)
    sent = [
        await one.send(
            "post", sphere=sphere, revision=1, client_id=f"racing-{n:03}", body=f"{WORDS} {n}"
        )
        for n in range(30)
    ]

    left = await other.call("leave", sphere=sphere)

    answers = [await _outcome(one, request) for request in sent]
    accepted = answers.count("posted")
    assert set(answers) <= {"posted", "not_found"}
    assert left["certificate"]["messages_erased"] == accepted
    assert not house.holds(WORDS)
    for person in (one, other):
        await person.close()


async def _outcome(person: Person, request: int) -> str:
    frame = await person.until(lambda frame: frame.get("id") == request)
    return str(frame["error"]["code"] if frame["type"] == "error" else frame["type"])
