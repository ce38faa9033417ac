"""The veil: ids for readers that come back the same, and say nothing."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from server.protocol.scalars import ID_PATTERN
from storage.identifiers import new_id
from storage.veil import Veil

VEIL = Veil(b"k" * 32)
SPHERE, OTHER = "s" * 26, "t" * 26


@given(st.integers(1, 2**53 - 1))
def test_a_place_is_found_again_by_its_id_in_its_sphere_alone(seq: int) -> None:
    message = VEIL.over(SPHERE).message(seq)

    assert re.match(ID_PATTERN, message)
    assert Veil(b"k" * 32).over(SPHERE).seq(message) == seq
    assert VEIL.over(OTHER).seq(message) is None
    assert Veil(b"l" * 32).over(SPHERE).seq(message) is None


def test_an_id_that_was_never_given_is_no_place() -> None:
    veil = VEIL.over(SPHERE)

    assert [veil.seq(one) for one in (new_id(), SPHERE, "7" * 26, veil.author("a" * 26))] == (
        [None] * 4
    )


def test_ids_show_no_order_and_no_distance() -> None:
    ids = [VEIL.over(SPHERE).message(seq) for seq in range(1, 201)]

    assert len(set(ids)) == 200
    assert ids != sorted(ids)
    assert len({one[:4] for one in ids}) > 190


def test_an_author_has_one_id_in_a_sphere_and_another_elsewhere() -> None:
    member = new_id()
    here, there = (VEIL.over(one).author(member) for one in (SPHERE, OTHER))

    assert here == VEIL.over(SPHERE).author(member)
    assert len({here, there, member, VEIL.over(SPHERE).author(new_id())}) == 4
    assert re.match(ID_PATTERN, here)
