from __future__ import annotations

import asyncio
import time

import pytest

from server.auth.deadlines import DeadlineTimer
from server.auth.live import LiveSessions
from server.clock import SystemClock
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.close import Close
from tests.auth.house import Door, HandClock
from tests.auth.test_live import LAX, SECOND, stored


class Signal(Door):
    """A connection that says when it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(self, close: Close) -> None:
        """Say it."""
        super().end(close)
        self.told.set_result(time.time_ns() // 1_000_000)


async def test_an_open_socket_is_closed_at_its_deadline_by_the_machines_clock() -> None:
    live, clock, door = LiveSessions(), SystemClock(), Signal()
    timer = DeadlineTimer(live, clock)
    timer.start()
    now = clock.now()
    policy = SessionPolicy(lifetime_ms=50, idle_ms=50)

    live.attach(stored(created_at=now, seen_at=now, policy=policy), door, now)
    closed_at = await asyncio.wait_for(door.told, 5)

    assert door.closed is Close.SESSION_EXPIRED
    assert now + 50 <= closed_at < now + 550
    timer.stop()


async def test_a_policy_that_is_tightened_wakes_the_timer_at_once() -> None:
    live, clock, door = LiveSessions(), HandClock(0), Signal()
    timer = DeadlineTimer(live, clock, sleep_max_s=3600)
    timer.start()
    live.attach(stored(), door, 0)

    clock.at = 6 * SECOND
    strict = SessionPolicy(lifetime_ms=SECOND, idle_ms=SECOND)
    live.replace_policy("o", session=strict, password=PasswordPolicy(), now=clock.at)

    await asyncio.wait_for(door.told, 5)
    timer.stop()


async def test_a_step_of_the_clock_is_noticed_within_the_longest_sleep() -> None:
    live, clock, door = LiveSessions(), HandClock(0), Signal()
    timer = DeadlineTimer(live, clock, sleep_max_s=0.01)
    timer.start()
    live.attach(stored(), door, 0)

    clock.at = 10 * SECOND

    await asyncio.wait_for(door.told, 5)
    timer.stop()


async def test_a_later_deadline_does_not_wake_the_timer() -> None:
    live = LiveSessions()
    timer = DeadlineTimer(live, HandClock(0), sleep_max_s=3600)
    timer.start()
    live.attach(stored("a"), Door(), 0)
    armed = timer._timer

    live.attach(stored("b", policy=SessionPolicy(lifetime_ms=99 * SECOND)), Door(), 0)

    assert timer._timer is armed
    timer.stop()


async def test_a_timer_that_is_stopped_closes_nothing_until_it_is_started_again() -> None:
    live, clock, door = LiveSessions(), HandClock(0), Signal()
    timer = DeadlineTimer(live, clock, sleep_max_s=0.001)
    timer.start()
    timer.stop()
    timer.stop()
    clock.at = 10 * SECOND - 1
    live.attach(stored(policy=LAX, seen_at=0), door, 0)
    clock.at = 10 * SECOND
    for _ in range(5):
        await asyncio.sleep(0)
    assert door.closed is None

    timer.start()

    await asyncio.wait_for(door.told, 5)
    timer.stop()


async def test_a_socket_that_cannot_be_closed_does_not_stop_the_timer() -> None:
    class Broken(Door):
        def end(self, close: Close) -> None:
            raise OSError

    loop, live, clock = asyncio.get_running_loop(), LiveSessions(), HandClock(0)
    failed = list[object]()
    loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
    timer = DeadlineTimer(live, clock, sleep_max_s=0.001)
    timer.start()
    door = Signal()
    live.attach(stored("a"), Broken(), 0)
    live.attach(stored("b"), door, 1)

    clock.at = 11 * SECOND

    await asyncio.wait_for(door.told, 5)
    assert [type(one) for one in failed] == [OSError]
    timer.stop()


async def test_stopping_while_it_closes_arms_nothing() -> None:
    live, clock = LiveSessions(), HandClock(0)
    timer = DeadlineTimer(live, clock, sleep_max_s=0.001)

    class Last(Signal):
        def end(self, close: Close) -> None:
            super().end(close)
            timer.stop()

    door = Last()
    timer.start()
    live.attach(stored(), door, 0)
    clock.at = 10 * SECOND

    await asyncio.wait_for(door.told, 5)

    assert timer._timer is None


def test_a_timer_needs_a_loop() -> None:
    with pytest.raises(RuntimeError):
        DeadlineTimer(LiveSessions(), HandClock()).start()
