from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from clients.failures import Refused, Stopped, Unreachable
from clients.printer import Printer
from clients.public import HELD_MAX, Public, lasting
from clients.public_reading import PublicReading, Wish
from clients.reconnection import Backoff
from clients.wire import encoding
from tests.clients.command import Desk, Ran, desk
from tests.clients.furnished import QUICK, Furnished, furnish
from tests.clients.gate import Gate
from tests.house import serving
from tests.people import PATIENCE_S
from tests.readers import publish

Frame = dict[str, Any]


def message(number: int, body: str = "hello", *, author: str = "ana", **more: Any) -> Frame:
    """Return a message as the server tells it."""
    return {
        "type": "message",
        "message": f"m{number}",
        "at": 1_800_000_000_000 + number * 60_000,
        "author": author,
        "name": author.title(),
        "body": body,
    } | more


def renewed(public: Public, *page: Frame, whole: bool = True) -> list[Frame]:
    """Give a page; return what a script would read."""
    return [record for record, _ in public.renew(page, whole=whole, now=1_800_000_000_000)]


def told(public: Public, frame: Frame) -> list[str]:
    """Tell something; return what a person would read."""
    return [line for _, lines in public.hear(frame) for line in lines]


# -- what is shown, and what is taken back


def test_a_message_is_shown_once_and_again_when_it_changed() -> None:
    public = Public()

    assert renewed(public, message(1), message(2)) == [message(1), message(2)]
    assert told(public, message(2)) == []
    changed = told(public, message(2, "hello, all"))
    assert "Ana changed a message" in changed[0]
    assert changed[1].endswith("Ana: hello, all")


def test_other_words_are_shown_for_a_message_that_was() -> None:
    public = Public()
    renewed(public, message(1))
    changed = {"type": "message_changed", "message": "m1", "body": "hello, all", "edited_at": 9}

    assert told(public, changed)[1].endswith("Ana: hello, all")
    assert told(public, changed) == []
    assert told(public, changed | {"message": "m2"}) == []
    assert renewed(public, message(1, "hello, all", edited_at=9)) == []


def test_what_an_author_wrote_is_forgotten_with_their_name() -> None:
    public = Public()
    renewed(public, message(1), message(2, author="bob"))

    assert told(public, {"type": "forgotten", "author": "bob"}) == [
        "-- What Bob wrote is erased: forget it --"
    ]
    assert renewed(public, message(1)) == []
    assert told(public, {"type": "forgotten", "author": "eve"}) == [
        "-- What somebody wrote is erased: forget it --"
    ]


def test_one_message_is_forgotten_if_it_was_shown() -> None:
    public = Public()
    renewed(public, message(1))

    assert "is gone: forget it" in told(public, {"type": "forgotten", "message": "m1"})[0]
    assert told(public, {"type": "forgotten", "message": "m1"}) == []


def test_after_an_interruption_what_is_gone_comes_before_what_is_new() -> None:
    public = Public()
    renewed(public, message(3), message(4), message(5))

    records = renewed(public, message(1), message(2), message(3), message(5, "new"), message(6))

    assert records == [
        {"type": "forgotten", "message": "m4"},
        message(5, "new"),
        message(6),
    ]


def test_what_is_too_far_back_to_know_is_to_be_forgotten() -> None:
    public = Public()
    renewed(public, message(1), message(2), message(4))

    records = renewed(public, message(3), message(5), whole=False)

    assert records == [
        {"type": "forget", "before": message(3)["at"]},
        {"type": "forgotten", "message": "m4"},
        message(3),
        message(5),
    ]


def test_where_nothing_was_said_yet_nothing_older_shows_up_later() -> None:
    public = Public()

    assert renewed(public) == []
    assert renewed(public, message(-5), message(1)) == [message(1)]


def test_no_more_is_held_than_one_page() -> None:
    public = Public()

    for number in range(HELD_MAX + 5):
        told(public, message(number))

    assert len(public._held) == HELD_MAX
    assert "m4" not in public._held


def test_a_new_name_is_told_and_kept() -> None:
    public = Public()
    renewed(public, message(1))

    line = told(public, {"type": "author_renamed", "author": "ana", "name": "Anabel"})
    assert line == ["-- Ana is called Anabel from now on --"]
    assert "What Anabel wrote" in told(public, {"type": "forgotten", "author": "ana"})[0]
    assert (
        "Somebody is called"
        in told(public, {"type": "author_renamed", "author": "eve", "name": "Eva"})[0]
    )
    assert "called «New»" in told(public, {"type": "sphere_renamed", "name": "New"})[0]
    assert told(public, {"type": "something_new"}) == []


def test_former_members_and_bots_are_shown_as_what_they_are() -> None:
    public = Public()
    former = message(1)
    del former["name"]

    assert "a former member: hello" in told(public, former)[0]
    assert "[bot Builds]: green" in told(public, message(2, "green", author="builds", bot=True))[0]
    labelled = message(3, "red", author="builds", bot=True, label="\x1b[2J")
    assert "[bot Builds calling itself «<U+001B>[2J»]: red" in told(public, labelled)[0]


def test_what_was_taken_back_in_the_same_breath_is_not_shown() -> None:
    frames = [
        message(1),
        message(2, author="bob"),
        {"type": "forgotten", "author": "bob"},
        message(3, author="bob"),
        {"type": "forgotten", "message": "m1"},
    ]

    assert lasting(frames) == [frames[2], frames[3], frames[4]]


# -- over a real connection


class Heard:
    """What was printed, and somebody who waits for it."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.printer = Printer(self.out, self.err, json_lines=False, verbose=False)

    async def until(self, words: str) -> str:
        """Wait until something is printed."""
        async with asyncio.timeout(PATIENCE_S):
            while words not in self.out.getvalue():  # noqa: ASYNC110 - what is awaited is printed
                await asyncio.sleep(0.005)
        return self.out.getvalue()


def _reading(url: str, sphere: str, heard: Heard, **wish: Any) -> PublicReading:
    asked = {"limit": 50, "count": None, "patience": 5.0, "patience_after": 60.0} | wish
    return PublicReading(
        Wish(server=url, sphere=sphere, **asked), encoding("msgpack"), heard.printer, QUICK.afresh()
    )


async def test_it_reads_on_after_an_interruption_and_says_what_is_gone(
    furnished: Furnished,
) -> None:
    heard = Heard()
    async with (
        Gate(furnished.house.url) as gate,
        await furnished.person(furnished.ana) as ana,
        await furnished.person(furnished.bob) as bob,
    ):
        await publish(ana, furnished.sphere)
        await ana.post(furnished.sphere, "one", revision=2)
        await bob.post(furnished.sphere, "two", revision=2)
        task = asyncio.create_task(_reading(gate.url, furnished.sphere, heard).run())
        await heard.until("Bob: two")
        await ana.post(furnished.sphere, "three", revision=2)
        await heard.until("Ana: three")
        gate.shut()
        await bob.call("leave", sphere=furnished.sphere)
        await ana.post(furnished.sphere, "four", revision=2)
        gate.open()
        shown = await heard.until("Ana: four")
        await publish(ana, furnished.sphere, revision=2, audience="closed")
        with pytest.raises(Stopped):
            await task

    assert shown.index("A message of Bob") < shown.index("Ana: four")
    assert shown.count("Ana: one") == shown.count("Ana: three") == shown.count("Bob: two") == 1
    assert "not public any more: forget what you saw" in heard.out.getvalue()
    assert "Trying again" in heard.err.getvalue()


async def test_who_is_sent_away_for_the_time_being_comes_back(tmp_path: Path) -> None:
    heard = Heard()
    async with serving(tmp_path, reader_lifetime_s=0.3) as house:
        furnished = await furnish(house)
        async with Gate(house.url) as gate, await furnished.person(furnished.ana) as ana:
            await publish(ana, furnished.sphere)
            task = asyncio.create_task(_reading(gate.url, furnished.sphere, heard, count=3).run())
            await heard.until("Reading «Design team»")
            for number in range(3):
                await ana.post(furnished.sphere, f"number {number}", revision=2)
                await heard.until(f"number {number}")
                async with asyncio.timeout(PATIENCE_S):
                    while number < 2 and gate.passed < number + 2:  # noqa: ASYNC110 - the server's act
                        await asyncio.sleep(0.005)
            await asyncio.wait_for(task, PATIENCE_S)

    assert heard.out.getvalue().count("Reading «") == 1
    assert heard.out.getvalue().count("number") == 3


async def test_patience_ends_where_nobody_answers() -> None:
    heard = Heard()
    reading = _reading("http://127.0.0.1:1", "s" * 26, heard, patience=0.05)

    with pytest.raises(Unreachable):
        await reading.run()
    assert heard.out.getvalue() == ""


async def test_a_refusal_that_passes_is_waited_for_and_another_is_not(tmp_path: Path) -> None:
    heard = Heard()
    async with serving(tmp_path, public_readers_per_sphere_max=1) as house:
        furnished = await furnish(house)
        async with await furnished.person(furnished.ana) as ana:
            await publish(ana, furnished.sphere)
        first = asyncio.create_task(_reading(house.url, furnished.sphere, heard).run())
        await heard.until("Reading")
        backoff = Backoff(first=0.001, longest=0.001)
        second = PublicReading(
            Wish(house.url, furnished.sphere, 5, None, 1.0, 1.0),
            encoding("json"),
            Heard().printer,
            backoff,
        )
        with pytest.raises(Unreachable):  # the server asked for five seconds
            await second.run()
        first.cancel()
        await asyncio.wait([first])
        with pytest.raises((Stopped, Refused)) as refused:
            await _reading(house.url, "s" * 25, heard).run()

    assert refused.value.code == "invalid_field"


# -- as people run it


@pytest.fixture
async def shell(furnished: Furnished, tmp_path: Path) -> Desk:
    """Return a shell of somebody who has no account: nothing is remembered there."""
    made = await desk(furnished, furnished.ana, tmp_path)
    nobody = Desk(made.url, tmp_path / "nobody")
    nobody.folder.mkdir()
    return nobody


async def _read(shell: Desk, furnished: Furnished, *more: str) -> Ran:
    return await shell.run("read", furnished.house.url, furnished.sphere, *more)


@pytest.mark.parametrize("encoded", ["msgpack", "json"])
async def test_whoever_has_the_address_reads_at_a_shell(
    shell: Desk, furnished: Furnished, encoded: str
) -> None:
    async with await furnished.person(furnished.ana) as ana:
        await publish(ana, furnished.sphere)
        for number in range(4):
            await ana.post(furnished.sphere, f"number {number}\nand more", revision=2)

    person = await _read(shell, furnished, "--count", "2", "--limit", "2", "--encoding", encoded)
    script = await _read(shell, furnished, "--count", "4", "--json", "--encoding", encoded)
    nothing = await _read(shell, furnished, "--count", "0")

    assert (person.code, person.err) == (0, "")
    assert person.out.splitlines()[0] == "-- Reading «Design team», which is public --"
    assert [line[-13:] for line in person.out.splitlines()[1::2]] == [
        "Ana: number 2",
        "Ana: number 3",
    ]
    assert [one.get("body", one["type"]) for one in script.records] == [
        "reading",
        *(f"number {number}\nand more" for number in range(4)),
    ]
    assert (nothing.code, nothing.out) == (0, "")
    assert not (shell.folder / "state").exists()


async def test_a_sphere_that_is_not_public_is_not_there(shell: Desk, furnished: Furnished) -> None:
    ran = await _read(shell, furnished)

    assert (ran.code, ran.out) == (1, "")
    assert "No public sphere has this address" in ran.err
    far = await shell.run("read", "http://example.org", furnished.sphere)
    assert far.code == 2
