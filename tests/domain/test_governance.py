from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.domain.facts import Member
from server.domain.governance import (
    Policies,
    PolicyChange,
    changed,
    check_dismiss,
    check_invited_role,
    check_of_organisation,
    check_role,
    check_shut_out,
)
from server.domain.policy import DAY, Classes, PasswordPolicy, SessionPolicy
from server.protocol.scalars import MemberRole

roles = st.sampled_from(MemberRole)


def member(name: str, role: MemberRole = MemberRole.MEMBER, organisation: str = "acme") -> Member:
    """Return somebody."""
    return Member(id=name, organisation=organisation, name=name.title(), role=role)


MAX = member("max", MemberRole.MANAGER)
MIA = member("mia", MemberRole.MANAGER)
BOB = member("bob")
ZOE = member("zoe", organisation="umbra")


@pytest.mark.parametrize("role", [MemberRole.VISITOR, MemberRole.MEMBER])
def test_who_is_no_manager_is_told_so_whatever_they_name(role: MemberRole) -> None:
    asking = member("ana", role)
    for target in (BOB, ZOE, None):
        with pytest.raises(errors.NotAllowed):
            check_of_organisation(asking, target)
        with pytest.raises(errors.NotAllowed):
            check_role(asking, target, MemberRole.MANAGER, managers=2)
        with pytest.raises(errors.NotAllowed):
            check_shut_out(asking, target)
        with pytest.raises(errors.NotAllowed):
            check_dismiss(asking, target, erase=False)


@pytest.mark.parametrize("target", [ZOE, None])
def test_somebody_of_another_organisation_is_nobody(target: Member | None) -> None:
    with pytest.raises(errors.NotFound):
        check_role(MAX, target, MemberRole.MEMBER, managers=2)
    with pytest.raises(errors.NotFound):
        check_shut_out(MAX, target)
    with pytest.raises(errors.NotFound):
        check_dismiss(MAX, target, erase=True)


@given(role=roles, target=roles, managers=st.integers(1, 5))
def test_a_manager_gives_anybody_else_any_role(
    role: MemberRole, target: MemberRole, managers: int
) -> None:
    check_role(MAX, member("bob", target), role, managers=managers)


@given(role=roles, managers=st.integers(1, 5))
def test_one_lays_down_the_office_oneself_unless_one_is_the_last(
    role: MemberRole, managers: int
) -> None:
    if managers > 1 or role is MemberRole.MANAGER:
        check_role(MAX, MAX, role, managers=managers)
    else:
        with pytest.raises(errors.NotAllowed, match="last manager"):
            check_role(MAX, MAX, role, managers=managers)


def test_nobody_shuts_out_or_removes_themselves() -> None:
    check_shut_out(MAX, MIA)
    check_dismiss(MAX, MIA, erase=True)
    with pytest.raises(errors.NotAllowed):
        check_shut_out(MAX, MAX)
    with pytest.raises(errors.NotAllowed, match="password"):
        check_dismiss(MAX, MAX, erase=True)


def test_nobody_is_removed_by_a_word_that_does_not_say_what_it_erases() -> None:
    with pytest.raises(errors.InvalidField, match="cannot be undone"):
        check_dismiss(MAX, BOB, erase=False)


def test_visitors_are_no_managers_to_invite() -> None:
    check_invited_role(MemberRole.MEMBER)
    check_invited_role(MemberRole.MANAGER)
    with pytest.raises(errors.InvalidField):
        check_invited_role(MemberRole.VISITOR)


changes = st.builds(
    PolicyChange,
    password_length_min=st.none() | st.integers(12, 256),
    password_classes=st.none() | st.sampled_from(list(Classes)),
    password_age_max_ms=st.none() | st.just(0) | st.integers(1_000, DAY),
    password_reuse_history=st.none() | st.integers(0, 100),
    sessions_max=st.none() | st.integers(1, 1_000),
    directory=st.none() | st.booleans(),
    second_factor=st.none() | st.booleans(),
)


@given(one=changes, other=changes)
def test_what_is_left_out_stays_as_it_is_and_the_last_word_counts(
    one: PolicyChange, other: PolicyChange
) -> None:
    after = changed(changed(Policies(), one), other)

    def said(field: str) -> object:
        last: object = getattr(other, field)
        return getattr(one, field) if last is None else last

    expected = {
        "password_length_min": after.password.length_min,
        "password_classes": after.password.classes,
        "password_age_max_ms": after.password.age_max_ms or 0,
        "password_reuse_history": after.password.reuse_history,
        "sessions_max": after.session.sessions_max,
        "directory": after.directory,
        "second_factor": after.second_factor,
    }
    assert {field: value for field, value in expected.items() if said(field) is not None} == {
        field: said(field) for field in expected if said(field) is not None
    }
    assert changed(after, PolicyChange()) == after


@pytest.mark.parametrize(
    "weak",
    [
        PolicyChange(password_length_min=11),
        PolicyChange(password_length_min=257),
        PolicyChange(password_age_max_ms=1),
        PolicyChange(password_reuse_history=101),
        PolicyChange(session_lifetime_ms=0),
        PolicyChange(session_idle_ms=31 * DAY),
        PolicyChange(sessions_max=0),
        PolicyChange(session_lifetime_ms=181 * DAY),
    ],
)
def test_a_policy_below_the_floor_is_refused_with_the_reason(weak: PolicyChange) -> None:
    with pytest.raises(errors.InvalidField, match=r"characters|valid|reuse|session|idle"):
        changed(Policies(), weak)


def test_an_age_of_nothing_is_no_age() -> None:
    aged = Policies(password=PasswordPolicy(age_max_ms=DAY), session=SessionPolicy())

    assert changed(aged, PolicyChange(password_age_max_ms=0)).password.age_max_ms is None
    assert changed(aged, PolicyChange()).password.age_max_ms == DAY
