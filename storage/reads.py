"""Reads: how far members read on a timeline, and who lets the others see it.

Touches stays alone. What somebody chose for a sphere holds in its threads too. Invariant: nobody is
shown whom the others may not see to be there.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, or_, select, update

from server.domain.facts import Sphere
from server.protocol.views import ReadView
from storage.database import Transaction
from storage.schema import member, sphere, stay
from storage.spheres import SPHERE, as_sphere

_HOME = stay.alias("home")
#: What every subscription asks: built once.
_SHOWN = (
    select(stay.c.member, stay.c.read_seq)
    .join(_HOME, (_HOME.c.member == stay.c.member) & (_HOME.c.sphere == bindparam("home")))
    .join(member, member.c.id == stay.c.member)
    .where(stay.c.sphere == bindparam("timeline"), stay.c.read_seq >= bindparam("horizon"))
    .where(_HOME.c.show_read, ~member.c.hidden)
    .order_by(stay.c.member)
)


def mark(tx: Transaction, sphere_id: str, member_id: str, seq: int) -> None:
    """Note how far a member read."""
    tx.execute(
        update(stay)
        .where(stay.c.sphere == sphere_id, stay.c.member == member_id)
        .values(read_seq=seq)
    )


def show(tx: Transaction, sphere_id: str, member_id: str, *, on: bool) -> None:
    """Store whether a member lets others see how far they read."""
    tx.execute(
        update(stay)
        .where(stay.c.sphere == sphere_id, stay.c.member == member_id)
        .values(show_read=on)
    )


def is_shown(tx: Transaction, of: Sphere, member_id: str) -> bool:
    """Say whether others may see now how far a member reads."""
    asked = (
        select(stay.c.member)
        .join(member, member.c.id == stay.c.member)
        .where(stay.c.sphere == of.home, stay.c.member == member_id, stay.c.show_read)
        .where(~member.c.hidden)
    )
    return tx.execute(asked).first() is not None


def shown(tx: Transaction, of: Sphere, horizon: int) -> list[ReadView]:
    """Return who lets others see how far they read, where that is not below ``horizon``."""
    rows = tx.execute(_SHOWN, {"home": of.home, "timeline": of.id, "horizon": horizon})
    return [ReadView(member=row.member, up_to=row.read_seq) for row in rows]


def everywhere(tx: Transaction, sphere_id: str, member_id: str) -> list[tuple[Sphere, int]]:
    """Return the timelines of a member in a sphere, its threads too, with how far they read."""
    rows = tx.execute(
        select(*SPHERE, stay.c.read_seq)
        .join(stay, stay.c.sphere == sphere.c.id)
        .where(
            stay.c.member == member_id,
            or_(sphere.c.id == sphere_id, func.coalesce(sphere.c.parent, "") == sphere_id),
        )
    )
    return [(as_sphere(row), row.read_seq) for row in rows]


def shown_by(tx: Transaction, member_id: str) -> list[tuple[Sphere, int]]:
    """Return where a member lets others see how far they read, unless hidden, and how far it is."""
    of_home = _HOME.c.sphere == func.coalesce(sphere.c.parent, sphere.c.id)
    rows = tx.execute(
        select(*SPHERE, stay.c.read_seq)
        .join(stay, stay.c.sphere == sphere.c.id)
        .join(_HOME, of_home & (_HOME.c.member == stay.c.member))
        .where(stay.c.member == member_id, stay.c.read_seq > 0, _HOME.c.show_read)
        .order_by(sphere.c.id)
    )
    return [(as_sphere(row), row.read_seq) for row in rows]
