from __future__ import annotations

import pytest

from clients.failures import Misuse
from clients.roster import Roster, find
from tests.clients.events import ANA, BOB, BOT, MAX, event, joined, left, member_view, subscribed


def roster(*members: tuple[str, str], **state: object) -> Roster:
    built = Roster()
    built.reset(subscribed(members=members, **state))  # type: ignore[arg-type]  # passed on
    return built


def test_a_member_is_called_by_their_name() -> None:
    assert roster((ANA, "Ana")).name(ANA) == "Ana"


def test_two_members_of_one_name_are_told_apart() -> None:
    both = roster((ANA, "Ana"), (BOB, "Ana"))

    assert both.name(ANA) == "Ana (aaaaaa)"
    assert both.name(BOB) == "Ana (bbbbbb)"


def test_a_manager_who_entered_is_called_one() -> None:
    inside = roster()
    inside.apply(event("manager_entered", 1, member=member_view(MAX, "Max", entered=True)))

    assert inside.name(MAX) == "Max (manager)"


def test_somebody_who_left_their_name_is_called_by_it() -> None:
    assert roster(former=((BOB, "Bob"),)).name(BOB) == "Bob (left)"


def test_anybody_else_is_a_former_member() -> None:
    assert roster().name(BOB) == "a former member"


def test_a_name_cannot_drive_the_terminal() -> None:
    assert roster((ANA, "A\x1bna\u202e")).name(ANA) == "A<U+001B>na<U+202E>"


def test_who_comes_is_known_and_who_goes_is_not() -> None:
    inside = roster((ANA, "Ana"))

    inside.apply(joined(1))
    assert inside.name(BOB) == "Bob"
    inside.apply(left(2))

    assert inside.name(BOB) == "a former member"


def test_who_goes_and_leaves_their_name_is_remembered_until_they_withdraw_it() -> None:
    inside = roster((BOB, "Bob"))

    inside.apply(left(1, kept="named"))
    assert inside.name(BOB) == "Bob (left)"
    inside.apply(event("bequest_withdrawn", 2, author=BOB, before=2))

    assert inside.name(BOB) == "a former member"


def test_a_replayed_event_does_not_change_who_is_inside_now() -> None:
    inside = roster((BOB, "Bob"), head=9)

    inside.apply(left(4))

    assert inside.name(BOB) == "Bob"


def test_the_bots_of_somebody_who_goes_go_too() -> None:
    inside = roster((BOB, "Bob"))
    bot = {"connector": BOT, "name": "CI", "installed_by": BOB}

    inside.apply(event("connector_installed", 1, connector=bot))
    assert inside.find_connector("CI") == BOT
    inside.apply(left(2))

    assert inside.connectors == {}


def test_a_bot_that_is_revoked_is_gone() -> None:
    inside = roster((ANA, "Ana"))
    bot = {"connector": BOT, "name": "CI", "installed_by": ANA}
    inside.apply(event("connector_installed", 1, connector=bot))

    inside.apply(event("connector_revoked", 2, connector=BOT, by=ANA))

    assert inside.connectors == {}


def test_an_administrator_who_is_appointed_is_one() -> None:
    inside = roster((BOB, "Bob"))

    inside.apply(event("administrator_appointed", 1, member=BOB, by=None))

    assert inside.members[BOB]["role"] == "administrator"


def test_somebody_is_found_by_id_by_name_and_whatever_the_case() -> None:
    inside = roster((ANA, "Ana"), (BOB, "Bob"))

    assert inside.find(BOB) == BOB
    assert inside.find("Bob") == BOB
    assert inside.find(" bOB ") == BOB


def test_an_exact_name_wins_over_one_of_another_case() -> None:
    assert roster((ANA, "ana"), (BOB, "Ana")).find("Ana") == BOB


def test_a_name_of_several_is_refused_with_their_ids() -> None:
    with pytest.raises(Misuse, match=f"{ANA}, {BOB}"):
        roster((ANA, "Ana"), (BOB, "Ana")).find("Ana")


def test_a_name_of_nobody_is_refused_with_what_to_do() -> None:
    with pytest.raises(Misuse, match="`members` lists"):
        roster((ANA, "Ana")).find("Carol")


def test_an_id_wins_over_a_sphere_that_calls_itself_so() -> None:
    spheres = [{"sphere": "1", "name": "Design"}, {"sphere": "2", "name": "1"}]

    assert find("1", spheres, "sphere", "") == "1"


def test_a_member_who_is_renamed_is_called_so_from_then_on() -> None:
    inside = roster((BOB, "Bob"))

    inside.apply(event("member_renamed", 9, member=BOB, name="Bobby"))

    assert inside.name(BOB) == "Bobby"
