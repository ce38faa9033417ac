from __future__ import annotations

import asyncio
import os
import sys
import threading

import pytest
from pydantic import ValidationError

from server import errors
from server.auth.passwords import Passwords
from server.settings import Settings
from tests.auth.house import cheap_passwords


async def test_a_hash_is_argon2id_under_the_given_parameters() -> None:
    passwords = Passwords(memory_kib=64, time=2, lanes=2)

    password_hash = await passwords.hash("a password")

    assert password_hash.startswith("$argon2id$v=19$m=64,t=2,p=2$")
    assert not passwords.needs_rehash(password_hash)
    assert cheap_passwords().needs_rehash(password_hash)
    passwords.close()


async def test_only_the_right_password_matches() -> None:
    passwords = cheap_passwords()
    password_hash = await passwords.hash("a password")

    assert await passwords.verify(password_hash, "a password")
    assert not await passwords.verify(password_hash, "a passwore")
    assert not await passwords.verify(None, "a password")
    assert not await passwords.verify("!", "a password")
    passwords.close()


async def test_the_two_ways_to_type_an_accent_are_one_password() -> None:
    passwords = cheap_passwords()

    assert await passwords.verify(await passwords.hash("caf\u00e9"), "cafe\u0301")
    passwords.close()


async def test_nothing_of_a_long_password_is_cut_off() -> None:
    passwords = cheap_passwords()
    password_hash = await passwords.hash("x" * 1023 + "y")

    assert not await passwords.verify(password_hash, "x" * 1023 + "z")
    passwords.close()


class Gate:
    """Work that waits in the pool until it is let through."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def work(self) -> bool:
        """Wait for the gate."""
        return self.open.wait(10)


async def test_beyond_its_bound_the_pool_refuses_with_the_time_to_come_back() -> None:
    passwords, gate = cheap_passwords(hashers_max=1, waiting_max=2), Gate()
    admitted = [asyncio.ensure_future(passwords.run(gate.work)) for _ in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(errors.Busy) as refused:
        await passwords.run(gate.work)

    assert refused.value.retry_after_ms
    gate.open.set()
    assert await asyncio.gather(*admitted) == [True, True, True]
    assert await passwords.run(gate.work)
    passwords.close()


async def test_whoever_loses_interest_holds_their_place_until_the_work_is_over() -> None:
    passwords, gate = cheap_passwords(hashers_max=1, waiting_max=0), Gate()
    running = threading.Event()

    def work() -> bool:
        running.set()
        return gate.work()

    impatient = asyncio.ensure_future(passwords.run(work))
    await asyncio.to_thread(running.wait, 10)
    impatient.cancel()
    await asyncio.sleep(0)

    with pytest.raises(errors.Busy):
        await passwords.run(gate.work)

    gate.open.set()
    passwords.close()


async def test_closing_refuses_what_waits() -> None:
    passwords, gate = cheap_passwords(), Gate()
    running = asyncio.ensure_future(passwords.run(gate.work))
    waiting = asyncio.ensure_future(passwords.run(gate.work))
    await asyncio.sleep(0)

    passwords.close()
    gate.open.set()

    assert await running
    with pytest.raises(errors.GoingAway):
        await waiting


@pytest.mark.parametrize("hashers", [1, 2])
async def test_no_more_hashes_run_at_once_than_the_bound(hashers: int) -> None:
    passwords = cheap_passwords(hashers_max=hashers)
    lock, running, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    await asyncio.gather(*(passwords.run(work) for _ in range(8)))

    assert most == hashers
    passwords.close()


async def test_hashing_stands_back_behind_the_threads_that_carry_messages() -> None:
    passwords = cheap_passwords()

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    gap = await passwords.run(niceness) - niceness()

    assert gap == (10 if sys.platform == "linux" else 0)
    passwords.close()


@pytest.mark.parametrize("below", [{"argon2_memory_kib": 19_455}, {"argon2_time": 1}])
def test_settings_below_owasps_floor_are_refused(below: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(below)


def test_the_settings_default_above_owasps_floor_on_one_lane() -> None:
    settings = Settings.model_validate({})

    assert settings.argon2_memory_kib == 65_536
    assert (settings.argon2_time, settings.argon2_lanes) == (3, 1)


async def test_the_hash_of_nobody_costs_what_others_cost_and_matches_nothing() -> None:
    passwords = Passwords(memory_kib=64, time=2, lanes=2)

    assert not passwords.needs_rehash(passwords._nobody)
    assert not await passwords.verify(None, "a password")
    assert passwords._nobody != Passwords(memory_kib=64, time=2, lanes=2)._nobody
