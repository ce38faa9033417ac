from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from clients.failures import Failure, Refused, Stopped, Unreachable
from clients.reconnection import Backoff, reason_of
from clients.web import persist, sign_in, sign_out
from tests.clients.furnished import Furnished

BUSY = Refused({"code": "busy", "message": "Later.", "temporary": True, "retry_after_ms": 2_000})
WRONG = Refused({"code": "sign_in_refused", "message": "Wrong.", "temporary": False})


class Call:
    """Something that fails before it succeeds, and the time that it takes."""

    def __init__(self, *failures: Failure) -> None:
        self.slept: list[float] = []
        self.said: list[str] = []
        self._failures = list(failures)

    def __call__(self) -> str:
        if self._failures:
            raise self._failures.pop(0)
        return "done"

    def persist(self, patience: float = 10.0) -> str:
        backoff = Backoff(first=1.0, chance=lambda: 1.0)
        return persist(self, backoff, patience, self.said.append, self.slept.append)


def test_what_fails_for_a_while_is_tried_again_after_the_delay() -> None:
    call = Call(BUSY, Unreachable("Nobody is there."))

    assert call.persist() == "done"

    assert call.slept == [3.0, 2.0]
    assert call.said == ["Later. Nothing was done: try again later. Trying again"]


def test_what_fails_for_good_is_not_tried_again() -> None:
    call = Call(WRONG)

    with pytest.raises(Refused):
        call.persist()

    assert call.slept == []


def test_patience_has_an_end() -> None:
    call = Call(*[Unreachable("Nobody is there.")] * 9)

    with pytest.raises(Unreachable):
        call.persist(patience=6.0)

    assert call.slept == [1.0, 2.0]


def test_a_failure_is_told_in_the_words_of_the_system() -> None:
    assert reason_of(ConnectionRefusedError(111, "connect call failed")) == "Connection refused"
    assert reason_of(ValueError("odd\x1b")) == "odd<U+001B>"


@pytest.fixture
def url(furnished: Furnished) -> str:
    return furnished.house.url


async def test_a_refusal_over_http_is_the_server_s(url: str) -> None:
    with pytest.raises(Refused) as refusal:
        await _in_a_thread(sign_in, url, "acme", "nobody@example.org", "a heron at dusk, low")

    assert refusal.value.code == "sign_in_refused"
    assert refusal.value.exit_code == 4


async def test_a_token_that_opens_nothing_cannot_sign_out(url: str) -> None:
    with pytest.raises(Failure) as failure:
        await _in_a_thread(sign_out, url, "cls_" + "x" * 43)

    assert failure.value.exit_code == 4


async def test_an_address_that_is_not_of_such_a_server_is_told_apart(url: str) -> None:
    with pytest.raises((Refused, Stopped)):
        await _in_a_thread(sign_in, f"{url}/elsewhere", "acme", "ana@example.org", "secret")


async def _in_a_thread(call: Callable[..., object], *arguments: str) -> None:
    # The server runs in the loop of the test: it must be free to answer.
    await asyncio.to_thread(call, *arguments)
