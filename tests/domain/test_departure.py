from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.departure import kept, successor
from server.domain.facts import Stay
from server.protocol.scalars import Bequest, SphereRole

ADMINISTRATOR, MEMBER = SphereRole.ADMINISTRATOR, SphereRole.MEMBER
NAMES = ["ana", "bob", "carol", "dan", "eve"]


def _stay(member: str, since: int, role: SphereRole = MEMBER, *, entered: bool = False) -> Stay:
    return Stay(
        member=member, role=ADMINISTRATOR if entered else role, entered=entered, horizon=since
    )


@st.composite
def _spheres(draw: st.DrawFn) -> list[Stay]:
    who = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    since = draw(st.permutations(range(1, len(who) + 1)))
    return [
        _stay(
            member,
            begin,
            draw(st.sampled_from(SphereRole)),
            entered=draw(st.booleans()),
        )
        for member, begin in zip(who, since, strict=True)
    ]


@given(_spheres(), st.data())
def test_while_it_has_members_of_its_own_a_sphere_has_an_administrator_of_its_own(
    stays: list[Stay], data: st.DataObject
) -> None:
    leaver = data.draw(st.sampled_from([stay.member for stay in stays]))

    heir = successor(stays, leaver)

    own = [stay for stay in stays if stay.member != leaver and not stay.entered]
    led = [stay for stay in own if stay.role is ADMINISTRATOR or stay.member == heir]
    assert bool(led) is bool(own)


@given(_spheres(), st.data())
def test_the_heir_is_who_was_there_longest_and_only_where_nobody_leads(
    stays: list[Stay], data: st.DataObject
) -> None:
    leaver = data.draw(st.sampled_from([stay.member for stay in stays]))

    heir = successor(stays, leaver)

    own = {stay.member: stay for stay in stays if stay.member != leaver and not stay.entered}
    if any(stay.role is ADMINISTRATOR for stay in own.values()) or not own:
        assert heir is None
    else:
        assert heir is not None
        assert all(own[heir].horizon <= stay.horizon for stay in own.values())


def test_the_leaver_never_inherits() -> None:
    stays = [_stay("ana", 1, ADMINISTRATOR), _stay("bob", 2), _stay("carol", 3)]

    assert successor(stays, "ana") == "bob"


def test_the_order_in_which_stays_are_read_decides_nothing() -> None:
    stays = [_stay("carol", 3), _stay("ana", 1, ADMINISTRATOR), _stay("bob", 2)]

    assert successor(stays, "ana") == successor(reversed(stays), "ana") == "bob"


def test_a_second_administrator_makes_an_heir_needless() -> None:
    stays = [_stay("ana", 1, ADMINISTRATOR), _stay("bob", 2, ADMINISTRATOR), _stay("carol", 3)]

    assert successor(stays, "ana") is None


def test_a_manager_who_entered_neither_leads_nor_inherits() -> None:
    stays = [_stay("ana", 1, ADMINISTRATOR), _stay("max", 2, entered=True), _stay("carol", 3)]

    assert successor(stays, "ana") == "carol"
    assert successor(stays[:2], "ana") is None


def test_who_is_shut_out_leads_nobody_and_inherits_where_nobody_else_is_left() -> None:
    ana, carol = _stay("ana", 1, ADMINISTRATOR), _stay("carol", 3)
    bob = msgspec.structs.replace(_stay("bob", 2, ADMINISTRATOR), disabled=True)
    dora = msgspec.structs.replace(_stay("dora", 2), disabled=True)

    assert successor([ana, bob, carol], "ana") == "carol"
    assert successor([ana, dora, carol], "ana") == "carol"
    assert successor([ana, bob], "ana") is None
    assert successor([ana, dora], "ana") == "dora"


def test_that_somebody_leaves_who_did_not_lead_changes_no_leader() -> None:
    bob = msgspec.structs.replace(_stay("bob", 1, ADMINISTRATOR), disabled=True)

    assert successor([bob, _stay("carol", 2), _stay("dora", 3)], "dora") is None


def test_the_last_one_leaves_nobody_behind() -> None:
    assert successor([_stay("ana", 1, ADMINISTRATOR)], "ana") is None


@pytest.mark.parametrize(
    ("said", "remains"),
    [(None, Bequest.NONE), *((form, form) for form in Bequest)],
)
def test_nothing_is_kept_but_what_its_author_said(said: Bequest | None, remains: Bequest) -> None:
    assert kept(said) is remains
