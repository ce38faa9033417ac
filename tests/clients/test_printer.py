from __future__ import annotations

import io
import json

import pytest

from clients.failures import Refused, Unreachable
from clients.following import Following
from clients.printer import Printer, Tail
from clients.roster import Roster
from clients.timeline import Purge
from tests.clients.events import ANA, AT, BOB, SPHERE, left, message, subscribed

DAY = 24 * 3_600 * 1_000


class Streams:
    """A printer, and what it wrote."""

    def __init__(self, *, json_lines: bool = False, verbose: bool = False) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.printer = Printer(self.out, self.err, json_lines=json_lines, verbose=verbose)

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()


def roster() -> Roster:
    built = Roster()
    built.reset(subscribed())
    return built


def test_a_day_is_said_before_its_first_event() -> None:
    streams = Streams()

    for each in (message(1), message(2), message(3, at=AT + DAY)):
        streams.printer.event(each, roster())

    assert [line.startswith("-- ") for line in streams.lines] == [True, False, False, True, False]


def test_json_is_one_object_a_line_and_drives_no_terminal() -> None:
    streams = Streams(json_lines=True)
    hostile = message(1, body="\x1b[2J\u202e\nsecond line")

    streams.printer.event(hostile, roster())

    (line,) = streams.lines
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == hostile


def test_success_is_silent_unless_one_asks() -> None:
    silent, verbose, machine = Streams(), Streams(verbose=True), Streams(json_lines=True)

    for streams in (silent, verbose, machine):
        streams.printer.done({"type": "done"}, "It is done.")

    assert silent.lines == []
    assert verbose.lines == ["It is done."]
    assert machine.lines == ['{"type": "done"}']


def test_a_refusal_says_what_the_server_said_and_what_to_do() -> None:
    streams = Streams()
    refusal = Refused({"code": "not_found", "message": "No such thing\x1b.", "temporary": False})

    streams.printer.failure(refusal)

    assert streams.err.getvalue() == (
        "error: No such thing<U+001B>. `spheres` lists what is there for you.\n"
    )


def test_a_refusal_in_json_is_the_error_as_it_came() -> None:
    streams = Streams(json_lines=True)
    error = {"code": "too_fast", "message": "Slow down.", "temporary": True, "retry_after_ms": 5}

    streams.printer.failure(Refused(error))
    streams.printer.failure(Unreachable("Nobody is there."))

    first, second = map(json.loads, streams.err.getvalue().splitlines())
    assert first == {"error": error}
    assert second == {"error": {"code": "unreachable", "message": "Nobody is there."}}


def test_what_is_said_beside_the_results_does_not_mix_with_them() -> None:
    human, machine = Streams(), Streams(json_lines=True)

    human.printer.note("Connected again")
    machine.printer.note("Connected again")

    assert human.err.getvalue() == "-- Connected again --\n"
    assert machine.err.getvalue() == '{"note": "Connected again"}\n'
    assert human.lines == machine.lines == []


def test_a_purge_is_told_once_to_a_person_and_always_to_a_program() -> None:
    human, machine = Streams(), Streams(json_lines=True)

    for streams in (human, machine):
        streams.printer.purge(Purge(SPHERE, BOB, 5, told=True))
        streams.printer.purge(Purge(SPHERE, BOB, 5))

    assert human.lines == ["-- What a former member wrote is erased: forget it --"]
    assert len(machine.lines) == 2


async def test_a_tail_stops_after_so_many_events() -> None:
    streams = Streams(json_lines=True)
    tail = Tail(streams.printer, count=2)
    following = Following(SPHERE, tail, after=0)
    following.begin(subscribed())

    for each in (message(1), message(2), message(3), left(4)):
        following.hear(each)

    assert tail.over.done()
    assert [json.loads(line)["seq"] for line in streams.lines] == [1, 2]


async def test_a_tail_of_a_sphere_that_is_gone_fails() -> None:
    tail = Tail(Streams().printer, count=None)

    tail.gone(Following(SPHERE, tail), None)

    with pytest.raises(Refused, match="forget what you saw"):
        await tail.over


async def test_a_tail_says_when_another_stay_begins() -> None:
    streams = Streams(json_lines=True)
    tail = Tail(streams.printer, count=None)
    following = Following(SPHERE, tail, after=0)
    following.begin(subscribed(head=0, horizon=1))

    following.begin(subscribed(head=9, horizon=9))

    assert json.loads(streams.lines[0]) == {"type": "forget", "sphere": SPHERE}


async def test_a_store_restored_from_an_older_backup_begins_anew() -> None:
    streams = Streams(json_lines=True)
    following = Following(SPHERE, Tail(streams.printer, count=None), after=90)

    following.begin(subscribed(head=40))
    following.hear(message(41, ANA))

    assert [json.loads(line).get("seq") for line in streams.lines] == [None, 41]


async def test_a_replayed_change_does_not_bring_back_older_settings() -> None:
    following = Following(SPHERE, Tail(Streams().printer, count=None), after=0)
    following.begin(subscribed(head=1, revision=5, name="Now"))
    ask = following.timeline.ask()
    assert ask is not None
    older = message(1) | {"type": "sphere_changed", "by": ANA, "name": "Then", "revision": 2}

    following.take(
        ask,
        {
            "events": [older | {"audience": "open", "history": "hidden", "listed": True}],
            "more": False,
        },
    )

    assert following.sphere["name"] == "Now"
