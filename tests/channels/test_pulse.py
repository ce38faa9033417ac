from __future__ import annotations

from server.channels.pulse import Heard, Pulse

OTHER, THIRD = b"o" * 16, b"t" * 16


def pulse() -> Pulse:
    return Pulse(deaf_after_s=1.0, forgotten_after_s=60.0)


def test_a_node_that_never_heard_itself_is_deaf() -> None:
    assert not pulse().hears(0.0)


def test_a_node_hears_for_a_time_after_it_sent_the_beat_that_came_back() -> None:
    mine = pulse()

    mine.echo(sent_at=10.0)

    assert mine.hears(11.0)
    assert not mine.hears(11.1)


def test_a_beat_that_came_back_late_counts_from_when_it_was_sent() -> None:
    mine = pulse()

    mine.echo(sent_at=10.0)

    assert not mine.hears(20.0)


def test_numbers_are_taken_once_in_order() -> None:
    mine = pulse()

    assert mine.beat(OTHER, 0, 0.0) is Heard.NEW
    assert mine.heard(OTHER, 1, 0.0) is Heard.NEW
    assert mine.heard(OTHER, 1, 0.0) is Heard.KNOWN
    assert mine.heard(OTHER, 2, 0.0) is Heard.NEW


def test_a_number_that_was_left_out_is_missed() -> None:
    mine = pulse()
    mine.beat(OTHER, 0, 0.0)

    assert mine.heard(OTHER, 2, 0.0) is Heard.MISSED


def test_a_beat_that_is_ahead_tells_that_something_was_missed() -> None:
    mine = pulse()
    mine.beat(OTHER, 0, 0.0)
    mine.heard(OTHER, 1, 0.0)

    assert mine.beat(OTHER, 1, 0.0) is Heard.KNOWN
    assert mine.beat(OTHER, 2, 0.0) is Heard.MISSED
    assert mine.beat(OTHER, 2, 0.0) is Heard.KNOWN


def test_of_a_node_that_was_not_heard_of_it_is_not_known_what_it_said() -> None:
    assert pulse().beat(OTHER, 7, 0.0) is Heard.STRANGER
    assert pulse().heard(OTHER, 7, 0.0) is Heard.STRANGER


def test_a_node_that_beats_no_more_is_silent_once() -> None:
    mine = pulse()
    mine.beat(OTHER, 0, 0.0)

    assert mine.silenced(1.0) == []
    assert mine.silenced(1.1) == [OTHER]
    assert mine.silenced(1.2) == []
    assert mine.anxious
    assert mine.peers == []


def test_a_silent_node_is_forgotten_in_the_end() -> None:
    mine = pulse()
    mine.beat(OTHER, 0, 0.0)
    mine.silenced(2.0)

    mine.silenced(61.0)

    assert not mine.anxious


def test_what_everybody_confirmed_is_settled() -> None:
    mine, settled = pulse(), []
    mine.expect(3, 0.0, lambda: settled.append(3), [OTHER, THIRD])

    mine.confirmed(OTHER, 3)
    assert settled == []
    mine.confirmed(THIRD, 2)
    assert settled == []
    mine.confirmed(THIRD, 4)

    assert settled == [3]


def test_with_nobody_else_everything_is_settled_at_once() -> None:
    settled: list[int] = []

    pulse().expect(1, 0.0, lambda: settled.append(1), [])

    assert settled == [1]


def test_who_is_silent_is_waited_for_until_they_must_be_deaf() -> None:
    mine = pulse()
    mine.beat(OTHER, 0, 0.0)
    mine.silenced(1.1)

    assert mine.peers == []
    assert mine.delivering(2.0) == [OTHER]
    assert mine.delivering(2.1) == []


def test_who_does_not_confirm_in_time_is_deaf_by_then() -> None:
    mine, settled = pulse(), []
    mine.expect(1, 0.0, lambda: settled.append(1), [OTHER])

    mine.lapse(1.9)
    assert settled == []
    mine.lapse(2.0)

    assert settled == [1]


def test_who_takes_leave_is_not_waited_for_and_not_missed() -> None:
    mine, settled = pulse(), []
    mine.beat(OTHER, 0, 0.0)
    mine.expect(1, 0.0, lambda: settled.append(1), [OTHER])

    mine.farewell(OTHER)

    assert settled == [1]
    assert mine.silenced(5.0) == []
