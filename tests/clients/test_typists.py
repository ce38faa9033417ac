"""Who types and who is there, in a conversation against the real server."""

from __future__ import annotations

import asyncio

from clients.typists import EVERY_S, SHOWN_S, Typists
from tests.clients.furnished import Furnished
from tests.clients.test_conversation import talking
from tests.people import PATIENCE_S


async def test_the_others_see_that_somebody_types_until_they_have_said_it(
    furnished: Furnished,
) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await ana.paper.until_asked("Share in Design team> ")
        await bob.paper.until_asked("Share in Design team> ")
        bob.paper.begin_a_line("hel")
        await ana.paper.until_below("Bob writing")
        bob.paper.type("hello")

        await ana.paper.until("Bob: hello")
        assert ana.paper.below == ""


async def test_an_order_is_typed_unseen(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await ana.paper.until_asked("Share in Design team> ")
        await bob.paper.until_asked("Share in Design team> ")
        bob.paper.begin_a_line("/leave")
        bob.paper.type("hello")

        await ana.paper.until("Bob: hello")
        assert ana.paper.below == ""


async def test_the_answer_to_a_question_is_typed_unseen(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await ana.paper.until_asked("Share in Design team> ")
        await bob.paper.until_asked("Share in Design team> ")
        bob.paper.type("/leave")
        await bob.paper.until_asked("Leave, and erase? [y/N] ")
        bob.paper.begin_a_line("n")
        bob.paper.type("n", "hello")

        await ana.paper.until("Bob: hello")
        assert ana.paper.below == ""


async def test_who_leaves_types_no_more(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await ana.paper.until_asked("Share in Design team> ")
        await bob.paper.until_asked("Share in Design team> ")
        bob.paper.begin_a_line("hel")
        await ana.paper.until_below("Bob writing")
        bob.paper.type("/leave", "y")

        await ana.paper.until("Bob left")
        assert ana.paper.below == ""


async def test_members_are_listed_with_who_is_there_unless_they_hide(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        async with asyncio.timeout(PATIENCE_S):
            while not ana.paper.holds("Ana  (administrator, here now)"):  # told once a second
                ana.paper.type("/members")
                await asyncio.sleep(0.1)  # what tells it is told to nobody else
        ana.paper.type("/appear no")

        await ana.paper.until("Nobody sees you are there")


async def test_a_word_of_typing_lasts_a_while_and_is_told_now_and_then() -> None:
    loop, shown = asyncio.get_running_loop(), list[str]()
    typists = Typists(shown.append)
    now = [loop.time()]
    loop.time = lambda: now[0]  # type: ignore[method-assign]  # time is moved by hand

    assert typists.may_tell()
    assert not typists.may_tell()
    now[0] += EVERY_S
    assert typists.may_tell()
    typists.note("Bob")
    now[0] += SHOWN_S + 1
    typists.note("Carol")
    typists.clear()

    assert shown == ["Bob writing", "Carol writing", ""]
