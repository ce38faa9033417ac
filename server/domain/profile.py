"""Profile: what of somebody shows to whom.

Decides from what they say in general and, for one sphere, instead. Invariant: what is hidden shows
to nobody else; in a sphere an override is all that shows of its field; outside, only what is for
the whole organisation does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from server import errors
from server.domain.facts import Fact
from server.protocol.scalars import ProfileField, Visibility


class Described(Fact, frozen=True):
    """A field of a profile, in general."""

    field: ProfileField
    value: str
    visibility: Visibility


def shown_in_sphere(
    fields: Iterable[Described], overrides: Mapping[ProfileField, str | None]
) -> dict[ProfileField, str]:
    """Return what those who share a sphere see there."""
    shown = {one.field: one.value for one in fields if one.visibility is not Visibility.HIDDEN}
    for field, value in overrides.items():
        if value is None:
            shown.pop(field, None)
        else:
            shown[field] = value
    return in_order(shown)


def shown_in_directory(fields: Iterable[Described]) -> dict[ProfileField, str]:
    """Return what whoever finds a member in the directory sees."""
    return in_order(
        {one.field: one.value for one in fields if one.visibility is Visibility.ORGANISATION}
    )


def in_order(shown: Mapping[ProfileField, str]) -> dict[ProfileField, str]:
    """Return fields in the order of the vocabulary."""
    return {field: shown[field] for field in ProfileField if field in shown}


def check_described(value: str | None, visibility: Visibility | None, *, in_sphere: bool) -> None:
    """Raise InvalidField unless a field is said whole, or taken back whole."""
    if in_sphere:
        if visibility is Visibility.ORGANISATION:
            raise errors.InvalidField("In one sphere a field is `sphere` or `hidden`.")
        if (value is not None) is not (visibility is Visibility.SPHERE):
            raise errors.InvalidField("In one sphere, say `value` with `sphere`, and only with it.")
    elif (value is None) is not (visibility is None):
        raise errors.InvalidField("Say `value` and `visibility` both, or neither.")
