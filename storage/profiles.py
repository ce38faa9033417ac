"""Profiles: what members say of themselves, in general and in one sphere; the directory's pages.

Decides nothing of who sees what: that is ``domain.profile``. Invariant: an override goes with the
stay that it belongs to, by the database itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Select, delete, select

from server.domain.facts import Fact
from server.domain.profile import Described
from server.protocol.scalars import MemberRole, ProfileField, Visibility
from server.protocol.views import OwnField
from storage.database import Transaction
from storage.members import folded
from storage.schema import member, profile_field, profile_override
from storage.upserts import insert


class Entry(Fact, frozen=True):
    """A member as the directory lists them."""

    member: str
    name: str


def say(tx: Transaction, member_id: str, said: Described) -> None:
    """Store a field, in general."""
    values = {"value": said.value, "visibility": said.visibility.value}
    tx.execute(
        insert(tx, profile_field)
        .values(member=member_id, field=said.field.value, **values)
        .on_conflict_do_update(index_elements=["member", "field"], set_=values)
    )


def take_back(tx: Transaction, member_id: str, field: ProfileField) -> None:
    """Forget a field, in general."""
    tx.execute(
        delete(profile_field).where(
            profile_field.c.member == member_id, profile_field.c.field == field.value
        )
    )


def say_in(
    tx: Transaction, sphere_id: str, member_id: str, field: ProfileField, value: str | None
) -> None:
    """Store what a member who is inside says in a sphere instead: None for nothing."""
    tx.execute(
        insert(tx, profile_override)
        .values(sphere=sphere_id, member=member_id, field=field.value, value=value)
        .on_conflict_do_update(index_elements=["sphere", "member", "field"], set_={"value": value})
    )


def take_back_in(tx: Transaction, sphere_id: str, member_id: str, field: ProfileField) -> None:
    """Let what is said in general hold in a sphere again."""
    tx.execute(
        delete(profile_override).where(
            profile_override.c.sphere == sphere_id,
            profile_override.c.member == member_id,
            profile_override.c.field == field.value,
        )
    )


def fields(tx: Transaction, member_ids: Iterable[str]) -> dict[str, list[Described]]:
    """Return what members say of themselves in general, by member."""
    asked = list(member_ids)
    found: dict[str, list[Described]] = {one: [] for one in asked}
    rows = tx.execute(
        select(
            profile_field.c.member,
            profile_field.c.field,
            profile_field.c.value,
            profile_field.c.visibility,
        ).where(profile_field.c.member.in_(asked))
    )
    for row in rows:
        found[row.member].append(
            Described(
                field=ProfileField(row.field),
                value=row.value,
                visibility=Visibility(row.visibility),
            )
        )
    return found


def overrides(tx: Transaction, sphere_id: str, member_id: str) -> dict[ProfileField, str | None]:
    """Return what a member says in one sphere instead."""
    rows = tx.execute(
        select(profile_override.c.field, profile_override.c.value).where(
            profile_override.c.sphere == sphere_id, profile_override.c.member == member_id
        )
    )
    return {ProfileField(row.field): row.value for row in rows}


def own(tx: Transaction, member_id: str) -> list[OwnField]:
    """Return all that a member says of themselves: for their eyes."""
    said = [
        OwnField(field=one.field, value=one.value, visibility=one.visibility, sphere=None)
        for one in fields(tx, [member_id])[member_id]
    ]
    rows = tx.execute(
        select(profile_override.c.sphere, profile_override.c.field, profile_override.c.value)
        .where(profile_override.c.member == member_id)
        .order_by(profile_override.c.sphere, profile_override.c.field)
    )
    return said + [
        OwnField(
            field=ProfileField(row.field),
            value=row.value,
            visibility=Visibility.HIDDEN if row.value is None else Visibility.SPHERE,
            sphere=row.sphere,
        )
        for row in rows
    ]


def listing(
    tx: Transaction, organisation: str, *, search: str | None, after: int, limit: int
) -> list[Entry]:
    """Return members of an organisation by name, visitors and the disabled left out."""
    chosen = _listed(organisation).order_by(member.c.name_folded, member.c.id)
    if search is not None:
        chosen = chosen.where(member.c.name_folded.contains(folded(search), autoescape=True))
    rows = tx.execute(chosen.offset(after).limit(limit))
    return [Entry(member=row.id, name=row.name) for row in rows]


def listed(tx: Transaction, organisation: str, member_id: str) -> Entry | None:
    """Return a member as the directory of their organisation lists them, or None."""
    row = tx.execute(_listed(organisation).where(member.c.id == member_id)).first()
    return None if row is None else Entry(member=row.id, name=row.name)


def _listed(organisation: str) -> Select[tuple[str, str]]:
    return select(member.c.id, member.c.name).where(
        member.c.organisation == organisation,
        member.c.account.is_not(None),
        member.c.disabled.is_(False),
        member.c.role != MemberRole.VISITOR.value,
    )
