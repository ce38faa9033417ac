from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.domain.audience import may_hear
from server.domain.facts import Seat

members = st.sampled_from(["ana", "bob", "carol", "dan"])


@given(st.dictionaries(members, st.integers(1, 9)), members, st.integers(1, 9))
def test_a_live_event_is_heard_by_whoever_was_inside_when_it_happened(
    roster: dict[str, int], member: str, seq: int
) -> None:
    inside_at_the_time = [who for who, since in roster.items() if since in range(1, seq + 1)]

    seats = {who: Seat(horizon=since) for who, since in roster.items()}

    assert may_hear(seats, member, seq) is (member in inside_at_the_time)


def test_an_unknown_member_hears_nothing() -> None:
    assert not may_hear({}, "ana", 1)
    assert not may_hear({"bob": Seat(horizon=0)}, "ana", 10**9)


def test_ones_own_arrival_is_the_first_thing_one_hears() -> None:
    assert not may_hear({"ana": Seat(horizon=5)}, "ana", 4)
    assert may_hear({"ana": Seat(horizon=5)}, "ana", 5)
