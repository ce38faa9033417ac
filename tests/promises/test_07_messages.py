"""Promise 7, of what hangs on private messages: it is for the participants, and goes with them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.house import House, Resident
from tests.people import Frame, words_of

WORDS = "the heron flies at dusk"


async def _furnished(house: House) -> tuple[Resident, Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    return ana, bob, carol, await house.sphere(ana, bob, carol)


def _types(events: list[Frame]) -> list[str]:
    return [event["type"] for event in events]


async def test_a_private_message_is_edited_answered_reacted_to_and_deleted(house: House) -> None:
    ana, bob, carol, sphere = await _furnished(house)
    async with (
        await house.person(ana) as author,
        await house.person(bob) as other,
        await house.person(carol) as outsider,
    ):
        thread = await author.converse(sphere, bob.id)
        await other.call("subscribe", sphere=sphere, thread=thread)
        await outsider.call("subscribe", sphere=sphere)
        place: dict[str, Any] = {"sphere": sphere, "thread": thread}
        message = (await author.whisper(sphere, thread, WORDS))["seq"]
        sealed = other.sealed("yes")
        answer = await other.call(
            "post", **place, revision=1, client_id="an-answer", sealed=sealed, reply_to=message,
            mentions=[ana.id],
        )  # fmt: skip
        await other.call("react", **place, message=message, reaction="👍")
        edit = {"revision": 1, "message": message, "sealed": author.sealed("at dawn")}
        await author.call("edit", **place, **edit)
        await author.call("edit", **place, **edit)
        read = await other.history(sphere, thread=thread)
        await author.call("delete", **place, message=message)
        await author.call("mark_read", **place, seq=answer["seq"])

        again = await other.history(sphere, thread=thread)
        back = await other.call("subscribe", sphere=sphere, thread=thread, after=message)
        mine = (await author.call("list"))["threads"][0]["read"]
        theirs = (await other.call("list"))["threads"][0]["read"]
        stranger = await other.refusal(
            "post", **place, revision=1, client_id="too-many", sealed=sealed, mentions=[carol.id]
        )
        await outsider.settled()
        overheard = outsider.heard(sphere)
        refusals = [
            await outsider.refusal(kind, sphere=sphere, thread=where, **fields)
            for where in (thread, "a" * 26)
            for kind, fields in (
                ("edit", edit | {"revision": 7, "sealed": outsider.sealed("mine")}),
                ("delete", {"message": message}),
                ("react", {"message": message, "reaction": "👍"}),
                ("mark_read", {"seq": 1}),
            )
        ]
    assert words_of(read) == ["at dawn", "yes"]
    assert read[1]["edited_at"]
    assert (read[2]["reply_to"], read[2]["mentions"]) == (message, [ana.id])
    assert _types(read)[3:] == ["reaction_added", "private_edited"]
    assert _types(again) == [
        "thread_started", "erased", "private_posted", "erased", "erased", "message_deleted",
    ]  # fmt: skip
    assert [purge["message"] for purge in back["purges"]] == [message]
    assert (mine, theirs) == (answer["seq"], 0)
    assert stranger["code"] == "invalid_field"
    assert overheard == []
    assert {refusal["code"] for refusal in refusals} == {"not_found"}
    assert len({str(refusal) for refusal in refusals}) == 1


async def test_the_words_of_an_edit_go_in_the_form_in_which_the_message_goes(house: House) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as author:
        thread = await author.converse(sphere, bob.id)
        private = (await author.whisper(sphere, thread, WORDS))["seq"]
        public = (await author.post(sphere, WORDS))["seq"]
        edit = {"sphere": sphere, "revision": 1}

        codes = [
            (await author.refusal("edit", **edit, **fields))["code"]
            for fields in (
                {"thread": thread, "message": private, "body": "in the clear"},
                {"message": public, "sealed": author.sealed("sealed")},
                {"message": public},
                {"thread": thread, "message": private},
            )
        ]
    assert codes == ["invalid_field"] * 4


@pytest.mark.parametrize(
    ("form", "words"),
    [("none", []), ("anonymous", ["at dawn"]), ("named", ["at dawn"])],
)
async def test_what_hangs_on_private_messages_goes_or_stays_as_bequeathed(
    house: House, form: str, words: list[str]
) -> None:
    ana, bob, _, sphere = await _furnished(house)
    async with await house.person(ana) as stays, await house.person(bob) as leaver:
        thread = await stays.converse(sphere, bob.id)
        place: dict[str, Any] = {"sphere": sphere, "thread": thread}
        mine = (await leaver.whisper(sphere, thread, WORDS))["seq"]
        hers = (await stays.whisper(sphere, thread, "mine stays"))["seq"]
        sealed = leaver.sealed("at dawn")
        await leaver.call("edit", **place, revision=1, message=mine, sealed=sealed)
        await leaver.call("react", **place, message=hers, reaction="by-bob")
        await stays.call("react", **place, message=mine, reaction="by-ana")
        await leaver.call("bequeath", sphere=sphere, form=form)
        await leaver.call("leave", sphere=sphere)

        after = await stays.history(sphere, thread=thread)
        await leaver.answer(await leaver.send("bequeath", sphere=sphere, form="none"))
        finally_ = await stays.history(sphere, thread=thread)
    reactions = [event["reaction"] for event in after if event["type"] == "reaction_added"]
    assert words_of(after) == [*words, "mine stays"]
    assert (
        sorted(reactions)
        == {
            "none": [],
            "anonymous": ["by-ana"],
            "named": ["by-ana", "by-bob"],
        }[form]
    )
    assert _types(after).count("private_edited") == (form == "named")
    assert words_of(finally_) == ["mine stays"]
    assert not {"reaction_added", "private_edited"} & set(_types(finally_))
