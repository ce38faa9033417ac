"""Promise 6, of what hangs on messages: who may not see a message learns nothing about it.

Each case is one that leaked somewhere: an edit told to who came after, a reaction, a count, a
deletion, a quotation, an answer that tells «hidden» from «not there».
"""

from __future__ import annotations

from typing import Any

import pytest

from server.protocol.scalars import MemberRole
from tests.house import House, Resident
from tests.people import Frame, Person

ABOUT = ("message", "reply_to", "reaction", "body", "mentions")


async def _hang(author: Person, other: Person, sphere: str, message: int, revision: int) -> None:
    """Let everything happen to a message that can; it is gone at the end."""
    await other.call("react", sphere=sphere, message=message, reaction="👍")
    await author.call("react", sphere=sphere, message=message, reaction="👍")
    await other.call("react", sphere=sphere, message=message, reaction="👍", on=False)
    await author.call("edit", sphere=sphere, revision=revision, message=message, body="otherwise")
    await other.call(
        "post", sphere=sphere, revision=revision, client_id=f"answer-{message}", body="yes",
        reply_to=message,
    )  # fmt: skip
    await author.call("delete", sphere=sphere, message=message)


EVERYTHING = [
    "reaction_added",
    "reaction_added",
    "reaction_removed",
    "message_edited",
    "message_posted",
    "message_deleted",
]


class Told:
    """What somebody was told in every way there is, from a seq on."""

    def __init__(self, live: list[Frame], history: list[Frame], purges: list[Frame]) -> None:
        self.live = live
        self.history = history
        self.purges = purges


async def _told(house: House, who: Resident, person: Person, sphere: str, start: int) -> Told:
    await person.settled()
    live = [event for event in person.heard(sphere) if event["seq"] > start]
    history = [event for event in await person.history(sphere, limit=500) if event["seq"] > start]
    async with await house.person(who) as device:
        back = await device.call("subscribe", sphere=sphere, after=start)
    return Told(live, history, back["purges"])


async def _scene(house: House) -> tuple[Resident, Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    newcomer = await house.resident(acme, "Carol", MemberRole.MANAGER)
    return ana, bob, newcomer, await house.sphere(ana, bob)


async def test_a_newcomer_is_told_nothing_of_what_happens_to_a_message_from_before(
    house: House,
) -> None:
    ana, bob, carol, sphere = await _scene(house)
    people = [await house.person(one) for one in (ana, bob, carol)]
    author, other, newcomer = people
    message = (await author.post(sphere, "before"))["seq"]
    await author.call("invite", sphere=sphere, member=carol.id)
    horizon = (await newcomer.call("join", sphere=sphere))["sphere"]["horizon"]
    for person in people:
        await person.call("subscribe", sphere=sphere)

    await _hang(author, other, sphere, message, 1)

    told = await _told(house, carol, newcomer, sphere, horizon)
    old = await _told(house, bob, other, sphere, horizon)
    for person in people:
        await person.close()
    for events in (told.live, told.history):
        answer = events[4]
        assert [event["type"] for event in events] == [
            "message_posted" if n == 4 else "erased" for n in range(6)
        ]
        assert "reply_to" not in answer
        assert answer["body"] == "yes"
        assert all(set(one) == {"type", "sphere", "seq", "at"} for one in events if one != answer)
    assert told.purges == []
    assert [event["type"] for event in old.live] == EVERYTHING
    assert old.live[4]["reply_to"] == message
    assert [purge["message"] for purge in old.purges] == [message]


async def test_whoever_may_see_a_message_from_before_is_told_all_of_it(house: House) -> None:
    ana, bob, carol, sphere = await _scene(house)
    people = [await house.person(one) for one in (ana, bob, carol)]
    author, other, newcomer = people
    await author.call("configure", sphere=sphere, revision=1, history="visible")
    message = (await author.post(sphere, "before", revision=2))["seq"]
    await author.call("invite", sphere=sphere, member=carol.id)
    horizon = (await newcomer.call("join", sphere=sphere))["sphere"]["horizon"]
    await newcomer.call("subscribe", sphere=sphere)

    await _hang(author, other, sphere, message, 2)

    told = await _told(house, carol, newcomer, sphere, horizon)
    for person in people:
        await person.close()
    assert [event["type"] for event in told.live] == EVERYTHING
    assert told.live[4]["reply_to"] == told.history[4]["reply_to"] == message
    assert [purge["message"] for purge in told.purges] == [message]


async def test_a_manager_who_entered_is_told_nothing_of_what_is_below_though_newcomers_are(
    house: House,
) -> None:
    ana, bob, carol, sphere = await _scene(house)
    people = [await house.person(one) for one in (ana, bob, carol)]
    author, other, manager = people
    await author.call("configure", sphere=sphere, revision=1, history="visible")
    message = (await author.post(sphere, "before", revision=2))["seq"]
    entered = (await manager.call("enter", sphere=sphere))["sphere"]["horizon"]
    await manager.call("subscribe", sphere=sphere)

    await _hang(author, other, sphere, message, 2)

    told = await _told(house, carol, manager, sphere, entered)
    for person in people:
        await person.close()
    for events in (told.live, told.history):
        assert [event["type"] for event in events].count("erased") == 5
        assert not any("reply_to" in event for event in events)
    assert told.purges == []


async def test_an_edit_under_visible_history_shows_nothing_of_what_was_hidden(
    house: House,
) -> None:
    ana, bob, carol, sphere = await _scene(house)
    people = [await house.person(one) for one in (ana, bob, carol)]
    author, other, newcomer = people
    hidden = (await author.post(sphere, "hidden"))["seq"]
    await author.call("configure", sphere=sphere, revision=1, history="visible")
    await author.call("edit", sphere=sphere, revision=2, message=hidden, body="hidden still")
    await other.call("react", sphere=sphere, message=hidden, reaction="👍")
    shown = (await author.post(sphere, "shown", revision=2))["seq"]
    await author.call("configure", sphere=sphere, revision=2, history="hidden")
    await other.call("react", sphere=sphere, message=shown, reaction="hidden-too")
    await author.call("edit", sphere=sphere, revision=3, message=shown, body="shown, edited")
    await author.call("invite", sphere=sphere, member=carol.id)
    await newcomer.call("join", sphere=sphere)

    seen = await newcomer.history(sphere, limit=500)

    for person in people:
        await person.close()
    told: list[Any] = [event[key] for event in seen for key in ABOUT if key in event]
    assert not any(event["type"] == "erased" for event in seen), "not even a place"
    assert hidden not in told
    assert "hidden-too" not in told
    assert [word for word in told if isinstance(word, str)] == ["shown, edited"] * 2


FIELDS: dict[str, dict[str, Any]] = {
    "edit": {"revision": 1, "body": "mine"},
    "delete": {},
    "react": {"reaction": "👍"},
    "reply": {"revision": 1, "client_id": "a-client-id", "body": "yes"},
}


@pytest.mark.parametrize("kind", list(FIELDS))
async def test_what_is_hidden_from_me_is_to_every_command_as_what_was_never_there(
    house: House, kind: str
) -> None:
    ana, _, carol, sphere = await _scene(house)
    fields = FIELDS[kind]
    async with await house.person(ana) as author, await house.person(carol) as newcomer:
        hidden = (await author.post(sphere, "before"))["seq"]
        await author.call("invite", sphere=sphere, member=carol.id)
        horizon = (await newcomer.call("join", sphere=sphere))["sphere"]["horizon"]
        refusals = [
            await newcomer.refusal(
                "post" if kind == "reply" else kind,
                sphere=sphere,
                **fields,
                **{"reply_to" if kind == "reply" else "message": seq},
            )
            for seq in (hidden, horizon, 0, 10**6, 2**53 - 1)
        ]
        seen = await newcomer.history(sphere)

    assert {refusal["code"] for refusal in refusals} == {"not_found"}
    assert len({str(refusal) for refusal in refusals}) == 1
    assert [event["type"] for event in seen] == ["member_joined"]
