"""Promise 13: leaving deletes, in private threads too."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from server.channels.membership import change_role
from server.channels.outcome import Outcome
from server.protocol.replies import Done
from server.protocol.scalars import MemberRole, Parting
from storage.database import Transaction
from tests.house import House, Resident, serving
from tests.people import Frame, Person, call_http, words_of
from tests.promises.test_13_leaving import copy

WORDS = "the heron flies at dusk"
PASSWORD = "correct horse battery staple"


async def _furnished(house: House) -> tuple[Resident, Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob, carol = [
        await house.resident(acme, name, password=PASSWORD if name == "Bob" else None)
        for name in ("Ana", "Bob", "Carol")
    ]
    return ana, bob, carol, await house.sphere(ana, bob, carol)


def _of_thread(frames: list[Frame], thread: str, kind: str) -> list[Frame]:
    return [frame for frame in frames if frame.get("thread") == thread and frame["type"] == kind]


async def test_leaving_the_sphere_erases_what_one_wrote_in_its_threads(house: House) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        thread = await stays.converse(sphere, bob.id)
        three = await stays.converse(sphere, bob.id, carol.id)
        await stays.call("subscribe", sphere=sphere, thread=thread)
        for number, place in enumerate((thread, three, three)):
            await leaver.whisper(sphere, place, f"{WORDS} {number}", client_id=f"private-{number}")
        await leaver.post(sphere, f"{WORDS}, all of you")
        await stays.whisper(sphere, thread, "mine stays")

        left = await leaver.call("leave", sphere=sphere)

        told = await stays.event("member_left", thread=thread)
        seen = await stays.history(sphere, thread=thread)
        other = await stays.history(sphere, thread=three)
        gone = [
            await leaver.refusal("history", sphere=sphere, thread=place)
            for place in (thread, three, "a" * 26)
        ]
        listed = await leaver.call("list")
        theirs = (await stays.call("list"))["threads"]
    certificate = left["certificate"]
    assert (certificate["messages_erased"], certificate["messages_kept"]) == (4, 0)
    assert "thread" not in certificate
    assert not house.holds(WORDS)
    assert not house.holds("private-0")
    assert (told["member"], told["how"], told["kept"]) == (bob.id, "left", "none")
    assert words_of(seen) == ["mine stays"]
    assert [event["seq"] for event in seen] == list(range(1, told["seq"] + 1))
    assert [event["type"] for event in other] == ["thread_started", *["erased"] * 2, "member_left"]
    assert gone == [gone[0]] * 3
    assert listed["threads"] == []
    assert [bob.id in one["members"] for one in theirs] == [False, False]


async def test_leaving_a_thread_leaves_that_thread_alone(house: House) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    async with (
        await house.person(ana) as stays,
        await house.person(bob) as leaver,
        await house.person(bob, encoding="json") as phone,
    ):
        thread = await leaver.converse(sphere, ana.id)
        other = await leaver.converse(sphere, carol.id)
        await leaver.call("prefer", sphere=sphere, thread=thread)
        await stays.call("subscribe", sphere=sphere, thread=thread)
        for one in (leaver, phone):
            await one.call("subscribe", sphere=sphere, thread=thread)
        await leaver.whisper(sphere, thread, WORDS)
        await leaver.whisper(sphere, other, "elsewhere")
        await leaver.post(sphere, "to all")

        left = await leaver.call("leave", sphere=sphere, thread=thread)

        told = await stays.event("member_left", thread=thread)
        await phone.event("thread_forgotten", thread=thread)
        await stays.whisper(sphere, thread, "are you there?")
        await phone.settled()
        listed = await leaver.call("list")
        kept = words_of(await leaver.history(sphere, thread=other))
        whole = [event.get("body") for event in await leaver.history(sphere)]
        again = await leaver.refusal("leave", sphere=sphere, thread=thread)
    certificate = left["certificate"]
    assert (certificate["thread"], certificate["sphere"]) == (thread, sphere)
    assert (certificate["messages_erased"], certificate["messages_kept"]) == (1, 0)
    assert not house.holds(WORDS)
    assert told["member"] == bob.id
    assert [one["thread"] for one in listed["threads"]] == [other]
    assert "default_thread" not in listed["spheres"][0]
    assert kept == ["elsewhere"]
    assert whole[-1] == "to all"
    assert again["code"] == "not_found"
    for one in (leaver, phone):
        assert words_of(one.heard(sphere, thread)) == [WORDS]


async def _remove(house: House, host: Person, guest: Resident, sphere: str) -> None:
    await host.call("remove", sphere=sphere, member=guest.id)


async def _close(house: House, host: Person, guest: Resident, sphere: str) -> None:
    asked = {"organisation": "acme", "address": guest.address, "password": PASSWORD}
    status, _, body = await asyncio.to_thread(
        call_http, house.url, "POST", "/v1/close", body=asked | {"everywhere": True}
    )
    assert status == 200
    assert b'"messages_erased":1' in body


async def _demote(house: House, host: Person, guest: Resident, sphere: str) -> None:
    def act(tx: Transaction) -> Outcome:
        parted = change_role(tx, guest.id, MemberRole.MEMBER, house.parts.clock.now())
        return Outcome(reply=Done(id=0), publication=parted.publication, erased=True)

    await house.parts.services.writer.act(act)


@pytest.mark.parametrize("end", [_remove, _close, _demote])
async def test_whatever_ends_a_stay_ends_it_in_the_threads(house: House, end: object) -> None:
    ana, bob, _, sphere = await _furnished(house)
    guest = bob
    if end is _demote:
        guest = await house.resident(ana.member.organisation, "Max", MemberRole.MANAGER)
    async with await house.person(ana) as host, await house.person(guest) as leaver:
        if end is _demote:
            await leaver.call("enter", sphere=sphere)
        thread = await host.converse(sphere, guest.id)
        await host.call("subscribe", sphere=sphere, thread=thread)
        await leaver.call("subscribe", sphere=sphere, thread=thread)
        await leaver.whisper(sphere, thread, WORDS)

        await end(house, host, guest, sphere)  # type: ignore[operator]  # one of the three above

        told = await host.event("member_left", thread=thread)
        await host.whisper(sphere, thread, "only for those inside")
        seen = await host.history(sphere, thread=thread)
        await host.settled()
    assert told["member"] == guest.id
    assert told["how"] == (Parting.LEFT if end is _close else Parting.REMOVED)
    assert words_of(seen) == ["only for those inside"]
    assert "only for those inside" not in words_of(leaver.heard(sphere, thread))
    assert not house.holds(WORDS)


async def test_who_was_away_is_told_to_forget_before_anything_is_replayed(house: House) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as away, await house.person(bob) as leaver:
        thread = await away.converse(sphere, bob.id)
        last = (await leaver.whisper(sphere, thread, WORDS))["seq"]
    async with await house.person(bob) as leaver:
        await leaver.call("leave", sphere=sphere)

    async with await house.person(ana) as back:
        reply = await back.call("subscribe", sphere=sphere, thread=thread, after=last)
        whole = await back.call("subscribe", sphere=sphere, after=3)
        missed = await back.history(sphere, thread=thread, after=last)

    assert reply["purges"] == [{"author": bob.id, "before": missed[0]["seq"]}]
    assert whole["purges"] == [{"author": bob.id, "before": 4}]
    assert [event["type"] for event in missed] == ["member_left"]


async def test_a_bequest_reaches_the_threads_and_so_does_its_withdrawal_afterwards(
    house: House,
) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        thread = await stays.converse(sphere, bob.id)
        await leaver.whisper(sphere, thread, WORDS)
        await leaver.call("bequeath", sphere=sphere, form="named")
        left = await leaver.call("leave", sphere=sphere)
        snapshot = await stays.call("subscribe", sphere=sphere, thread=thread)
        kept = await stays.history(sphere, thread=thread)

        await leaver.call("bequeath", sphere=sphere, form="none")

        withdrawn = await stays.event("bequest_withdrawn", thread=thread)
        after = await stays.history(sphere, thread=thread)
        again = await leaver.refusal("bequeath", sphere=sphere, form="none")
        back = await stays.call("subscribe", sphere=sphere, thread=thread, after=kept[-1]["seq"])
    assert left["certificate"]["messages_kept"] == 1
    assert snapshot["former"] == [{"member": bob.id, "name": "Bob"}]
    assert words_of(kept) == [WORDS]
    assert (withdrawn["author"], withdrawn["sphere"]) == (bob.id, sphere)
    assert words_of(after) == []
    assert not house.holds(WORDS)
    assert again["code"] == "not_found"
    assert back["purges"] == [{"author": bob.id, "before": withdrawn["before"]}]
    assert back["former"] == []


async def test_what_was_left_in_a_thread_can_be_withdrawn_while_one_is_in_the_sphere(
    house: House,
) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        thread = await stays.converse(sphere, bob.id)
        other = await leaver.converse(sphere, carol.id)
        await leaver.whisper(sphere, thread, WORDS)
        await leaver.whisper(sphere, other, "of a thread that I am in")
        await leaver.call("bequeath", sphere=sphere, form="named")
        left = await leaver.call("leave", sphere=sphere, thread=thread)
        kept = words_of(await stays.history(sphere, thread=thread))

        await leaver.call("bequeath", sphere=sphere, form="none")

        after = words_of(await stays.history(sphere, thread=thread))
        present = words_of(await leaver.history(sphere, thread=other))
    assert left["certificate"]["messages_kept"] == 1
    assert (kept, after) == ([WORDS], [])
    assert present == ["of a thread that I am in"]
    assert not house.holds(WORDS)


async def test_an_anonymous_bequest_names_nobody_in_any_thread_left_before_or_now(
    house: House,
) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        before = await stays.converse(sphere, bob.id)
        await leaver.whisper(sphere, before, "left under my name")
        await leaver.call("bequeath", sphere=sphere, form="named")
        await leaver.call("leave", sphere=sphere, thread=before)
        now = await stays.converse(sphere, bob.id)
        await leaver.whisper(sphere, now, "left under no name")
        await stays.call("subscribe", sphere=sphere, thread=before)
        await leaver.call("bequeath", sphere=sphere, form="anonymous")

        left = await leaver.call("leave", sphere=sphere)

        told = await stays.event("bequest_withdrawn", thread=before, author=bob.id)
        shown = [await stays.history(sphere, thread=thread) for thread in (before, now)]
        former = [
            (await stays.call("subscribe", sphere=sphere, thread=thread))["former"]
            for thread in (before, now)
        ]
        await leaver.call("bequeath", sphere=sphere, form="none")
        after = [words_of(await stays.history(sphere, thread=thread)) for thread in (before, now)]
    authors = {one["author"] for page in shown for one in page if one["type"] == "private_posted"}
    assert before != now
    assert [words_of(page) for page in shown] == [["left under my name"], ["left under no name"]]
    assert len(authors) == 2
    assert bob.id not in authors
    assert told["before"] <= told["seq"]
    assert left["certificate"]["messages_kept"] == 2
    assert former == after == [[], []]
    assert not house.holds("left under")


async def test_a_thread_ends_with_its_last_participant_whatever_was_bequeathed(
    house: House,
) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as last, await house.person(bob) as first:
        thread = await last.converse(sphere, bob.id)
        for person in (first, last):
            await person.whisper(sphere, thread, WORDS)
            await person.call("bequeath", sphere=sphere, form="named")
        await first.call("leave", sphere=sphere, thread=thread)
        kept = house.holds(thread)

        left = await last.call("leave", sphere=sphere, thread=thread)

        await last.call("bequeath", sphere=sphere, form="none")
    assert kept
    assert (left["certificate"]["messages_erased"], left["certificate"]["messages_kept"]) == (1, 0)
    assert not house.holds(thread)


async def test_a_dissolved_sphere_takes_its_threads_along(house: House) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    people = [await house.person(one) for one in (ana, bob, carol)]
    thread = await people[0].converse(sphere, bob.id)
    for person in people[:2]:
        await person.whisper(sphere, thread, WORDS)
        await person.call("bequeath", sphere=sphere, form="named")
    for person in people:
        await person.call("leave", sphere=sphere)

    assert not house.holds(thread)
    assert not house.holds(sphere)
    for person in people:
        assert (await person.call("list"))["threads"] == []
        await person.close()


async def test_who_comes_back_to_the_sphere_is_not_back_in_its_threads(house: House) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        thread = await host.converse(sphere, bob.id)
        await guest.call("leave", sphere=sphere)
        await host.call("invite", sphere=sphere, member=bob.id)
        await guest.call("join", sphere=sphere)

        refused = await guest.refusal("history", sphere=sphere, thread=thread)
        listed = await guest.call("list")
        anew = await guest.converse(sphere, ana.id)
        seen = await guest.history(sphere, thread=anew)

    assert refused["code"] == "not_found"
    assert listed["threads"] == []
    assert anew != thread
    assert [event["type"] for event in seen] == ["thread_started"]


@pytest.mark.embedded
async def test_a_backup_taken_before_no_longer_gives_up_what_was_erased_in_a_thread(
    tmp_path: Path,
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    async with serving(before) as house:
        ana, bob, _, sphere = await _furnished(house)
        token = await house.token(ana)
        async with await house.person(bob) as leaver, await house.person(ana) as stays:
            thread = await stays.converse(sphere, bob.id)
            await stays.whisper(sphere, thread, "mine stays")
            await leaver.whisper(sphere, thread, WORDS)
            after.mkdir()
            copy(before / "cloison.sqlite3", after / "cloison.sqlite3")

            await leaver.call("leave", sphere=sphere)

    async with (
        serving(after, keys_dir=before / "keys") as restored,
        Person(restored.url, token) as stays,
    ):
        seen = await stays.history(sphere, thread=thread)
    assert words_of(seen) == ["mine stays"]


# -- races


async def test_a_private_post_in_flight_when_a_participant_departs_is_stored_and_erased_or_refused(
    house: House,
) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with (
        await house.person(bob) as one,
        await house.person(bob) as other,
        await house.person(ana) as stays,
    ):
        thread = await stays.converse(sphere, bob.id)
        sent = [
            await person.send(
                "post", sphere=sphere, thread=thread, revision=1,
                client_id=f"racing-{n:03}", sealed=f"{WORDS} {n}".encode(),
            )
            for n in range(20)
            for person in (one, stays)
        ]  # fmt: skip

        left = await other.call("leave", sphere=sphere, thread=thread)

        answers = [await one.answer(request) for request in sent[::2]]
        theirs = [await stays.answer(request) for request in sent[1::2]]
        seen = words_of(await stays.history(sphere, thread=thread))
    outcomes = [one["error"]["code"] if "error" in one else one["type"] for one in answers]
    assert set(outcomes) <= {"posted", "not_found"}
    assert left["certificate"]["messages_erased"] == outcomes.count("posted")
    assert {one["type"] for one in theirs} == {"posted"}
    assert len(seen) == 20


async def test_converse_while_somebody_named_leaves_or_declines_is_done_before_or_refused(
    house: House,
) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    async with (
        await house.person(ana) as asks,
        await house.person(bob) as leaver,
        await house.person(carol) as shy,
    ):
        asked = [
            await asks.send("converse", sphere=sphere, revision=1, members=[who.id])
            for who in (bob, carol)
        ]
        gone = await leaver.send("leave", sphere=sphere)
        declined = await shy.send("prefer", private="decline")
        with_bob, with_carol = [await asks.answer(one) for one in asked]
        await leaver.reply(gone)
        await shy.reply(declined)
        mine = (await asks.call("list"))["threads"]
        theirs = (await leaver.call("list"))["threads"]

    assert with_bob["type"] == "conversing" or with_bob["error"]["code"] == "not_found"
    assert with_carol["type"] == "conversing" or with_carol["error"]["code"] == "declined"
    assert theirs == []
    assert not [one for one in mine if bob.id in one["members"]]


async def test_the_same_people_converse_at_the_same_instant_in_one_thread(house: House) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    everybody = (ana, bob, carol)
    people = [await house.person(one) for one in everybody]
    asked = [
        (
            person,
            await person.send(
                "converse",
                sphere=sphere,
                revision=1,
                members=[one.id for one in everybody if one is not who],
            ),
        )
        for _ in range(5)
        for person, who in zip(people, everybody, strict=True)
    ]

    found = {(await person.reply(one))["thread"]["thread"] for person, one in asked}

    added = [frame for frame in people[0].frames if frame["type"] == "thread_added"]
    for person in people:
        await person.close()
    assert len(found) == len(added) == 1


async def _answered(person: Person, asked: list[int]) -> list[Frame]:
    """Return the answers that came: who is behind is cut, since what is unsent may be of there."""
    answers: list[Frame] = []
    with suppress(ConnectionError):
        for one in asked:
            answers.append(await person.answer(one))  # noqa: PERF401  # what came before is kept
    return answers


async def test_after_a_removal_nothing_of_a_thread_reaches_any_device_however_it_was_read(
    house: House,
) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    async with (
        await house.person(ana) as host,
        await house.person(bob) as reads,
        await house.person(bob) as listens,
        await house.person(carol) as talks,
    ):
        thread = await talks.converse(sphere, bob.id)
        await listens.call("subscribe", sphere=sphere, thread=thread)
        asked = [
            await reads.send(kind, sphere=sphere, thread=thread)
            for _ in range(10)
            for kind in ("subscribe", "history")
        ]
        await host.call("remove", sphere=sphere, member=bob.id)
        await talks.whisper(sphere, thread, WORDS)

        answers = await _answered(reads, asked)
        for person in (reads, listens):
            with suppress(ConnectionError):
                await person.event("sphere_forgotten", sphere=sphere)
                await person.settled()
    types = [one["type"] for one in reads.frames]
    told = types.index("sphere_forgotten") if "sphere_forgotten" in types else len(types)
    after = [one for one in answers if reads.frames.index(one) > told]
    assert {one["type"] for one in answers} <= {"listening", "page", "error"}
    assert {one["type"] for one in after} <= {"error"}
    for person in (reads, listens):
        assert WORDS not in words_of(person.heard(sphere, thread))


async def test_a_sphere_that_is_dissolved_while_its_thread_is_read_answers_or_does_not(
    house: House,
) -> None:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    sphere = await house.sphere(ana, bob)
    async with await house.person(ana) as one, await house.person(bob) as other:
        thread = await one.converse(sphere, bob.id)
        await one.whisper(sphere, thread, WORDS)
        await other.call("leave", sphere=sphere)
        async with await house.person(ana) as phone:
            asked = [await phone.send("history", sphere=sphere, thread=thread) for _ in range(10)]
            await one.call("leave", sphere=sphere)
            answers = [await phone.answer(request) for request in asked]

    outcomes = [one["error"]["code"] if "error" in one else one["type"] for one in answers]
    assert set(outcomes) <= {"page", "not_found"}
    assert outcomes == sorted(outcomes, key="page not_found".index)
    assert not house.holds(WORDS)


async def test_a_private_post_while_the_sphere_is_renamed_precedes_it_or_is_stale(
    house: House,
) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as author:
        thread = await host.converse(sphere, bob.id)
        asked = [
            await author.send(
                "post", sphere=sphere, thread=thread, revision=1,
                client_id=f"renaming-{n:02}", sealed=WORDS.encode(),
            )
            for n in range(20)
        ]  # fmt: skip
        await host.call("configure", sphere=sphere, revision=1, name="Another")
        late = await author.refusal(
            "post", sphere=sphere, thread=thread, revision=1, client_id="too-late-1",
            sealed=WORDS.encode(),
        )  # fmt: skip
        answers = [await author.answer(one) for one in asked]
        seen = words_of(await host.history(sphere, thread=thread))

    outcomes = [one["error"]["code"] if "error" in one else one["type"] for one in answers]
    assert set(outcomes) <= {"posted", "stale_destination"}
    assert late["code"] == "stale_destination"
    assert len(seen) == outcomes.count("posted")
