from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update

from server.domain.policy import DAY, PasswordPolicy, SessionPolicy
from storage import accounts, members, sessions
from storage.schema import account as account_table
from storage.schema import session as session_table
from tests import engines
from tests.storage.tenants import BIRTH, Tenants, transaction

SECOND = 1_000


@pytest.fixture
def tenants() -> Iterator[Tenants]:
    with transaction() as tx:
        yield Tenants(tx)


def test_a_session_comes_back_with_everything_that_decides_its_end(tenants: Tenants) -> None:
    policy = SessionPolicy(lifetime_ms=9 * SECOND, idle_ms=4 * SECOND)
    organisation = tenants.organisation(session=policy, password=PasswordPolicy(age_max_ms=DAY))
    ana = tenants.member(organisation)

    made = tenants.session(ana)

    assert sessions.by_digest(tenants.tx, b"digest") == made
    assert (made.member, made.organisation_name, made.disabled) == (ana, "The demo", False)
    assert (made.created_at, made.seen_at, made.policy) == (BIRTH, BIRTH, policy)
    assert made.password_ends_at == BIRTH + DAY
    assert (made.ends_at, made.deadline) == (BIRTH + 9 * SECOND, BIRTH + 4 * SECOND)


def test_a_password_without_an_age_ends_no_session(tenants: Tenants) -> None:
    made = tenants.session(tenants.member(tenants.organisation()))

    assert made.password_ends_at is None
    assert made.ends_at == BIRTH + 30 * DAY


def test_a_handshake_costs_one_query(tenants: Tenants) -> None:
    tenants.session(tenants.member(tenants.organisation()))
    asked = list[str]()

    def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(tenants.tx, "before_cursor_execute", count)
    sessions.by_digest(tenants.tx, b"digest")

    assert len(asked) == 1


def test_a_digest_that_opens_nothing_is_none(tenants: Tenants) -> None:
    assert sessions.by_digest(tenants.tx, b"unknown") is None


def test_a_session_obeys_the_policy_as_it_stands(tenants: Tenants) -> None:
    organisation = tenants.organisation()
    tenants.session(tenants.member(organisation))
    tenants.organisation("other")

    tenants.tx.exec_driver_sql("UPDATE organisation SET session_idle_ms = 7000")

    found = sessions.by_digest(tenants.tx, b"digest")
    assert found is not None
    assert found.deadline == BIRTH + 7 * SECOND


def test_what_was_seen_never_moves_backwards(tenants: Tenants) -> None:
    ana = tenants.member(tenants.organisation())
    one, two = tenants.session(ana, "one"), tenants.session(ana, "two")

    sessions.seen(tenants.tx, {one.id: BIRTH + 5, two.id: BIRTH - 5, "gone": BIRTH})
    sessions.seen(tenants.tx, {one.id: BIRTH + 3})
    sessions.seen(tenants.tx, {})

    found = [sessions.by_digest(tenants.tx, digest) for digest in (b"one", b"two")]
    assert [one and one.seen_at for one in found] == [BIRTH + 5, BIRTH]


def test_many_sessions_are_noted_in_one_statement(tenants: Tenants) -> None:
    ana = tenants.member(tenants.organisation())
    held = [tenants.session(ana, str(number)).id for number in range(5)]
    many = list[bool]()

    def count(*details: Any) -> None:
        many.append(details[-1])

    event.listen(tenants.tx, "before_cursor_execute", count)
    sessions.seen(tenants.tx, dict.fromkeys(held, BIRTH + 1))

    assert many == [True]


def test_room_is_made_by_ending_the_sessions_least_recently_seen(tenants: Tenants) -> None:
    organisation = tenants.organisation(session=SessionPolicy(sessions_max=3))
    ana, bob = tenants.member(organisation), tenants.member(organisation, name="Bob")
    his = tenants.session(bob, "his")
    held = [tenants.session(ana, str(number), now=BIRTH + number) for number in range(3)]
    sessions.seen(tenants.tx, {held[0].id: BIRTH + 9})

    opened = sessions.begin(tenants.tx, digest=b"new", member_id=ana.id, now=BIRTH - 5)

    assert opened.evicted == [held[1].id]
    every = {opened.session.id, his.id, *(one.id for one in held)}
    assert sessions.valid(tenants.tx, every) == every - {held[1].id}


def test_a_session_ends_once(tenants: Tenants) -> None:
    made = tenants.session(tenants.member(tenants.organisation()))

    assert sessions.end(tenants.tx, made.id)
    assert not sessions.end(tenants.tx, made.id)

    assert sessions.by_digest(tenants.tx, b"digest") is None


def test_the_sessions_of_an_account_end_in_all_its_organisations(tenants: Tenants) -> None:
    account = tenants.account()
    hers = [
        tenants.session(tenants.member(tenants.organisation(one), account), one).id
        for one in ("here", "there")
    ]
    his = tenants.session(tenants.member(tenants.organisation(), name="Bob"), "his").id

    assert sorted(sessions.end_of_account(tenants.tx, account.id)) == sorted(hers)

    assert sessions.valid(tenants.tx, [*hers, his]) == {his}


def test_a_disabled_member_has_no_valid_session(tenants: Tenants) -> None:
    ana = tenants.member(tenants.organisation())
    members.set_disabled(tenants.tx, member_id=ana.id, disabled=True)
    made = tenants.session(ana)

    assert made.disabled
    assert sessions.valid(tenants.tx, [made.id]) == set()


moments = st.integers(BIRTH - 50, BIRTH + 50)
spans = st.integers(SECOND, SECOND + 40)


@given(moments, st.integers(0, 60), moments, spans, spans, st.none() | spans, moments)
@settings(deadline=None, max_examples=60)
def test_what_is_swept_is_what_the_rule_calls_over(
    created_at: int,
    later: int,
    password_set_at: int,
    lifetime_ms: int,
    idle_ms: int,
    age_max_ms: int | None,
    offset: int,
) -> None:
    with transaction() as tx:
        tenants = Tenants(tx)
        organisation = tenants.organisation(
            session=SessionPolicy(lifetime_ms=lifetime_ms, idle_ms=min(idle_ms, lifetime_ms)),
            password=PasswordPolicy(age_max_ms=age_max_ms),
        )
        tenants.session(tenants.member(organisation), now=created_at)
        tx.execute(update(session_table).values(seen_at=created_at + later))
        tx.execute(update(account_table).values(password_set_at=password_set_at))
        found = sessions.by_digest(tx, b"digest")
        assert found is not None
        now = offset + SECOND

        swept = sessions.sweep(tx, before=now)

        assert swept == (now >= found.deadline)


def test_burying_concerns_one_organisation(tenants: Tenants) -> None:
    policy = SessionPolicy(lifetime_ms=SECOND, idle_ms=SECOND)
    here, there = (tenants.organisation(one, session=policy) for one in ("here", "there"))
    dead = [tenants.session(tenants.member(one, name=one.handle), one.id) for one in (here, there)]

    assert sessions.bury(tenants.tx, organisation=here.id, now=BIRTH + SECOND) == [dead[0].id]

    assert sessions.valid(tenants.tx, [one.id for one in dead]) == {dead[1].id}


def test_sessions_go_with_their_account(tenants: Tenants) -> None:
    if engines.is_sqlite():
        tenants.tx.exec_driver_sql("PRAGMA foreign_keys=ON")
    account = tenants.account()
    made = tenants.session(tenants.member(tenants.organisation(), account))

    tenants.tx.execute(account_table.delete().where(account_table.c.id == account.id))

    assert sessions.valid(tenants.tx, [made.id]) == set()
    assert accounts.by_address(tenants.tx, account.address) is None
