"""Private threads in a conversation at a terminal, against the real server."""

from __future__ import annotations

import pytest

from clients.failures import Misuse
from clients.private import SEALED_BYTES_MAX, seal, words
from server.protocol.scalars import SEALED_BYTES_MAX as SERVERS
from tests.clients.furnished import Furnished
from tests.clients.test_conversation import talking


async def test_what_is_said_in_private_is_read_by_those_who_were_named(
    furnished: Furnished,
) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        ana.paper.type("/private Bob")
        await ana.paper.until_asked("Privately to Bob in Design team> ")
        ana.paper.type("for you alone")
        await bob.paper.until("A private thread of 2 people begins")

        bob.paper.type("/private Ana")
        await bob.paper.until_asked("Privately to Ana in Design team> ")
        await bob.paper.until("Ana: for you alone")
        bob.paper.type("thank you")

        await ana.paper.until("Bob: thank you")


async def test_who_is_not_named_sees_nothing_of_it(furnished: Furnished) -> None:
    house = furnished.house
    carol = await house.resident(furnished.organisation, "Carol")
    sphere = await house.sphere(furnished.ana, furnished.bob, carol, name="Garden")
    async with (
        talking(furnished, furnished.ana, sphere) as ana,
        talking(furnished, carol, sphere) as other,
    ):
        await other.paper.until_asked("Share in Garden> ")
        ana.paper.type("/private Bob")
        await ana.paper.until_asked("Privately to Bob in Garden> ")
        ana.paper.type("for you alone")
        await ana.paper.until("Ana: for you alone")
        ana.paper.type("/in Garden")
        await ana.paper.until_asked("Share in Garden> ")
        ana.paper.type("for everybody")

        await other.paper.until("Ana: for everybody")
        assert not other.paper.holds("for you alone")
        assert not other.paper.holds("private")


async def test_leaving_a_thread_takes_it_off_the_screen_and_leaves_the_sphere(
    furnished: Furnished,
) -> None:
    async with talking(furnished, furnished.ana) as ana:
        await ana.paper.until_asked("Share in Design team> ")
        ana.paper.type("/private Bob")
        await ana.paper.until_asked("Privately to Bob in Design team> ")
        ana.paper.type("for you alone")
        await ana.paper.until("Ana: for you alone")
        ana.paper.type("/leave", "y")

        await ana.paper.until("messages erased  1")
        await ana.paper.until_asked("Cloison> ")
        assert not ana.paper.holds("for you alone")
        ana.paper.type("/in Design team")
        await ana.paper.until_asked("Share in Design team> ")


async def test_a_thread_is_gone_with_the_stay_in_its_sphere(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.bob) as bob,
        await furnished.person(furnished.ana) as admin,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        bob.paper.type("/private Ana")
        await bob.paper.until_asked("Privately to Ana in Design team> ")
        bob.paper.type("for you alone")
        await bob.paper.until("Bob: for you alone")

        await admin.call("remove", sphere=furnished.sphere, member=furnished.bob.id)

        await bob.paper.until_asked("Cloison> ")
        assert not bob.paper.holds("for you alone")


async def test_a_thread_goes_on_where_it_was_after_an_absence(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        ana.paper.type("/private Bob")
        await ana.paper.until_asked("Privately to Bob in Design team> ")
        bob.paper.type("/private Ana")
        await bob.paper.until_asked("Privately to Ana in Design team> ")
        ana.gate.shut()
        bob.paper.type("while you were away")
        await bob.paper.until("Bob: while you were away")
        ana.gate.open()

        await ana.paper.until("Bob: while you were away")


async def test_who_declines_is_in_no_new_thread(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.bob) as bob,
        talking(furnished, furnished.ana) as ana,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        bob.paper.type("/privates decline")
        await bob.paper.until("New private threads here: decline")
        await ana.paper.until_asked("Share in Design team> ")
        ana.paper.type("/private Bob")

        await ana.paper.until("takes part in no new private threads")
        await ana.paper.until_asked("Share in Design team> ")


def test_words_come_back_as_they_went_whatever_the_encoding() -> None:
    sealed = seal("für dich")

    assert words(sealed) == "für dich"
    assert words({"sealed": "ZsO8ciBkaWNo", "scheme": "plain"}) == "für dich"


@pytest.mark.parametrize(
    "event",
    [
        {"sealed": b"\xff\xfe", "scheme": "plain"},
        {"sealed": "not base64!", "scheme": "plain"},
        {"sealed": b"hello", "scheme": "mls-1"},
    ],
)
def test_what_cannot_be_opened_is_no_words(event: dict[str, object]) -> None:
    assert words(event) is None


def test_a_message_too_long_is_refused_before_it_is_sent() -> None:
    with pytest.raises(Misuse):
        seal("é" * SEALED_BYTES_MAX)
    assert SEALED_BYTES_MAX == SERVERS
