from __future__ import annotations

from collections.abc import Iterator

import pytest

from server import errors
from server.domain.policy import DAY, Classes, PasswordPolicy, SessionPolicy
from storage import organisations, sessions
from storage.organisations import Organisation
from tests.storage.tenants import BIRTH, Tenants, transaction

PASSWORD = PasswordPolicy(length_min=45, classes=Classes(5), age_max_ms=DAY, reuse_history=7)
SESSION = SessionPolicy(lifetime_ms=5_000, idle_ms=2_000, sessions_max=3)


@pytest.fixture
def tenants() -> Iterator[Tenants]:
    with transaction() as tx:
        yield Tenants(tx)


def set_policies(
    tenants: Tenants,
    organisation: Organisation,
    now: int,
    *,
    session: SessionPolicy | None = None,
    password: PasswordPolicy | None = None,
) -> list[str]:
    return organisations.set_policies(
        tenants.tx,
        organisation=organisation.id,
        password_policy=password or PasswordPolicy(),
        session_policy=session or SessionPolicy(),
        now=now,
    )


def test_an_organisation_comes_back_as_it_was_made(tenants: Tenants) -> None:
    made = tenants.organisation(password=PASSWORD, session=SESSION)

    assert (made.password_policy, made.session_policy) == (PASSWORD, SESSION)
    assert organisations.get(tenants.tx, made.id) == made
    assert organisations.by_handle(tenants.tx, " DEMO ") == made
    assert organisations.every(tenants.tx, [made.id, "nowhere"]) == [made]


def test_what_there_is_not_is_none(tenants: Tenants) -> None:
    assert organisations.get(tenants.tx, "nowhere") is None
    assert organisations.by_handle(tenants.tx, "nowhere") is None


def test_a_handle_names_one_organisation(tenants: Tenants) -> None:
    tenants.organisation()

    with pytest.raises(errors.Conflict):
        tenants.organisation("Demo")


@pytest.mark.parametrize(
    ("password", "session"),
    [(PasswordPolicy(length_min=4), None), (None, SessionPolicy(sessions_max=0))],
)
def test_no_organisation_is_made_below_the_floor(
    tenants: Tenants, password: PasswordPolicy | None, session: SessionPolicy | None
) -> None:
    with pytest.raises(errors.InvalidField):
        tenants.organisation(password=password, session=session)

    assert organisations.by_handle(tenants.tx, "demo") is None


def test_policies_are_replaced_together(tenants: Tenants) -> None:
    made = tenants.organisation()
    other = tenants.organisation("other")

    assert set_policies(tenants, made, BIRTH, session=SESSION, password=PASSWORD) == []

    found = organisations.get(tenants.tx, made.id)
    assert found is not None
    assert (found.password_policy, found.session_policy) == (PASSWORD, SESSION)
    assert organisations.get(tenants.tx, other.id) == other


def test_a_change_of_policy_first_buries_what_was_dead_under_the_former_one(
    tenants: Tenants,
) -> None:
    made, other = (tenants.organisation(one, session=SESSION) for one in ("demo", "other"))
    dead = tenants.session(tenants.member(made, name="Dead"), "dead")
    living = tenants.session(tenants.member(made, name="Living"), "living", now=BIRTH + 1)
    elsewhere = tenants.session(tenants.member(other, name="Elsewhere"), "elsewhere")

    assert set_policies(tenants, made, BIRTH + 2_000) == [dead.id]

    assert sessions.valid(tenants.tx, [dead.id, living.id, elsewhere.id]) == {
        living.id,
        elsewhere.id,
    }


def test_fewer_sessions_allowed_end_those_least_recently_seen_of_each_member(
    tenants: Tenants,
) -> None:
    made, other = tenants.organisation(), tenants.organisation("other")
    people = [tenants.member(made, name=name) for name in ("Ana", "Bob")]
    people.append(tenants.member(other, name="Eve"))
    held = [
        [tenants.session(one, f"{one.id} {number}", now=BIRTH + number) for number in range(3)]
        for one in people
    ]
    sessions.seen(tenants.tx, {held[0][0].id: BIRTH + 9})

    ended = set_policies(tenants, made, BIRTH + 10, session=SessionPolicy(sessions_max=1))

    assert set(ended) == {held[0][1].id, held[0][2].id, held[1][0].id, held[1][1].id}


def test_the_policies_of_no_organisation_cannot_be_replaced(tenants: Tenants) -> None:
    made = tenants.organisation()
    unknown = Organisation(
        id="nowhere",
        handle="nowhere",
        name="Nowhere",
        password_policy=made.password_policy,
        session_policy=made.session_policy,
    )

    with pytest.raises(errors.NotFound):
        set_policies(tenants, unknown, BIRTH)
