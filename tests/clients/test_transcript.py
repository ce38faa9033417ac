from __future__ import annotations

from clients.roster import Roster
from clients.timeline import Purge
from clients.transcript import Said, Shown, Transcript
from tests.clients.events import ANA, BOB, SPHERE, message, subscribed


def roster() -> Roster:
    built = Roster()
    built.reset(subscribed())
    return built


def transcript(*entries: Said | Shown) -> Transcript:
    built = Transcript()
    for entry in entries:
        built.add(entry)
    return built


def test_what_was_shown_can_be_painted_anew() -> None:
    lines = list(transcript(Said("-- hi --"), Shown(message(1), roster())).lines())

    assert lines[0] == "-- hi --"
    assert lines[1].endswith("Ana: hello")


def test_a_purge_takes_what_it_covers_and_nothing_else() -> None:
    screen = transcript(
        Shown(message(1, BOB), roster()), Shown(message(2), roster()), Said("Bob", SPHERE)
    )

    assert screen.purge(Purge(SPHERE, BOB, 3))

    lines = list(screen.lines())
    assert len(lines) == 2
    assert lines[0].endswith("Ana: hello")


def test_a_purge_of_another_sphere_takes_nothing() -> None:
    screen = transcript(Shown(message(1, BOB), roster()))

    assert not screen.purge(Purge("t" * 26, BOB, 3))


def test_a_purge_that_meets_nothing_paints_nothing() -> None:
    assert not transcript(Shown(message(1), roster())).purge(Purge(SPHERE, BOB, 3))


def test_forgetting_a_sphere_takes_all_that_tells_of_it() -> None:
    screen = transcript(
        Said("-- In «Design team» --", SPHERE),
        Shown(message(1), roster()),
        Said("-- You are Ana --"),
    )

    assert screen.forget(SPHERE)

    assert list(screen.lines()) == ["-- You are Ana --"]


def test_a_name_that_is_not_to_be_known_any_more_is_not_painted_anew() -> None:
    inside = roster()
    screen = transcript(Shown(message(1, ANA), inside))

    inside.reset(subscribed(members=()))

    assert next(screen.lines()).endswith("a former member: hello")


def test_what_is_kept_is_bounded() -> None:
    screen = Transcript(entries_max=2)

    for word in ("one", "two", "three"):
        screen.add(Said(word))

    assert list(screen.lines()) == ["two", "three"]
