"""People in a file of comma-separated values."""

from __future__ import annotations

import pytest

from server.administration.listed import Person, Unusable, people
from server.protocol.scalars import MemberRole


def test_people_are_members_unless_the_file_says_otherwise() -> None:
    lines = ["address,role", "ana@demo.example,", 'bob@demo.example," Manager"']

    assert people(lines) == [
        Person("ana@demo.example", MemberRole.MEMBER),
        Person("bob@demo.example", MemberRole.MANAGER),
    ]


def test_the_column_of_roles_may_be_left_out() -> None:
    assert [one.role for one in people(["address", "ana@demo.example"])] == [MemberRole.MEMBER]


def test_every_fault_is_named_by_its_line_and_never_by_its_value() -> None:
    lines = ["address,role", "ana@demo.example,", "two words,", "bob@demo.example,visitor",
             "ANA@demo.example,", "x@demo.example,member,surplus"]  # fmt: skip

    with pytest.raises(Unusable) as unusable:
        people(lines)

    faults = str(unusable.value).splitlines()
    assert [fault.partition(":")[0] for fault in faults] == ["Line 3", "Line 4", "Line 5", "Line 6"]
    assert not any(value in str(unusable.value) for value in ("words", "bob", "ANA", "surplus"))


@pytest.mark.parametrize("head", ["", "name,role", "address,password"])
def test_a_file_without_its_columns_or_with_others_is_refused(head: str) -> None:
    with pytest.raises(Unusable, match="name the columns"):
        people([head, "ana@demo.example"])


def test_a_line_that_is_no_csv_is_refused() -> None:
    with pytest.raises(Unusable, match="field larger"):
        people(["address", "a" * 200_000])


def test_a_file_of_too_many_people_is_refused() -> None:
    with pytest.raises(Unusable, match="10000 people"):
        people(["address", *(f"{number}@demo.example" for number in range(10_001))])
