from __future__ import annotations

import pytest

from clients.timeline import AHEAD_MAX, Ask, Output, Purge, Timeline
from clients.wire import PAGE_EVENTS_MAX, Incoherent
from tests.clients.events import ANA, BOB, SPHERE, event, joined, left, message


def seqs(outputs: list[Output]) -> list[int]:
    return [output["seq"] for output in outputs if not isinstance(output, Purge)]


def begun(after: int = 0, head: int | None = None) -> Timeline:
    timeline = Timeline(after)
    timeline.begin(after if head is None else head)
    return timeline


def test_a_fresh_timeline_begins_at_the_head() -> None:
    timeline = Timeline()

    timeline.begin(40)

    assert timeline.shown == 40
    assert timeline.ask() is None


def test_a_fresh_timeline_may_begin_some_places_below_the_head() -> None:
    timeline = Timeline()

    timeline.begin(40, back=20)

    assert timeline.ask() == Ask(20, 40, 0)


def test_the_next_event_is_shown_at_once() -> None:
    assert seqs(begun().hear(message(1))) == [1]


def test_an_event_that_was_shown_is_not_shown_again() -> None:
    timeline = begun()
    timeline.hear(message(1))

    assert timeline.hear(message(1)) == []


def test_an_event_beyond_a_gap_is_held_back_and_the_gap_asked_for() -> None:
    timeline = begun()

    assert timeline.hear(message(4)) == []
    assert timeline.ask() == Ask(0, 3, 0)


def test_a_page_fills_the_gap_and_frees_what_was_held_back() -> None:
    timeline = begun()
    timeline.hear(message(4))
    ask = timeline.ask()
    assert ask is not None

    outputs = timeline.take(ask, [message(1), message(2), message(3)], more=False)

    assert seqs(outputs) == [1, 2, 3, 4]


def test_places_that_a_page_skips_are_not_mine_to_see() -> None:
    timeline = begun(after=3, head=12)
    ask = timeline.ask()
    assert ask is not None

    outputs = timeline.take(ask, [message(5), message(9)], more=False)

    assert seqs(outputs) == [5, 9]
    assert timeline.shown == 12


def test_a_long_gap_is_asked_for_in_pages() -> None:
    timeline = begun(head=2 * PAGE_EVENTS_MAX)
    ask = timeline.ask()
    assert ask is not None
    assert ask.limit == PAGE_EVENTS_MAX

    timeline.take(ask, [message(seq) for seq in range(1, PAGE_EVENTS_MAX + 1)], more=True)

    assert timeline.ask() == Ask(PAGE_EVENTS_MAX, 2 * PAGE_EVENTS_MAX, 0)


def test_a_page_that_goes_on_with_nothing_is_incoherent() -> None:
    timeline = begun(head=5)
    ask = timeline.ask()
    assert ask is not None

    with pytest.raises(Incoherent):
        timeline.take(ask, [], more=True)


def test_an_event_without_a_place_is_incoherent() -> None:
    with pytest.raises(Incoherent):
        begun().hear({"type": "message_posted", "sphere": SPHERE})


def test_what_is_heard_before_the_subscription_is_answered_waits_for_its_purges() -> None:
    timeline = Timeline(after=2)

    heard = timeline.hear(message(4, BOB))
    outputs = timeline.begin(3, [Purge(SPHERE, BOB, 3)])

    assert heard == []
    assert outputs == [Purge(SPHERE, BOB, 3)]
    assert timeline.ask() == Ask(2, 3, 1)


def test_purges_leave_before_any_event_is_replayed() -> None:
    timeline = Timeline(after=2)
    timeline.hear(message(3, ANA))

    outputs = timeline.begin(2, [Purge(SPHERE, BOB, 3)])

    assert outputs == [Purge(SPHERE, BOB, 3), message(3, ANA)]


def test_a_departure_purges_at_once_even_when_it_waits_for_a_gap() -> None:
    timeline = begun()
    timeline.hear(message(2, BOB))

    outputs = timeline.hear(left(5))

    assert outputs == [Purge(SPHERE, BOB, 5, told=True)]
    assert timeline.ask() == Ask(0, 4, 1)


def test_what_is_held_back_of_a_leaver_is_forgotten_and_asked_for_again() -> None:
    timeline = begun()
    timeline.hear(message(2, BOB))
    timeline.hear(message(3, ANA))

    timeline.hear(left(4))
    ask = timeline.ask()
    assert ask is not None
    outputs = timeline.take(ask, [event("erased", 1), event("erased", 2)], more=True)

    assert [output for output in outputs if isinstance(output, dict)] == [
        event("erased", 1),
        event("erased", 2),
        message(3, ANA),
        left(4),
    ]


def test_a_message_that_comes_after_its_purge_is_not_shown_but_asked_for() -> None:
    timeline = begun()
    timeline.hear(left(5))

    assert timeline.hear(message(1, BOB)) == []
    assert timeline.ask() == Ask(0, 4, 1)


def test_a_page_asked_for_before_a_purge_is_asked_for_again() -> None:
    timeline = begun(head=3)
    ask = timeline.ask()
    assert ask is not None
    timeline.hear(left(4))

    outputs = timeline.take(ask, [message(1, BOB), message(2), message(3)], more=False)

    assert outputs == []
    assert timeline.ask() == Ask(0, 3, 1)


def test_a_departure_found_in_a_page_purges_what_was_shown_before() -> None:
    timeline = begun()
    timeline.hear(message(1, BOB))
    timeline.hear(message(3))
    ask = timeline.ask()
    assert ask is not None

    outputs = timeline.take(ask, [left(2)], more=False)

    assert outputs == [Purge(SPHERE, BOB, 2, told=True), left(2), message(3)]


def test_what_was_bequeathed_under_a_name_is_not_purged() -> None:
    assert begun().hear(left(1, kept="named")) == [left(1, kept="named")]


def test_a_withdrawn_bequest_purges_what_its_author_wrote() -> None:
    withdrawn = event("bequest_withdrawn", 9, author=BOB, before=5)

    assert begun(after=8).hear(withdrawn) == [Purge(SPHERE, BOB, 5, told=True), withdrawn]


def test_a_purge_covers_messages_and_the_arrival_that_holds_the_name() -> None:
    purge = Purge(SPHERE, BOB, 9)

    assert purge.covers(message(8, BOB))
    assert purge.covers(joined(1, BOB))
    assert purge.covers(event("member_renamed", 2, member=BOB, name="Bobby"))
    assert not purge.covers(message(9, BOB))
    assert not purge.covers(message(8, ANA))
    assert not purge.covers(left(8, BOB))


def test_a_manager_s_entry_outlives_their_departure() -> None:
    entered = event("manager_entered", 1, member={"member": BOB, "name": "Bob"})

    assert not Purge(SPHERE, BOB, 9).covers(entered)


def test_what_is_held_back_is_bounded_and_what_is_not_held_is_asked_for() -> None:
    timeline = begun()

    for seq in range(2, AHEAD_MAX + 10):
        timeline.hear(message(seq))
    ask = timeline.ask()
    assert ask is not None
    outputs = timeline.take(ask, [message(1)], more=False)

    assert seqs(outputs) == list(range(1, AHEAD_MAX + 2))
    assert timeline.ask() == Ask(AHEAD_MAX + 1, AHEAD_MAX + 9, 0)


def test_nothing_is_asked_for_while_there_is_no_connection() -> None:
    timeline = begun(head=5)

    timeline.suspend()

    assert timeline.ask() is None


def test_a_page_of_a_former_connection_is_not_used() -> None:
    timeline = begun(head=1)
    ask = timeline.ask()
    assert ask is not None
    timeline.suspend()

    assert timeline.take(ask, [message(1)], more=False) == []


def test_a_purge_is_written_so_that_a_reader_of_the_output_can_forget_too() -> None:
    assert Purge(SPHERE, BOB, 9, told=True).record() == {
        "type": "purge",
        "sphere": SPHERE,
        "author": BOB,
        "before": 9,
    }
