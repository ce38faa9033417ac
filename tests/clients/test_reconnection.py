from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.failures import Failure, SignInNeeded, Stopped, Unreachable
from clients.reconnection import Backoff, failure_of_close, failure_of_status


def test_the_ceiling_of_the_backoff_doubles_up_to_its_bound() -> None:
    backoff = Backoff(first=1.0, longest=5.0, chance=lambda: 1.0)

    assert [backoff.delay() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_the_jitter_is_full() -> None:
    assert Backoff(first=1.0, chance=lambda: 0.0).delay() == 0.0


def test_what_the_server_asks_comes_on_top_of_the_jitter() -> None:
    assert Backoff(first=2.0, chance=lambda: 0.5).delay(at_least=7.0) == 8.0


def test_a_welcome_begins_the_backoff_again() -> None:
    backoff = Backoff(first=1.0, chance=lambda: 1.0)
    backoff.delay()
    backoff.delay()

    backoff.reset()

    assert backoff.delay() == 1.0


def test_a_schedule_made_afresh_leaves_the_first_one_alone() -> None:
    backoff = Backoff(first=1.0, chance=lambda: 1.0)
    backoff.delay()

    assert backoff.afresh().delay() == 1.0
    assert backoff.delay() == 2.0


@given(attempts=st.integers(0, 3_000), chance=st.floats(0, 1))
def test_no_number_of_attempts_makes_a_wait_too_long(attempts: int, chance: float) -> None:
    backoff = Backoff(chance=lambda: chance)
    backoff._attempts = attempts

    assert 0 <= backoff.delay() <= 60


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (None, None, Unreachable),
        (1001, "", Unreachable),
        (1006, "", Unreachable),
        (1011, "", Unreachable),
        (1012, "", Unreachable),
        (4000, "going away", Unreachable),
        (4001, "slow", Unreachable),
        (4499, "", Unreachable),
        (4500, "expired", SignInNeeded),
        (4501, "ended", SignInNeeded),
        (4502, "", SignInNeeded),
        (4503, "", Stopped),
        (4999, "", Stopped),
        (1002, "", Stopped),
        (1007, "", Stopped),
        (1009, "", Stopped),
        (1008, "busy", Unreachable),
        (1008, "storage_unavailable", Unreachable),
        (1008, "not_authenticated", SignInNeeded),
        (1008, "origin_refused", Stopped),
    ],
)
def test_a_close_code_says_whether_to_come_back(
    code: int | None, reason: str | None, kind: type[Failure]
) -> None:
    assert type(failure_of_close(code, reason)) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, SignInNeeded),
        (429, Unreachable),
        (500, Unreachable),
        (503, Unreachable),
        (400, Stopped),
        (403, Stopped),
        (404, Stopped),
        (301, Stopped),
    ],
)
def test_a_status_says_whether_to_come_back(status: int, kind: type[Failure]) -> None:
    assert type(failure_of_status(status, None, "")) is kind


def test_retry_after_is_honoured_and_bounded() -> None:
    asked = failure_of_status(503, "17", "")
    absurd = failure_of_status(503, "99999999", "")
    dated = failure_of_status(503, "Wed, 21 Oct 2015 07:28:00 GMT", "")

    assert isinstance(asked, Unreachable)
    assert asked.retry_after == 17.0
    assert isinstance(absurd, Unreachable)
    assert absurd.retry_after == 3600.0
    assert isinstance(dated, Unreachable)
    assert dated.retry_after == 0.0


def test_what_a_server_says_at_the_end_cannot_drive_the_terminal() -> None:
    assert "\x1b" not in failure_of_close(4000, "\x1b[2Jbye").message
    assert "\x1b" not in failure_of_status(400, None, "\x1b[2Jno").message
