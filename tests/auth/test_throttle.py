from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.auth.throttle import PLACES_BEFORE_ALARM, Attempt, Buckets, Throttle, place_of
from tests.auth.house import HandClock

MINUTE = 60_000
OWNER = "ana@demo.example"


def throttle(clock: HandClock, **bounds: float) -> Throttle:
    return Throttle(
        clock,
        attempts_per_minute=bounds.get("attempts", 1000),
        failures_per_minute=bounds.get("failures", 10),
        keys_max=int(bounds.get("keys", 1000)),
    )


def fail(guard: Throttle, source: str, address: str = OWNER) -> Attempt:
    attempt = guard.admit(address, source)
    guard.failed(attempt)
    return attempt


def failures_until_refused(guard: Throttle, source: str, address: str = OWNER) -> int:
    for tried in range(1000):
        try:
            fail(guard, source, address)
        except errors.TooFast:
            return tried
    raise AssertionError("never refused")


def attack(guard: Throttle, places: int = PLACES_BEFORE_ALARM + 1) -> None:
    for place in range(places):
        failures_until_refused(guard, f"198.51.{place}.1")


# -- buckets


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 3)), max_size=60))
def test_a_bucket_never_gives_more_than_its_size_and_its_rate(steps: list[tuple[int, int]]) -> None:
    buckets, now, taken = Buckets(per_minute=12, keys_max=1), 0, 0

    for later, cost in steps:
        now += later
        if not buckets.wait_ms(b"k", cost, now):
            buckets.take(b"k", cost, now)
            taken += cost

    assert taken <= 12 + 12 * now / MINUTE + 1e-6


@given(st.integers(1, 12), st.integers(0, 100_000))
def test_after_the_wait_that_was_told_the_cost_can_be_taken(cost: int, later: int) -> None:
    buckets = Buckets(per_minute=12, keys_max=1)
    buckets.take(b"k", 12, 0)

    wait = buckets.wait_ms(b"k", cost, later)

    assert buckets.wait_ms(b"k", cost, later + wait) == 0
    assert wait < 2 or buckets.wait_ms(b"k", cost, later + wait - 2) > 0


def test_a_clock_that_steps_back_fills_nothing() -> None:
    buckets = Buckets(per_minute=12, keys_max=1)
    buckets.take(b"k", 12, MINUTE)

    assert buckets.wait_ms(b"k", 1, 0) == buckets.wait_ms(b"k", 1, MINUTE)


def test_what_is_given_back_never_overflows() -> None:
    buckets = Buckets(per_minute=12, keys_max=1)

    buckets.take(b"k", -5, 0)
    buckets.take(b"k", 12, 0)

    assert buckets.wait_ms(b"k", 1, 0) > 0


def test_the_least_recently_used_key_is_forgotten_first() -> None:
    buckets = Buckets(per_minute=1, keys_max=2)

    for key in (b"a", b"b", b"a", b"c"):
        buckets.take(key, 1, 0)

    assert len(buckets) == 2
    assert buckets.wait_ms(b"a", 1, 0) > 0
    assert buckets.wait_ms(b"b", 1, 0) == 0


# -- who is slowed


def test_one_source_may_try_a_minutes_worth_at_once_whatever_the_addresses() -> None:
    guard = throttle(HandClock(), attempts=60)
    for one in range(60):
        guard.succeeded(guard.admit(f"{one}@demo.example", "192.0.2.7"))

    with pytest.raises(errors.TooFast) as refused:
        guard.admit("other@demo.example", "192.0.2.7")

    assert refused.value.retry_after_ms == 1001
    guard.admit("other@demo.example", "192.0.2.8")


def test_failures_against_one_address_from_one_place_are_ten_and_then_one_in_six_seconds() -> None:
    clock = HandClock()
    guard = throttle(clock)

    assert failures_until_refused(guard, "192.0.2.7") == 10
    clock.at += 6_000
    assert failures_until_refused(guard, "192.0.2.7") == 1
    assert failures_until_refused(guard, "192.0.2.7", "bob@demo.example") == 10


def test_a_refused_attempt_costs_nothing() -> None:
    clock = HandClock()
    guard = throttle(clock)
    failures_until_refused(guard, "192.0.2.7")
    for _ in range(50):
        with pytest.raises(errors.TooFast):
            guard.admit(OWNER, "192.0.2.7")

    clock.at += 6_001

    guard.admit(OWNER, "192.0.2.7")


def test_the_right_password_costs_nothing() -> None:
    guard = throttle(HandClock())

    for _ in range(100):
        guard.succeeded(guard.admit(OWNER, "192.0.2.7"))


def test_a_password_that_was_not_looked_at_costs_nothing() -> None:
    guard = throttle(HandClock())

    for _ in range(100):
        guard.not_tried(guard.admit(OWNER, "192.0.2.7"))


def test_attempts_under_way_are_charged_before_their_outcome_is_known() -> None:
    guard = throttle(HandClock())
    for _ in range(10):
        guard.admit(OWNER, "192.0.2.7")

    with pytest.raises(errors.TooFast):
        guard.admit(OWNER, "192.0.2.7")


def test_an_address_is_one_however_it_is_typed() -> None:
    guard = throttle(HandClock())
    for _ in range(10):
        fail(guard, "192.0.2.7", "  ANA@Demo.Example")

    with pytest.raises(errors.TooFast):
        fail(guard, "192.0.2.7")


def test_an_attack_from_elsewhere_does_not_slow_a_place_where_the_owner_signed_in() -> None:
    guard = throttle(HandClock())
    guard.succeeded(guard.admit(OWNER, "192.0.2.7"))

    attack(guard)

    assert failures_until_refused(guard, "192.0.2.7") == 10


def test_under_attack_any_other_place_still_has_one_attempt_and_then_a_wait() -> None:
    clock = HandClock()
    guard = throttle(clock)
    attack(guard)

    assert failures_until_refused(guard, "203.0.113.9") == 1
    clock.at += MINUTE - 1
    attack(guard)
    assert failures_until_refused(guard, "203.0.113.9") == 0
    clock.at += 1
    assert failures_until_refused(guard, "203.0.113.9") == 1


def test_an_attack_on_one_address_slows_no_other() -> None:
    guard = throttle(HandClock())
    attack(guard)

    assert failures_until_refused(guard, "203.0.113.9", "bob@demo.example") == 10


def test_an_attack_passes() -> None:
    clock = HandClock()
    guard = throttle(clock)
    attack(guard)

    clock.at += MINUTE

    assert failures_until_refused(guard, "203.0.113.9") == 10


def test_memory_is_bounded_and_the_latest_places_are_remembered() -> None:
    guard = throttle(HandClock(), keys=50)
    for one in range(200):
        guard.succeeded(guard.admit(f"{one}@demo.example", f"192.0.2.{one}"))
        fail(guard, f"192.0.2.{one}", f"{one}@demo.example")

    for buckets in (guard._sources, guard._pairs, guard._addresses, guard._known):
        assert len(buckets) == 50


def test_neither_an_address_nor_a_place_is_held_in_clear() -> None:
    guard = throttle(HandClock())
    guard.succeeded(guard.admit(OWNER, "192.0.2.7"))
    attempt = fail(guard, "192.0.2.7")

    held = repr([vars(one) for one in (guard._sources, guard._pairs, guard._addresses)])
    held += repr(attempt) + repr(guard._known)
    assert "ana" not in held
    assert "192.0.2.7" not in held
    assert throttle(HandClock()).admit(OWNER, "192.0.2.7") != attempt


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("testclient", "testclient", True),
        (None, None, True),
        (None, "192.0.2.7", False),
    ],
)
def test_a_place_is_what_one_subscriber_is_given(
    one: str | None,
    other: str | None,
    same: bool,  # noqa: FBT001  # a column of the table
) -> None:
    assert (place_of(one) == place_of(other)) is same
