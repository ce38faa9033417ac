from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.domain.policy import PasswordPolicy
from storage import accounts, members
from storage.accounts import Account, normalise_address
from tests.storage.tenants import BIRTH, Tenants, transaction


@pytest.fixture
def tenants() -> Iterator[Tenants]:
    with transaction() as tx:
        yield Tenants(tx)


def change(tenants: Tenants, account: Account, *hashes: str, history: int, now: int = 0) -> None:
    for one in hashes:
        accounts.set_password(
            tenants.tx, account=account.id, password_hash=one, history=history, now=now
        )


# -- addresses


@given(st.text(max_size=40))
def test_normalising_an_address_twice_changes_nothing(address: str) -> None:
    assert normalise_address(normalise_address(address)) == normalise_address(address)


@given(st.text(max_size=40))
def test_however_an_address_is_typed_it_is_one(address: str) -> None:
    forms = {unicodedata.normalize(form, address) for form in ("NFC", "NFD")}
    forms |= {f"\t{address} ", address.casefold()}

    assert len({normalise_address(one) for one in forms}) == 1


def test_an_account_is_found_by_its_address_however_it_is_typed(tenants: Tenants) -> None:
    made = tenants.account("Jos\u00e9@Demo.Example")

    assert made.address == "jos\u00e9@demo.example"
    assert accounts.by_address(tenants.tx, " JOSE\u0301@demo.EXAMPLE") == made
    assert accounts.by_address(tenants.tx, "nobody@demo.example") is None


def test_an_address_has_one_account(tenants: Tenants) -> None:
    tenants.account()

    with pytest.raises(errors.Conflict):
        tenants.account("ANA@demo.example")


# -- credentials


def test_a_credential_joins_an_account_to_one_organisation(tenants: Tenants) -> None:
    here, there, neither = (tenants.organisation(one) for one in ("here", "there", "neither"))
    account = tenants.account()
    inside = {one.handle: tenants.member(one, account) for one in (here, there)}

    for handle, member in inside.items():
        found = accounts.credential(tenants.tx, handle=handle, address=account.address)
        assert found is not None
        assert (found.id, found.member, found.disabled) == (account.id, member, False)
    for handle in (neither.handle, "nowhere"):
        assert accounts.credential(tenants.tx, handle=handle, address=account.address) is None
    assert accounts.credential(tenants.tx, handle="here", address="bob@demo.example") is None


def test_a_credential_says_whether_its_member_is_disabled(tenants: Tenants) -> None:
    account = tenants.account()
    member = tenants.member(tenants.organisation(), account)
    members.set_disabled(tenants.tx, member_id=member.id, disabled=True)

    found = accounts.credential(tenants.tx, handle="demo", address=account.address)

    assert found is not None
    assert found.disabled


def test_a_password_obeys_all_the_organisations_of_its_account(tenants: Tenants) -> None:
    account = tenants.account()
    policies = [PasswordPolicy(length_min=20), PasswordPolicy(reuse_history=3)]
    for number, policy in enumerate(policies):
        tenants.member(tenants.organisation(f"o{number}", password=policy), account)
    tenants.organisation("another", password=PasswordPolicy(length_min=99))

    found = accounts.password_policies(tenants.tx, account.id)

    assert sorted(found, key=lambda one: one.reuse_history) == policies


# -- passwords


def test_former_passwords_are_kept_as_far_back_as_asked_the_latest_first(tenants: Tenants) -> None:
    account = tenants.account()

    change(tenants, account, "a", "b", "c", history=2)

    assert accounts.former_hashes(tenants.tx, account.id, 10) == ["b", "a"]
    assert accounts.former_hashes(tenants.tx, account.id, 1) == ["b"]


def test_a_shorter_history_forgets_at_the_next_change(tenants: Tenants) -> None:
    account = tenants.account()
    change(tenants, account, "a", "b", "c", history=3)

    change(tenants, account, "d", history=0)

    assert accounts.former_hashes(tenants.tx, account.id, 10) == []


def test_one_account_forgets_nothing_of_another(tenants: Tenants) -> None:
    one, other = tenants.account(), tenants.account("bob@demo.example")
    change(tenants, other, "a", history=1)

    change(tenants, one, "b", history=0)

    assert accounts.former_hashes(tenants.tx, other.id, 10) == ["hash"]


def test_a_password_is_set_later_than_the_one_before_it_whatever_the_clock(
    tenants: Tenants,
) -> None:
    account = tenants.account()

    change(tenants, account, "a", history=5, now=BIRTH)
    change(tenants, account, "b", history=5, now=BIRTH - 1000)
    change(tenants, account, "c", history=5, now=BIRTH + 1000)

    found = accounts.by_address(tenants.tx, account.address)
    assert found is not None
    assert (found.password_hash, found.password_set_at) == ("c", BIRTH + 1000)
    assert accounts.former_hashes(tenants.tx, account.id, 10) == ["b", "a", "hash"]


def test_the_password_of_nobody_cannot_be_set(tenants: Tenants) -> None:
    with pytest.raises(errors.NotFound):
        accounts.set_password(tenants.tx, account="nobody", password_hash="x", history=0, now=BIRTH)


def test_a_rehash_leaves_the_password_as_old_as_it_is(tenants: Tenants) -> None:
    account = tenants.account()

    accounts.rehash(tenants.tx, account=account.id, former="hash", password_hash="stronger")
    accounts.rehash(tenants.tx, account=account.id, former="hash", password_hash="too late")

    found = accounts.by_address(tenants.tx, account.address)
    assert found is not None
    assert (found.password_hash, found.password_set_at) == ("stronger", BIRTH)
    assert accounts.former_hashes(tenants.tx, account.id, 10) == []


def test_an_account_prints_as_its_id(tenants: Tenants) -> None:
    account = tenants.account()

    assert repr(account) == f"<Account {account.id}>"
