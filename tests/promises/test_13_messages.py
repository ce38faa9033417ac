"""Promise 13, of single messages: what is edited or deleted is gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.house import House, Resident
from tests.people import Frame

WORDS = "the heron flies at dusk"


async def _furnished(house: House) -> tuple[Resident, Resident, str]:
    acme = await house.organisation()
    ana, bob = await house.resident(acme, "Ana"), await house.resident(acme, "Bob")
    return ana, bob, await house.sphere(ana, bob)


def _sealed(house: House, sphere: str, seq: int) -> bytes:
    """Return the bytes that are stored at a place."""
    with closing(sqlite3.connect(house.folder / "cloison.sqlite3")) as file:
        found = file.execute(
            "SELECT content FROM event WHERE sphere = ? AND seq = ?", (sphere, seq)
        ).fetchone()
    return bytes(found[0])


def _in_files(house: House, sealed: bytes) -> bool:
    return any(sealed in path.read_bytes() for path in house.database_files)


def _messages(events: list[Frame]) -> dict[int, Any]:
    return {event["seq"]: event["body"] for event in events if event["type"] == "message_posted"}


@pytest.mark.embedded
async def test_an_edit_puts_other_words_in_the_place_and_the_former_ones_are_in_no_file(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as author, await house.person(bob) as reader:
        await reader.call("subscribe", sphere=sphere)
        seq = (await author.post(sphere, WORDS))["seq"]
        former = _sealed(house, sphere, seq)
        edit = {"sphere": sphere, "revision": 1, "message": seq}

        await author.call("edit", **edit, body="at dawn")

        told = await reader.event("message_edited")
        once = _in_files(house, former)
        first_edit = _sealed(house, sphere, told["seq"])
        await author.call("edit", **edit, body="at noon")
        seen = await reader.history(sphere)
    assert (told["author"], told["message"], told["body"]) == (ana.id, seq, "at dawn")
    assert not once
    assert not _in_files(house, first_edit)
    assert _messages(seen) == {seq: "at noon"}
    after = [event for event in seen if event["seq"] >= seq]
    assert after[0]["edited_at"] == after[-1]["at"]
    assert [event["type"] for event in after[1:]] == ["erased", "message_edited"]


async def test_the_same_words_again_are_done_and_nobody_hears_of_it(house: House) -> None:
    ana, _, sphere = await _furnished(house)
    async with await house.person(ana) as author:
        await author.call("subscribe", sphere=sphere)
        seq = (await author.post(sphere, WORDS))["seq"]

        for revision in (1, 7):
            done = await author.call(
                "edit", sphere=sphere, revision=revision, message=seq, body=WORDS
            )

        await author.settled()
        heard = author.heard(sphere)
    assert done["type"] == "done"
    assert [event["seq"] for event in heard] == [seq]


@pytest.mark.embedded
async def test_a_deletion_takes_the_message_its_edits_and_the_reactions_along(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as author, await house.person(bob) as reader:
        await reader.call("subscribe", sphere=sphere)
        seq = (await author.post(sphere, WORDS, client_id="client-id-of-ana"))["seq"]
        await reader.call("react", sphere=sphere, message=seq, reaction="👍")
        await author.call("edit", sphere=sphere, revision=1, message=seq, body="at dawn")
        former = [_sealed(house, sphere, place) for place in (seq, seq + 1, seq + 2)]

        await author.call("delete", sphere=sphere, message=seq)

        told = await reader.event("message_deleted", message=seq)
        seen = await reader.history(sphere)
        again = await author.refusal("delete", sphere=sphere, message=seq)
    assert not any(_in_files(house, sealed) for sealed in former)
    assert "author" not in told
    after = [event for event in seen if event["seq"] >= seq]
    assert [event["type"] for event in after] == ["erased"] * 3 + ["message_deleted"]
    assert set(after[0]) == {"type", "sphere", "seq", "at"}
    assert again["code"] == "not_found"


async def test_who_was_away_is_told_to_forget_a_deleted_message_before_anything_is_replayed(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as author:
        kept, gone = [(await author.post(sphere, f"{WORDS} {n}"))["seq"] for n in range(2)]
        async with await house.person(bob) as reader:
            await reader.call("subscribe", sphere=sphere)
        await author.call("delete", sphere=sphere, message=gone)

        async with await house.person(bob) as reader:
            back = await reader.call("subscribe", sphere=sphere, after=gone)
            up_to_date = await reader.call("subscribe", sphere=sphere, after=gone + 1)
            seen = await reader.history(sphere)
    assert back["purges"] == [{"author": ana.id, "before": gone + 1, "message": gone}]
    assert up_to_date["purges"] == []
    assert list(_messages(seen)) == [kept]


async def test_a_reply_keeps_its_reference_when_what_it_answers_is_gone(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as author, await house.person(bob) as other:
        deleted, left = (
            (await author.post(sphere, WORDS))["seq"],
            (await other.post(sphere, WORDS))["seq"],
        )
        for target in (deleted, left):
            await author.call(
                "post", sphere=sphere, revision=1, client_id=f"answer-to-{target}", body="yes",
                reply_to=target,
            )  # fmt: skip

        await author.call("delete", sphere=sphere, message=deleted)
        await other.call("leave", sphere=sphere)

        seen = await author.history(sphere)
        late = await author.refusal(
            "post", sphere=sphere, revision=1, client_id="too-late", body="yes", reply_to=deleted
        )
    replies = [event["reply_to"] for event in seen if event["type"] == "message_posted"]
    assert replies == [deleted, left]
    assert late["code"] == "not_found"


async def test_a_post_sent_again_after_its_deletion_or_edit_is_not_posted_again(
    house: House,
) -> None:
    ana, _, sphere = await _furnished(house)
    async with await house.person(ana) as author:
        deleted = await author.post(sphere, WORDS, client_id="is-deleted")
        edited = await author.post(sphere, WORDS, client_id="is-edited")
        await author.call("delete", sphere=sphere, message=deleted["seq"])
        await author.call("edit", sphere=sphere, revision=1, message=edited["seq"], body="at dawn")

        again = [
            await author.post(sphere, WORDS, client_id=client_id)
            for client_id in ("is-deleted", "is-edited")
        ]

        seen = await author.history(sphere)
    assert [(one["seq"], one["at"]) for one in again] == [
        (one["seq"], one["at"]) for one in (deleted, edited)
    ]
    assert list(_messages(seen).values()) == ["at dawn"]


async def _hung(house: House, ana: Resident, bob: Resident, sphere: str) -> int:
    """Let Bob post, edit, delete and react, and Ana react to him; return his message's place."""
    async with await house.person(bob) as leaver, await house.person(ana) as stays:
        mine = (await leaver.post(sphere, WORDS))["seq"]
        hers = (await stays.post(sphere, "what Ana says"))["seq"]
        gone = (await leaver.post(sphere, "soon gone"))["seq"]
        await leaver.call("edit", sphere=sphere, revision=1, message=mine, body="at dawn")
        await leaver.call("delete", sphere=sphere, message=gone)
        await leaver.call("react", sphere=sphere, message=hers, reaction="by-bob")
        await leaver.call("react", sphere=sphere, message=mine, reaction="by-bob")
        await stays.call("react", sphere=sphere, message=mine, reaction="by-ana")
    return int(mine)


def _reactions(events: list[Frame]) -> list[str]:
    return [event["reaction"] for event in events if event["type"] == "reaction_added"]


@pytest.mark.parametrize(
    ("form", "message", "reactions", "edits"),
    [
        ("none", None, [], 0),
        ("anonymous", "at dawn", ["by-ana"], 0),
        ("named", "at dawn", ["by-bob", "by-bob", "by-ana"], 1),
    ],
)
async def test_edits_and_reactions_go_or_stay_as_their_author_bequeathed_and_a_withdrawal_takes_all(
    house: House, form: str, message: str | None, reactions: list[str], edits: int
) -> None:
    ana, bob, sphere = await _furnished(house)
    mine = await _hung(house, ana, bob, sphere)
    async with await house.person(bob) as leaver, await house.person(ana) as stays:
        await leaver.call("bequeath", sphere=sphere, form=form)
        await leaver.call("leave", sphere=sphere)

        after = await stays.history(sphere)
        resumed = await stays.call("subscribe", sphere=sphere, after=mine)
        withdrawn = await leaver.send("bequeath", sphere=sphere, form="none")
        await leaver.answer(withdrawn)
        finally_ = await stays.history(sphere)
    authors = {event["author"] for event in after if event["type"] == "message_posted"}
    assert _messages(after).get(mine) == message
    assert sorted(_reactions(after)) == sorted(reactions)
    assert [event["type"] for event in after].count("message_edited") == edits
    assert (bob.id in authors) is (form == "named")
    assert len(authors) == (1 if form == "none" else 2)
    assert any("message" in purge for purge in resumed["purges"]) is (form == "named")
    assert list(_messages(finally_).values()) == ["what Ana says"]
    assert _reactions(finally_) == []
    assert not any(event["type"] == "message_edited" for event in finally_)


async def test_who_mentions_themselves_is_not_named_by_what_they_leave_anonymously(
    house: House,
) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(bob) as leaver, await house.person(ana) as stays:
        await leaver.call(
            "post", sphere=sphere, revision=1, client_id="mentions-both", body="us two",
            mentions=[bob.id, ana.id],
        )  # fmt: skip
        await leaver.call("bequeath", sphere=sphere, form="anonymous")
        await leaver.call("leave", sphere=sphere)

        (kept,) = [
            event for event in await stays.history(sphere) if event["type"] == "message_posted"
        ]
    assert kept["mentions"] == [ana.id]


async def test_nobody_edits_or_deletes_what_is_not_theirs_under_their_name(house: House) -> None:
    ana, bob, sphere = await _furnished(house)
    async with await house.person(ana) as host, await house.person(bob) as guest:
        await host.call("configure", sphere=sphere, revision=1, history="visible")
        others = (await host.post(sphere, "hers", revision=2))["seq"]
        aliased = (await guest.post(sphere, "left anonymously", revision=2))["seq"]
        await guest.call("bequeath", sphere=sphere, form="anonymous")
        await guest.call("leave", sphere=sphere)
        await _back(host, guest, sphere, bob)
        named = (await guest.post(sphere, "left under the name", revision=2))["seq"]
        await guest.call("bequeath", sphere=sphere, form="named")
        await guest.call("leave", sphere=sphere)
        await _back(host, guest, sphere, bob)

        refusals = {
            (kind, seq): await guest.refusal(
                kind, sphere=sphere, message=seq, **({} if kind == "delete" else edit)
            )
            for kind, edit in (("delete", {}), ("edit", {"revision": 2, "body": "mine"}))
            for seq in (1, others, aliased, named, 10**6)
            if (kind, seq) != ("delete", named)
        }
        await guest.call("delete", sphere=sphere, message=named)
        seen = await guest.history(sphere)
    assert len({str(refusal) for refusal in refusals.values()}) == 1
    assert refusals["edit", 1]["code"] == "not_found"
    assert list(_messages(seen).values()) == ["hers", "left anonymously"]


async def _back(host: Any, guest: Any, sphere: str, who: Resident) -> None:
    await host.call("invite", sphere=sphere, member=who.id)
    await guest.call("join", sphere=sphere)
