"""Editing, erasing, answering and reacting in a conversation, against the real server."""

from __future__ import annotations

import re

from clients.timeline import Purge
from tests.clients.events import ANA, BOB, SPHERE, event, message
from tests.clients.furnished import Furnished
from tests.clients.test_conversation import Paper, talking


def place_of(paper: Paper, words: str) -> str:
    """Return the number in brackets before a message."""
    line = next(line for line in paper.lines if words in line)
    found = re.search(r"\[(\d+)\]", line)
    assert found is not None
    return found[1]


async def test_an_edit_takes_the_place_of_the_words_on_every_screen(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        ana.paper.type("we meet at nine")
        await bob.paper.until("Ana: we meet at nine")
        await ana.paper.until("Ana: we meet at nine")
        ana.paper.type(f"/edit {place_of(ana.paper, 'at nine')} we meet at ten")

        for paper in (ana.paper, bob.paper):
            await paper.until("Ana (edited): we meet at ten")
            assert not paper.holds("nine")


async def test_a_message_that_is_erased_leaves_every_screen(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        ana.paper.type("a slip")
        await bob.paper.until("Ana: a slip")
        await ana.paper.until("Ana: a slip")
        ana.paper.type(f"/delete {place_of(ana.paper, 'a slip')}", "y")

        for paper in (ana.paper, bob.paper):
            await paper.until("is erased by its author")
            assert not paper.holds("a slip")


async def test_one_answers_mentions_and_reacts(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        ana.paper.type("who comes, @Bob?")
        await bob.paper.until("Ana (@Bob): who comes, @Bob?")
        there = place_of(bob.paper, "who comes")
        bob.paper.type(f"/reply {there} I do", f"/react {there} yes", f"/unreact {there} yes")

        await ana.paper.until(f"Bob, to [{there}]: I do")
        await ana.paper.until(f"Bob reacts to [{there}]: yes")
        await ana.paper.until(f"Bob takes back a reaction to [{there}]: yes")


async def test_in_a_private_thread_it_is_the_same(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await ana.paper.until_asked("Share in Design team> ")
        ana.paper.type("/private Bob")
        await ana.paper.until_asked("Privately to Bob in Design team> ")
        bob.paper.type("/private Ana")
        await bob.paper.until_asked("Privately to Ana in Design team> ")
        ana.paper.type("we meet at nine")
        await bob.paper.until("Ana: we meet at nine")
        await ana.paper.until("Ana: we meet at nine")
        there = place_of(ana.paper, "at nine")
        ana.paper.type(f"/edit {there} we meet at ten")
        await bob.paper.until("we meet at ten")
        bob.paper.type(f"/reply {there} fine")
        await ana.paper.until(f"Bob, to [{there}]: fine")
        ana.paper.type(f"/delete {there}", "y")

        await bob.paper.until("is erased by its author")
        assert not bob.paper.holds("we meet")


async def test_what_is_on_the_screen_counts_as_read_on_the_other_devices(
    furnished: Furnished,
) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        await furnished.person(furnished.ana) as phone,
    ):
        ana.paper.type("one more")
        await ana.paper.until("Ana: one more")

        read = await phone.until(lambda frame: frame["type"] == "read" and frame["up_to"] >= 3)
        assert read["sphere"] == furnished.sphere


async def test_a_number_that_is_none_is_a_mistake_and_nothing_is_sent(
    furnished: Furnished,
) -> None:
    async with talking(furnished, furnished.ana) as ana:
        ana.paper.type("/edit nine at ten", "/react 3", "/delete 999", "y")

        await ana.paper.until("Say /edit N TEXT")
        await ana.paper.until("Say /react N REACTION")


def test_a_purge_of_one_message_covers_what_hangs_on_it_and_nothing_else() -> None:
    purge = Purge(SPHERE, "", 9, message=4)

    assert purge.covers(message(4, ANA))
    assert purge.covers(event("message_edited", 6, author=ANA, message=4, body="x"))
    assert purge.covers(event("reaction_added", 7, by=BOB, message=4, reaction="x"))
    assert not purge.covers(message(5, ANA))
    assert not purge.covers(event("reaction_added", 7, by=BOB, message=5, reaction="x"))
    assert purge.record()["message"] == 4


def test_a_purge_of_somebody_covers_their_edits_and_reactions() -> None:
    purge = Purge(SPHERE, BOB, 9)

    assert purge.covers(event("message_edited", 6, author=BOB, message=4, body="x"))
    assert purge.covers(event("reaction_added", 7, by=BOB, message=4, reaction="x"))
    assert not purge.covers(event("reaction_added", 7, by=ANA, message=4, reaction="x"))
