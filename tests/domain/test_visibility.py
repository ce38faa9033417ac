from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.visibility import Stamp, may_hear_of, may_member_see, may_reader_see, stamp_of
from server.protocol.scalars import Audience, History


class Told(msgspec.Struct):
    """What was said, and who could know of it at the time, in plain words."""

    seq: int
    stamp: int
    inside: frozenset[str]
    history_was_visible: bool
    sphere_was_public: bool


people = st.sampled_from(["ana", "bob", "carol"])
acts = st.one_of(
    st.tuples(st.just("say"), st.none()),
    st.tuples(st.just("come"), people),
    st.tuples(st.just("go"), people),
    st.tuples(st.just("history"), st.sampled_from(History)),
    st.tuples(st.just("audience"), st.sampled_from(Audience)),
)


@given(st.lists(acts, max_size=60))
def test_one_sees_what_was_said_since_one_came_and_what_was_stamped_for_newcomers(
    story: list[tuple[str, object]],
) -> None:
    timeline: list[Told] = []
    since: dict[str, int] = {}
    audience, history = Audience.CLOSED, History.HIDDEN
    for act, what in story:
        if act == "come":
            since.setdefault(str(what), len(timeline) + 1)
        elif act == "go":
            since.pop(str(what), None)
            for told in timeline:  # the gap stays closed, whoever comes back
                told.inside -= {str(what)}
        elif act == "history":
            history = History(str(what))
        elif act == "audience":
            audience = Audience(str(what))
        timeline.append(
            Told(
                seq=len(timeline) + 1,
                stamp=int(stamp_of(audience, history)),
                inside=frozenset(since),
                history_was_visible=history is History.VISIBLE,
                sphere_was_public=audience is Audience.PUBLIC,
            )
        )

        for told in timeline:
            for member, horizon in since.items():
                assert may_member_see(told.seq, told.stamp, horizon) is (
                    member in told.inside or told.history_was_visible
                )
            assert may_reader_see(told.stamp) is told.sphere_was_public


@pytest.mark.parametrize(
    ("audience", "history", "stamp"),
    [
        (Audience.CLOSED, History.HIDDEN, Stamp.NONE),
        (Audience.CLOSED, History.VISIBLE, Stamp.NEWCOMERS),
        (Audience.OPEN, History.HIDDEN, Stamp.NONE),
        (Audience.OPEN, History.VISIBLE, Stamp.NEWCOMERS),
        (Audience.PUBLIC, History.HIDDEN, Stamp.READERS),
        (Audience.PUBLIC, History.VISIBLE, Stamp.NEWCOMERS | Stamp.READERS),
    ],
)
def test_the_stamp_of_each_setting(audience: Audience, history: History, stamp: Stamp) -> None:
    assert stamp_of(audience, history) is stamp


def test_the_stored_numbers_of_stamps_never_change() -> None:
    assert {stamp.name: int(stamp) for stamp in Stamp} == {"NEWCOMERS": 1, "READERS": 2}
    assert int(Stamp.NONE) == 0


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 3))
def test_a_manager_who_entered_sees_from_the_entry_on_whatever_newcomers_may(
    seq: int, horizon: int, stamp: int
) -> None:
    assert may_member_see(seq, stamp, horizon, entered=True) is (seq >= horizon)


@pytest.mark.parametrize(
    ("concerns", "horizon", "told"),
    [(None, 1, True), (None, 9, True), (4, 4, True), (4, 3, True), (4, 5, False)],
)
def test_one_hears_of_earlier_events_only_if_one_may_have_seen_some(
    concerns: int | None, horizon: int, *, told: bool
) -> None:
    assert may_hear_of(concerns, Stamp.NONE, horizon) is told


def test_one_hears_of_what_was_said_to_newcomers_too_unless_one_entered() -> None:
    assert may_hear_of(4, Stamp.NEWCOMERS, 9)
    assert not may_hear_of(4, Stamp.READERS, 9)
    assert not may_hear_of(4, Stamp.NEWCOMERS, 9, entered=True)
