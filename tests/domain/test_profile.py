"""What of somebody shows to whom."""

from __future__ import annotations

from itertools import product

import pytest

from server import errors
from server.domain.profile import Described, check_described, shown_in_directory, shown_in_sphere
from server.protocol.scalars import ProfileField, Visibility

TITLE, ABOUT = ProfileField.TITLE, ProfileField.ABOUT
HIDDEN, SPHERE, ORGANISATION = Visibility


def said(visibility: Visibility, value: str = "Baker") -> list[Described]:
    return [Described(field=TITLE, value=value, visibility=visibility)]


@pytest.mark.parametrize(
    ("visibility", "in_sphere", "in_directory"),
    [(HIDDEN, False, False), (SPHERE, True, False), (ORGANISATION, True, True)],
)
def test_a_field_shows_where_its_visibility_reaches(
    visibility: Visibility, *, in_sphere: bool, in_directory: bool
) -> None:
    assert bool(shown_in_sphere(said(visibility), {})) is in_sphere
    assert bool(shown_in_directory(said(visibility))) is in_directory


@pytest.mark.parametrize("visibility", Visibility)
def test_in_a_sphere_an_override_is_all_that_shows(visibility: Visibility) -> None:
    assert shown_in_sphere(said(visibility), {TITLE: None}) == {}
    assert shown_in_sphere(said(visibility), {TITLE: "Birder"}) == {TITLE: "Birder"}


def test_fields_stand_in_the_order_of_the_vocabulary() -> None:
    assert list(shown_in_sphere(said(SPHERE), {ABOUT: "x", ProfileField.PRONOUNS: "y"})) == [
        TITLE,
        ProfileField.PRONOUNS,
        ABOUT,
    ]


ALLOWED = {
    (False, False, None),
    *((False, True, visibility) for visibility in Visibility),
    (True, False, None),
    (True, True, SPHERE),
    (True, False, HIDDEN),
}


@pytest.mark.parametrize("case", list(product((False, True), (False, True), (None, *Visibility))))
def test_a_field_is_said_whole_or_taken_back_whole(
    case: tuple[bool, bool, Visibility | None],
) -> None:
    in_sphere, with_value, visibility = case
    value = "Baker" if with_value else None

    if case in ALLOWED:
        check_described(value, visibility, in_sphere=in_sphere)
    else:
        with pytest.raises(errors.InvalidField):
            check_described(value, visibility, in_sphere=in_sphere)
