from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.domain.facts import Message, Stay
from server.domain.messages import (
    check_delete,
    check_edit,
    check_mentions,
    check_message,
    stamp_of_reaction,
)
from server.domain.visibility import Stamp, may_member_see
from server.protocol.scalars import SphereRole

ME, OTHER = "m" * 26, "o" * 26


def _stay(horizon: int, *, entered: bool = False) -> Stay:
    return Stay(member=ME, role=SphereRole.MEMBER, entered=entered, horizon=horizon)


def _message(seq: int, stamp: int = 0, author: str = ME) -> Message:
    return Message(seq=seq, stamp=stamp, author=author)


def _is(check: object, stay: Stay, message: Message | None) -> bool:
    try:
        return check(stay, message) is message  # type: ignore[operator]  # one of the checks
    except errors.NotFound:
        return False


@given(
    seq=st.integers(1, 6),
    horizon=st.integers(1, 6),
    stamp=st.integers(0, 3),
    author=st.sampled_from([ME, OTHER]),
    entered=st.booleans(),
)
def test_one_answers_what_one_sees_deletes_ones_own_of_it_and_edits_that_of_ones_present_stay(
    seq: int,
    horizon: int,
    stamp: int,
    author: str,
    entered: bool,  # noqa: FBT001  # drawn
) -> None:
    stay, message = _stay(horizon, entered=entered), _message(seq, stamp, author)
    sees = may_member_see(seq, stamp, horizon, entered=entered)

    assert _is(check_message, stay, message) is sees
    assert _is(check_delete, stay, message) is (sees and author == ME)
    assert _is(check_edit, stay, message) is (seq >= horizon and author == ME)


@pytest.mark.parametrize("check", [check_message, check_delete, check_edit])
def test_what_is_not_there_is_not_found(check: object) -> None:
    assert not _is(check, _stay(1), None)


def test_all_who_are_mentioned_are_inside_each_once() -> None:
    check_mentions([], [])
    check_mentions([ME, OTHER], [OTHER, ME])

    for mentions in ([ME, ME], [ME, OTHER]):
        with pytest.raises(errors.InvalidField):
            check_mentions(mentions, [ME])


@pytest.mark.parametrize("now", list(Stamp))
@pytest.mark.parametrize("then", list(Stamp))
def test_a_reaction_is_for_whom_both_it_and_its_message_are(now: Stamp, then: Stamp) -> None:
    stamp = stamp_of_reaction(now, _message(1, int(then)))

    assert all(bool(stamp & one) is bool(now & one and then & one) for one in Stamp if one)
