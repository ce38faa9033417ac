"""Promise 7: public or private, the sender chooses. Private threads, from the outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest

from server.protocol import commands
from server.protocol.scalars import MemberRole
from tests.house import House, Resident, serving
from tests.people import Frame, Person, call_http, words_of

WORDS = "the heron flies at dusk"
NOWHERE = "a" * 26


class Cast(NamedTuple):
    """Three in a sphere, connected, and a thread between the first two."""

    house: House
    sphere: str
    thread: str
    residents: tuple[Resident, Resident, Resident]
    ana: Person
    bob: Person
    carol: Person

    async def say(self, who: Person, words: str = WORDS) -> Frame:
        """Post to the thread."""
        return await who.whisper(self.sphere, self.thread, words)

    async def read(self, who: Person, **fields: Any) -> list[Frame]:
        """Return a page of the thread."""
        return await who.history(self.sphere, thread=self.thread, **fields)


@pytest.fixture
async def tight_house(tmp_path: Path) -> AsyncIterator[House]:
    """Return a server that allows two threads a member in each sphere."""
    async with serving(tmp_path, threads_per_member_max=2) as running:
        yield running


@asynccontextmanager
async def cast(house: House) -> AsyncIterator[Cast]:
    """Furnish, and let everybody go at the end."""
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    sphere = await house.sphere(ana, bob, carol)
    people = [
        await house.person(ana),
        await house.person(bob, encoding="json"),
        await house.person(carol),
    ]
    thread = await people[0].converse(sphere, bob.id)
    try:
        yield Cast(house, sphere, thread, (ana, bob, carol), *people)
    finally:
        for person in people:
            await person.close()


async def test_a_private_message_reaches_its_participants_on_every_device_and_nobody_else(
    house: House,
) -> None:
    async with cast(house) as all_, await house.person(all_.residents[1]) as phone:
        sphere, thread = all_.sphere, all_.thread
        for person in (all_.ana, all_.bob, all_.carol, phone):
            await person.call("subscribe", sphere=sphere)
        for person in (all_.ana, all_.bob, phone):
            await person.call("subscribe", sphere=sphere, thread=thread)

        posted = await all_.say(all_.ana)

        heard = await all_.bob.event("private_posted", thread=thread)
        also = await phone.event("private_posted", thread=thread)
        await all_.carol.settled()
        assert words_of([heard]) == words_of([also]) == [WORDS]
        assert (heard["seq"], heard["author"]) == (posted["seq"], all_.ana.me)
        assert (heard["sphere"], heard["scheme"]) == (sphere, "plain")
        assert all_.carol.heard(sphere) == []
        assert thread not in str(all_.carol.frames)
        after = await all_.carol.post(sphere, "to all")
        assert after["seq"] == 4  # three arrivals, and no gap


async def test_a_thread_begins_with_who_is_in_it_and_every_device_of_theirs_is_told(
    house: House,
) -> None:
    async with cast(house) as all_, await house.person(all_.residents[1]) as phone:
        both = sorted([all_.ana.me, all_.bob.me])

        shown = await all_.bob.event("thread_added")
        listed = await phone.call("list")
        seen = await all_.read(phone)

        assert shown["thread"] == listed["threads"][0]
        assert shown["thread"] == {
            "thread": all_.thread,
            "sphere": all_.sphere,
            "members": both,
            "started_by": all_.ana.me,
            "head": 1,
            "read": 0,
        }
        (begun,) = seen
        assert (begun["type"], begun["seq"]) == ("thread_started", 1)
        assert (begun["by"], begun["members"]) == (all_.ana.me, both)
        await all_.carol.settled()
        assert (await all_.carol.call("list"))["threads"] == []
        assert [frame["type"] for frame in all_.carol.frames] == ["welcome", "spheres"]


async def test_to_converse_with_the_same_people_finds_the_same_thread(house: House) -> None:
    async with cast(house) as all_:
        ana, bob, carol = all_.ana, all_.bob, all_.carol
        again = await bob.converse(all_.sphere, ana.me)
        three = await carol.converse(all_.sphere, ana.me, bob.me)
        other_way = await ana.converse(all_.sphere, bob.me, carol.me)
        added = [frame for frame in ana.frames if frame["type"] == "thread_added"]

    assert again == all_.thread
    assert three == other_way != all_.thread
    assert len(added) == 2


async def test_a_thread_that_somebody_left_is_not_found_again_by_those_who_stayed(
    house: House,
) -> None:
    async with cast(house) as all_:
        ana, bob, carol = all_.ana, all_.bob, all_.carol
        three = await ana.converse(all_.sphere, bob.me, carol.me)
        await bob.call("leave", sphere=all_.sphere, thread=three)
        rest = await ana.converse(all_.sphere, carol.me)
        two = await ana.converse(all_.sphere, bob.me)
        anew = await ana.converse(all_.sphere, bob.me, carol.me)

    assert rest != three
    assert two == all_.thread
    assert anew not in {two, three}


async def test_nobody_can_be_added_and_who_joins_the_sphere_later_finds_no_thread(
    house: House,
) -> None:
    async with cast(house) as all_:
        dan = await house.resident(all_.residents[0].member.organisation, "Dan")
        await all_.say(all_.ana)
        async with await house.person(dan) as late:
            await all_.ana.call("invite", sphere=all_.sphere, member=dan.id)
            await late.call("join", sphere=all_.sphere)
            await all_.ana.call("configure", sphere=all_.sphere, revision=1, history="visible")

            refused = await late.refusal("history", sphere=all_.sphere, thread=all_.thread)
            listed = await late.call("list")
            own = await all_.ana.converse(all_.sphere, dan.id, revision=2)

    assert refused["code"] == "not_found"
    assert listed["threads"] == []
    assert own != all_.thread


@pytest.mark.parametrize("stranger", ["outsider", "foreigner", "nobody", "myself", "twice"])
async def test_only_members_of_the_sphere_can_be_chosen_each_once(
    house: House, stranger: str
) -> None:
    async with cast(house) as all_:
        acme = all_.residents[0].member.organisation
        other = await house.organisation("umbrella")
        chosen = {
            "outsider": [all_.bob.me, (await house.resident(acme, "Out")).id],
            "foreigner": [all_.bob.me, (await house.resident(other, "Eve")).id],
            "nobody": [all_.bob.me, NOWHERE],
            "myself": [all_.bob.me, all_.ana.me],
            "twice": [all_.bob.me, all_.bob.me],
        }[stranger]

        refused = await all_.ana.refusal("converse", sphere=all_.sphere, revision=1, members=chosen)

        await all_.bob.settled()
        added = [frame for frame in all_.bob.frames if frame["type"] == "thread_added"]
    expected = "invalid_field" if stranger in {"myself", "twice"} else "not_found"
    assert refused["code"] == expected
    assert len(added) == 1


async def test_who_declines_is_not_drawn_into_new_threads_and_keeps_those_there_are(
    house: House,
) -> None:
    async with cast(house) as all_, await house.person(all_.residents[1]) as phone:
        ana, bob, carol, sphere = all_.ana, all_.bob, all_.carol, all_.sphere
        await bob.call("prefer", private="decline")

        told = await phone.event("preferred")
        everywhere = await ana.refusal(
            "converse", sphere=sphere, revision=1, members=[bob.me, carol.me]
        )
        same = await ana.converse(sphere, bob.me)
        await bob.call("prefer", sphere=sphere, private="accept")
        here = await carol.converse(sphere, bob.me)
        await bob.call("prefer", sphere=sphere, private="decline")
        refused = await ana.refusal(
            "converse", sphere=sphere, revision=1, members=[bob.me, carol.me]
        )
        listed = await bob.call("list")
        await bob.call("prefer", private="accept")
        await bob.call("prefer", sphere=sphere, private="usual")
        after = await ana.converse(sphere, bob.me, carol.me)
        own = (await bob.call("list"))["spheres"][0]

    assert told == {
        "type": "preferred", "sphere": None, "private": "decline", "default_thread": None
    }  # fmt: skip
    assert everywhere == refused
    assert (refused["code"], refused["temporary"]) == ("declined", False)
    assert same == all_.thread
    assert len({same, here, after}) == 3
    assert (listed["private"], listed["spheres"][0]["private"]) == ("decline", "decline")
    assert "private" not in own


async def test_where_my_messages_go_first_is_known_to_my_devices_alone(house: House) -> None:
    async with cast(house) as all_, await house.person(all_.residents[0]) as phone:
        sphere, thread = all_.sphere, all_.thread
        await all_.ana.call("prefer", sphere=sphere, thread=thread)
        told = await phone.event("preferred", default_thread=thread)
        shown = (await phone.call("subscribe", sphere=sphere))["sphere"]
        theirs = (await all_.bob.call("subscribe", sphere=sphere))["sphere"]
        await all_.ana.call("prefer", sphere=sphere, private="accept")
        kept = (await phone.call("list"))["spheres"][0]
        await all_.ana.call("prefer", sphere=sphere, whole=True)
        whole = (await phone.call("list"))["spheres"][0]
        foreign = await all_.carol.refusal("prefer", sphere=sphere, thread=thread)
        missing = await all_.carol.refusal("prefer", sphere=sphere, thread=NOWHERE)
        await all_.bob.settled()

    assert told["sphere"] == sphere
    assert shown["default_thread"] == kept["default_thread"] == thread
    assert "default_thread" not in theirs
    assert "default_thread" not in whole
    assert foreign == missing
    assert not [frame for frame in all_.bob.frames if frame["type"] == "preferred"]


@pytest.mark.parametrize(
    "fields",
    [
        {"private": "usual"},
        {"whole": True},
        {"thread": NOWHERE},
        {"sphere": NOWHERE, "thread": NOWHERE, "whole": True},
    ],
)
async def test_a_preference_that_makes_no_sense_is_refused(
    house: House, fields: dict[str, Any]
) -> None:
    async with await house.person(await house.resident(await house.organisation(), "Ana")) as ana:
        assert (await ana.refusal("prefer", **fields))["code"] == "invalid_field"


async def test_a_private_message_names_its_destination_as_any_other(house: House) -> None:
    async with cast(house) as all_:
        sphere = all_.sphere
        await all_.ana.call(
            "configure", sphere=sphere, revision=1, name="Engineering", audience="open"
        )

        stale = await all_.bob.refusal(
            "post", sphere=sphere, thread=all_.thread, revision=1, client_id="stale-one",
            sealed=all_.bob.sealed(WORDS),
        )  # fmt: skip
        stale_start = await all_.bob.refusal(
            "converse", sphere=sphere, revision=1, members=[all_.ana.me]
        )
        posted = await all_.bob.whisper(sphere, all_.thread, WORDS, revision=2)

    assert stale["code"] == stale_start["code"] == "stale_destination"
    assert stale["destination"] == stale_start["destination"] == {
        "sphere": sphere, "name": "Engineering", "audience": "open", "history": "hidden",
        "revision": 2,
    }  # fmt: skip
    assert posted["seq"] == 2


async def test_a_private_post_is_stored_once_whatever_is_sent_again(house: House) -> None:
    async with cast(house) as all_:
        ana, sphere, thread = all_.ana, all_.sphere, all_.thread
        first = await ana.whisper(sphere, thread, WORDS, client_id="the-same-id")
        second = await ana.whisper(sphere, thread, WORDS, client_id="the-same-id")
        to_all = await ana.post(sphere, WORDS, client_id="the-same-id")
        other = await ana.refusal(
            "post", sphere=sphere, thread=thread, revision=1, client_id="the-same-id",
            sealed=b"other words",
        )  # fmt: skip
        scheme = await ana.refusal(
            "post", sphere=sphere, thread=thread, revision=1, client_id="the-same-id",
            sealed=WORDS.encode(), scheme="mls-1",
        )  # fmt: skip
        seen = await all_.read(all_.bob)

    assert (first["seq"], first["at"]) == (second["seq"], second["at"])
    assert (first["seq"], to_all["seq"]) == (2, 4)
    assert other["code"] == scheme["code"] == "client_id_reused"
    assert words_of(seen) == [WORDS]


async def test_the_server_keeps_what_a_scheme_seals_byte_for_byte(house: House) -> None:
    opaque = bytes(range(256))
    async with cast(house) as all_, await house.person(all_.residents[1]) as phone:
        await all_.ana.call(
            "post", sphere=all_.sphere, thread=all_.thread, revision=1, client_id="opaque-1",
            sealed=opaque, scheme="mls-1",
        )  # fmt: skip
        *_, seen = await all_.read(phone)

    assert (seen["scheme"], seen["sealed"]) == ("mls-1", opaque)


@pytest.mark.parametrize(
    "fields",
    [
        {"thread": True, "body": "in the clear"},
        {"thread": True, "body": "in the clear", "sealed": b"sealed"},
        {"thread": True},
        {"thread": True, "sealed": b""},
        {"thread": True, "sealed": b"x" * 48_001},
        {"thread": True, "sealed": b"x", "scheme": "Not A Scheme"},
        {"sealed": b"sealed"},
        {"body": "to all", "sealed": b"sealed"},
        {"body": "to all", "scheme": "mls-1"},
        {},
    ],
    ids=str,
)
async def test_what_is_private_is_sealed_and_what_is_for_all_is_not(
    house: House, fields: dict[str, Any]
) -> None:
    async with cast(house) as all_:
        sent = dict(fields)
        if sent.pop("thread", None):
            sent["thread"] = all_.thread
        refused = await all_.ana.refusal(
            "post", sphere=all_.sphere, revision=1, client_id="a-fault-1", **sent
        )
        head = (await all_.read(all_.ana))[-1]["seq"]

    assert (refused["code"], head) == ("invalid_field", 1)


async def test_the_longest_private_message_fits_in_a_frame_of_both_encodings(
    house: House,
) -> None:
    async with cast(house) as all_:
        for person in (all_.ana, all_.bob):
            await person.whisper(all_.sphere, all_.thread, "x" * 48_000)
        seen = words_of(await all_.read(all_.ana))

    assert [len(words) for words in seen] == [48_000, 48_000]


async def test_resuming_in_a_thread_fills_the_gap_exactly_once(house: House) -> None:
    async with cast(house) as all_:
        ana, sphere, thread = all_.ana, all_.sphere, all_.thread
        head = (await ana.call("subscribe", sphere=sphere, thread=thread))["thread"]["head"]
        await ana.call("unsubscribe", sphere=sphere, thread=thread)
        for number in range(3):
            await all_.say(all_.bob, f"word {number}")

        again = await ana.call("subscribe", sphere=sphere, thread=thread, after=head)
        missed = await all_.read(ana, after=head)
        await all_.say(all_.bob, "live")
        await ana.event("private_posted", seq=again["thread"]["head"] + 1)

    assert (again["type"], again["purges"], again["former"]) == ("listening", [], [])
    assert words_of(missed) == ["word 0", "word 1", "word 2"]
    assert [event["seq"] for event in ana.heard(sphere, thread)] == [5]


async def test_a_manager_a_guest_and_who_administers_may_be_chosen_and_read_that_thread_alone(
    house: House,
) -> None:
    async with cast(house) as all_:
        acme = all_.residents[0].member.organisation
        boss = await house.resident(acme, "Max", MemberRole.MANAGER)
        await all_.say(all_.bob)
        async with await house.person(boss) as manager:
            await manager.call("enter", sphere=all_.sphere)
            with_boss = await all_.carol.converse(all_.sphere, boss.id)
            await all_.carol.whisper(all_.sphere, with_boss, "a word with you")

            theirs = await manager.history(all_.sphere, thread=with_boss)
            refused = await manager.refusal("history", sphere=all_.sphere, thread=all_.thread)
            listed = [one["thread"] for one in (await manager.call("list"))["threads"]]

    assert words_of(theirs) == ["a word with you"]
    assert refused["code"] == "not_found"
    assert listed == [with_boss]


async def test_a_member_takes_part_in_as_many_threads_as_the_server_allows(
    tight_house: House,
) -> None:
    house = tight_house
    async with cast(house) as all_:
        ana, bob, carol, sphere = all_.ana, all_.bob, all_.carol, all_.sphere
        await ana.converse(sphere, carol.me)
        own = await ana.refusal("converse", sphere=sphere, revision=1, members=[bob.me, carol.me])
        theirs = await bob.refusal(
            "converse", sphere=sphere, revision=1, members=[ana.me, carol.me]
        )
        await carol.call("prefer", sphere=sphere, private="decline")
        declined = await bob.refusal("converse", sphere=sphere, revision=1, members=[carol.me])
        found = await bob.converse(sphere, ana.me)
        await ana.call("leave", sphere=sphere, thread=all_.thread)
        await carol.call("prefer", sphere=sphere, private="usual")
        room = await bob.converse(sphere, ana.me, carol.me)

    assert own["code"] == "full"
    assert theirs == declined  # how many others take part in is nobody's affair
    assert found == all_.thread
    assert room


# -- ids

OF_A_SPHERE = sorted(
    str(one.__struct_config__.tag)
    for one in get_args(commands.AnyCommand)
    if "sphere" in one.__struct_fields__
)
OF_A_THREAD = sorted(
    str(one.__struct_config__.tag)
    for one in get_args(commands.AnyCommand)
    if "thread" in one.__struct_fields__
)
#: What each command needs beside the sphere; the others need nothing.
FIELDS: dict[str, Frame] = {
    "post": {"revision": 1, "client_id": "client-0001", "body": "hello"},
    "configure": {"revision": 1, "name": "Another"},
    "invite": {"address": "nobody@nowhere.example"},
    "invite_visitor": {"address": "nobody@nowhere.example"},
    "bequeath": {"form": "none"},
    "install_connector": {"name": "Builds"},
    "revoke_connector": {"connector": NOWHERE},
    "describe": {"field": "title", "value": "x", "visibility": "sphere"},
    "converse": {"revision": 1},
    "prefer": {"private": "decline"},
    "edit": {"revision": 1, "message": 1, "body": "other words"},
    "delete": {"message": 1},
    "react": {"message": 1, "reaction": "yes"},
    "mark_read": {"seq": 1},
    "attach": {"size": 1, "name": "a.txt", "media_type": "text/plain"},
}


def _ask(kind: str, all_: Cast, place: dict[str, str]) -> Frame:
    fields = dict(FIELDS.get(kind, {}))
    if kind == "uninvite":
        fields["address"] = "nobody@nowhere.example"
    if kind in {"remove", "appoint", "profile", "refuse"}:
        fields["member"] = all_.bob.me
    if kind == "converse":
        fields["members"] = [all_.bob.me]
    if kind in {"post", "edit"} and "thread" in place:
        del fields["body"]
        fields["sealed"] = WORDS.encode()
    if kind == "prefer" and "thread" in place:
        del fields["private"]
    return fields | place


async def _raw(person: Person, kind: str, fields: Frame) -> Frame:
    """Return the whole answer but for its id."""
    answer = dict(await person.answer(await person.send(kind, **fields)))
    del answer["id"]
    return answer


async def test_the_id_of_a_thread_in_the_place_of_a_spheres_is_the_id_of_nothing(
    house: House, subtests: pytest.Subtests
) -> None:
    async with cast(house) as all_:
        acme = all_.residents[0].member.organisation
        boss = await house.resident(acme, "Max", MemberRole.MANAGER)
        await all_.ana.call("subscribe", sphere=all_.sphere, thread=all_.thread)
        async with await house.person(boss) as manager:
            for kind in OF_A_SPHERE:
                with subtests.test(kind):
                    people = all_.ana, all_.carol, manager
                    await _check_it_is_nothing(all_, kind, people)
        await all_.say(all_.bob)
        heard = await all_.ana.event("private_posted")

    assert words_of([heard]) == [WORDS]  # and whoever listened still does


async def _check_it_is_nothing(all_: Cast, kind: str, people: tuple[Person, ...]) -> None:
    answers = [
        [
            await _raw(person, kind, _ask(kind, all_, {"sphere": place}))
            for place in (NOWHERE, all_.thread)
        ]
        for person in people
    ]
    for nothing, there in answers:
        assert there == nothing
        assert there["type"] == "error"
    assert {there["error"]["code"] for _, there in answers} <= {"not_found", "not_allowed"}
    assert answers[0][1]["error"]["code"] == ("not_allowed" if kind == "enter" else "not_found")


async def test_a_thread_answers_under_its_own_sphere_and_to_its_participants_alone(
    house: House, subtests: pytest.Subtests
) -> None:
    async with cast(house) as all_:
        other = await house.sphere(*all_.residents, name="Other")
        theirs = await all_.bob.converse(all_.sphere, all_.carol.me)
        await all_.ana.call("subscribe", sphere=all_.sphere, thread=all_.thread)
        wrong = {
            "nothing": {"sphere": all_.sphere, "thread": NOWHERE},
            "a sphere": {"sphere": all_.sphere, "thread": all_.sphere},
            "another sphere": {"sphere": all_.sphere, "thread": other},
            "the wrong sphere": {"sphere": other, "thread": all_.thread},
            "no sphere": {"sphere": NOWHERE, "thread": all_.thread},
            "twice the thread": {"sphere": all_.thread, "thread": all_.thread},
            "a thread of others": {"sphere": all_.sphere, "thread": theirs},
        }
        for kind in OF_A_THREAD:
            with subtests.test(kind):
                await _check_it_is_not_there(all_, kind, wrong)
        await all_.say(all_.bob)
        heard = await all_.ana.event("private_posted")

    assert words_of([heard]) == [WORDS]  # and whoever listened still does


async def _check_it_is_not_there(all_: Cast, kind: str, wrong: dict[str, dict[str, str]]) -> None:
    answers = {
        name: await _raw(all_.ana, kind, _ask(kind, all_, place)) for name, place in wrong.items()
    }
    right = {"sphere": all_.sphere, "thread": all_.thread}
    outside = await _raw(all_.carol, kind, _ask(kind, all_, right))

    assert answers == dict.fromkeys(wrong, answers["nothing"])
    assert outside == answers["nothing"]
    assert answers["nothing"]["error"]["code"] == "not_found"


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe", "typing"])
async def test_a_sphere_is_no_thread_of_itself(house: House, kind: str) -> None:
    async with cast(house) as all_:
        await all_.ana.call("subscribe", sphere=all_.sphere)
        await all_.bob.call("subscribe", sphere=all_.sphere)

        refused = await all_.bob.refusal(kind, sphere=all_.sphere, thread=all_.sphere)

        assert refused["code"] == "not_found"
        await all_.ana.post(all_.sphere, "to all")
        await all_.bob.event("message_posted", body="to all")
        assert not [one for one in all_.ana.frames if one["type"] == "typing"]


async def test_a_post_under_the_wrong_sphere_is_refused_beside_one_that_is_right(
    house: House,
) -> None:
    async with cast(house) as all_:
        other = await house.sphere(*all_.residents, name="Other")
        asked = [
            await all_.ana.send(
                "post", sphere=sphere, thread=all_.thread, revision=1,
                client_id="one-and-the-same", sealed=WORDS.encode(),
            )
            for _ in range(20)
            for sphere in (all_.sphere, other)
        ]  # fmt: skip
        answers = [await all_.ana.answer(one) for one in asked]
        seen = words_of(await all_.read(all_.bob))

    assert {answer["type"] for answer in answers[::2]} == {"posted"}
    assert {answer["error"]["code"] for answer in answers[1::2]} == {"not_found"}
    assert seen == [WORDS]


# -- nobody else's tools


async def test_no_list_overview_or_export_of_others_shows_a_thread(house: House) -> None:
    async with cast(house) as all_:
        acme = all_.residents[0].member.organisation
        boss = await house.resident(acme, "Max", MemberRole.MANAGER)
        await all_.say(all_.ana)
        async with await house.person(boss) as manager:
            overview = await manager.call("oversee")
            listed = await manager.call("list")
            await manager.call("enter", sphere=all_.sphere)
            inside = await manager.call("subscribe", sphere=all_.sphere)
            pages = await manager.history(all_.sphere)
            exported = await _export(house, manager)
        others = await _export(house, all_.carol)

    assert [one["sphere"] for one in overview["spheres"]] == [all_.sphere]
    assert listed["threads"] == []
    for shown in (overview, inside, pages, exported, others):
        assert all_.thread not in str(shown)
    assert not [line for line in exported + others if line["type"] == "thread"]


async def test_i_take_along_the_private_messages_that_i_wrote_and_nobody_elses(
    house: House,
) -> None:
    async with cast(house) as all_:
        await all_.say(all_.ana, "mine")
        await all_.say(all_.bob, "theirs")
        mine = await _export(house, all_.ana)
        await all_.ana.call("bequeath", sphere=all_.sphere, form="named")
        await all_.ana.call("leave", sphere=all_.sphere)
        after = await _export(house, all_.ana)

    message = {
        "type": "message", "sphere": all_.sphere, "thread": all_.thread, "seq": 2,
        "scheme": "plain", "sealed": "bWluZQ==",
    }  # fmt: skip
    for lines in (mine, after):
        (private,) = [line for line in lines if line["type"] == "message"]
        (thread,) = [line for line in lines if line["type"] == "thread"]
        assert {name: private[name] for name in message} == message
        assert thread == {"type": "thread", "sphere": all_.sphere, "thread": all_.thread}
        assert [line["sphere"] for line in lines if line["type"] == "sphere"] == [all_.sphere]
        assert all_.bob.me not in str(lines)


async def _export(house: House, person: Person) -> list[Frame]:
    status, _, body = await asyncio.to_thread(
        call_http,
        house.url,
        "GET",
        "/v1/export",
        headers={"authorization": f"Bearer {person.token}"},
    )
    assert status == 200
    return [json.loads(line) for line in body.decode().splitlines()]


async def test_a_new_name_is_told_in_the_sphere_and_not_again_in_its_threads(
    house: House,
) -> None:
    async with cast(house) as all_:
        await all_.bob.call("subscribe", sphere=all_.sphere)
        await all_.bob.call("subscribe", sphere=all_.sphere, thread=all_.thread)
        await all_.ana.call("rename", name="Anna")
        await all_.bob.event("member_renamed")
        seen = await all_.read(all_.bob)

    assert [event["type"] for event in seen] == ["thread_started"]
    assert [event["type"] for event in all_.bob.heard(all_.sphere)] == ["member_renamed"]
