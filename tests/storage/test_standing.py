from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from server.domain.facts import Member, Sphere, Stay
from server.protocol.scalars import Audience, Bequest, MemberRole, SphereRole
from storage import invitations, members, spheres, stays
from storage.database import Transaction
from storage.schema import sphere as sphere_table
from tests.storage.tenants import BIRTH, Tenants, transaction

NOWHERE = "a" * 26


@pytest.fixture
def tx() -> Iterator[Transaction]:
    """Return a transaction on an empty database."""
    with transaction() as opened:
        yield opened


@pytest.fixture
def place(tx: Transaction) -> tuple[Member, Member, Sphere]:
    """Return the founder of an invisible sphere, somebody outside, and the sphere."""
    tenants = Tenants(tx)
    demo = tenants.organisation()
    ana, carol = tenants.member(demo, name="Ana"), tenants.member(demo, name="Carol")
    made = spheres.create(tx, organisation=demo.id, name="Herons", now=BIRTH)
    role = SphereRole.ADMINISTRATOR
    stays.begin(tx, made.id, Stay(member=ana.id, role=role, entered=False, horizon=1))
    return ana, carol, made


def columns(tx: Transaction, sphere: str, member: str) -> tuple[Any, ...]:
    """Return what the store hands out of a sphere to somebody."""
    found = tx.execute(spheres._STANDING, {"sphere": sphere, "member": member}).one()
    return tuple(found)


def test_of_an_invisible_sphere_the_store_hands_an_outsider_what_it_does_of_none(
    tx: Transaction, place: tuple[Member, Member, Sphere]
) -> None:
    _, carol, made = place

    assert spheres.standing(tx, made.id, carol.id) is None
    assert columns(tx, made.id, carol.id) == columns(tx, NOWHERE, carol.id)


def test_so_it_does_of_a_foreign_sphere_whoever_asks(
    tx: Transaction, place: tuple[Member, Member, Sphere]
) -> None:
    _, _, made = place
    spheres.change(tx, msgspec.structs.replace(made, listed=True, audience=Audience.OPEN))
    tenants = Tenants(tx)
    zoe = tenants.member(tenants.organisation("umbra"), name="Zoe")
    members.set_role(tx, member_id=zoe.id, role=MemberRole.MANAGER)

    assert spheres.standing(tx, made.id, zoe.id) is None
    assert columns(tx, made.id, zoe.id) == columns(tx, NOWHERE, zoe.id)


def test_so_it_does_of_a_private_thread_whoever_asks(
    tx: Transaction, place: tuple[Member, Member, Sphere]
) -> None:
    ana, _, made = place
    thread = msgspec.to_builtins(made) | {"id": "t" * 26, "parent": made.id, "created_at": BIRTH}
    tx.execute(insert(sphere_table).values(**thread))
    role = SphereRole.MEMBER
    stays.begin(tx, "t" * 26, Stay(member=ana.id, role=role, entered=False, horizon=1))

    assert spheres.standing(tx, "t" * 26, ana.id) is None


@pytest.mark.parametrize("why", ["inside", "invited", "bequeathed", "manager", "listed"])
def test_who_has_to_do_with_it_is_told_what_they_are_to_it(
    tx: Transaction, place: tuple[Member, Member, Sphere], why: str
) -> None:
    ana, carol, made = place
    if why == "inside":
        opened = Stay(member=carol.id, role=SphereRole.MEMBER, entered=False, horizon=2)
        stays.begin(tx, made.id, opened)
    elif why == "invited":
        invitations.offer(tx, sphere_id=made.id, member_id=carol.id, by=ana.id, now=BIRTH)
    elif why == "bequeathed":
        stays.bequeath(tx, made.id, carol.id, Bequest.NAMED)
    elif why == "manager":
        members.set_role(tx, member_id=carol.id, role=MemberRole.MANAGER)
    else:
        spheres.change(tx, msgspec.structs.replace(made, listed=True))

    found = spheres.standing(tx, made.id, carol.id)

    assert found is not None
    assert (found.member.id, found.sphere.id) == (carol.id, made.id)
    assert (found.stay is not None) is (why == "inside")
    assert found.invited is (why == "invited")
    assert (found.bequest is not None) is (why == "bequeathed")


def test_who_is_shut_out_is_nothing_to_any_sphere(
    tx: Transaction, place: tuple[Member, Member, Sphere]
) -> None:
    ana, _, made = place
    members.set_disabled(tx, member_id=ana.id, disabled=True)

    assert spheres.standing(tx, made.id, ana.id) is None
