from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from server import errors
from server.protocol.scalars import MemberRole
from storage import members, sessions
from tests.storage.tenants import BIRTH, Tenants, transaction


@pytest.fixture
def tenants() -> Iterator[Tenants]:
    with transaction() as tx:
        yield Tenants(tx)


def test_a_member_is_found_by_id_and_by_address_in_their_organisation(tenants: Tenants) -> None:
    here, there = tenants.organisation("here"), tenants.organisation("there")
    ana = tenants.member(here, tenants.account())

    assert members.get(tenants.tx, ana.id) == ana
    assert members.by_address(tenants.tx, here.id, "ANA@demo.example") == ana
    assert members.by_address(tenants.tx, there.id, "ana@demo.example") is None
    assert members.by_address(tenants.tx, here.id, "bob@demo.example") is None
    assert members.get(tenants.tx, "nobody") is None


def test_two_members_of_one_account_share_nothing_that_shows(tenants: Tenants) -> None:
    account = tenants.account()
    pair = [
        tenants.member(tenants.organisation(one), account, name=one) for one in ("here", "there")
    ]

    shown = [set(msgspec.to_builtins(one).values()) - {"member"} for one in pair]

    assert not shown[0] & shown[1]
    assert not any(account.id in one or account.address in one for one in shown)
    assert members.of_account(tenants.tx, account.id) == sorted(pair, key=lambda one: one.id)


def test_an_account_is_a_member_once(tenants: Tenants) -> None:
    organisation, account = tenants.organisation(), tenants.account()
    tenants.member(organisation, account)

    with pytest.raises(errors.Conflict):
        tenants.member(organisation, account)


def test_a_name_that_does_not_show_is_refused(tenants: Tenants) -> None:
    with pytest.raises(errors.InvalidField):
        tenants.member(tenants.organisation(), tenants.account(), name="A\u202eb")


def test_a_member_may_be_given_another_role(tenants: Tenants) -> None:
    ana = tenants.member(tenants.organisation())

    members.set_role(tenants.tx, member_id=ana.id, role=MemberRole.MANAGER)

    found = members.get(tenants.tx, ana.id)
    assert found is not None
    assert found.role is MemberRole.MANAGER


def test_shutting_a_member_out_ends_their_sessions_and_nobody_elses(tenants: Tenants) -> None:
    organisation = tenants.organisation()
    ana, bob = tenants.member(organisation), tenants.member(organisation, name="Bob")
    hers = [tenants.session(ana, one).id for one in ("a", "b")]
    his = tenants.session(bob, "c").id

    ended = members.set_disabled(tenants.tx, member_id=ana.id, disabled=True)

    assert sorted(ended) == sorted(hers)
    assert sessions.valid(tenants.tx, [*hers, his]) == {his}
    assert members.set_disabled(tenants.tx, member_id=ana.id, disabled=False) == []
    assert not tenants.session(ana, "d", now=BIRTH + 1).disabled


def test_a_wish_not_to_be_seen_is_kept_and_known_at_the_next_handshake(tenants: Tenants) -> None:
    ana = tenants.member(tenants.organisation(), tenants.account())
    sessions.begin(tenants.tx, digest=b"a" * 32, member_id=ana.id, now=BIRTH)

    news = [
        members.set_hidden(tenants.tx, member_id=ana.id, hidden=hidden)
        for hidden in (False, True, True, False)
    ]
    seen = []
    for hidden in (True, False):
        members.set_hidden(tenants.tx, member_id=ana.id, hidden=hidden)
        stored = sessions.by_digest(tenants.tx, b"a" * 32)
        seen.append(stored is not None and stored.hidden)

    assert news == [False, True, False, True]
    assert seen == [True, False]
    assert not members.set_hidden(tenants.tx, member_id="nobody", hidden=True)


def test_nobody_can_be_changed(tenants: Tenants) -> None:
    with pytest.raises(errors.NotFound):
        members.set_role(tenants.tx, member_id="nobody", role=MemberRole.MANAGER)
    with pytest.raises(errors.NotFound):
        members.set_disabled(tenants.tx, member_id="nobody", disabled=True)
