"""The wheel: who is due, and when."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from server.gateway.link import LinkLimits
from server.gateway.wheel import NOTCHES_MAX, SHARES, Member, Wheel, wheel_for
from tests.gateway.serving import until


class Guest:
    """A member that counts how often it was due."""

    def __init__(self) -> None:
        self.seat: set[Member] | None = None
        self.calls = 0

    def due(self) -> None:
        """Count."""
        self.calls += 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.01, 1_000), min_size=1, max_size=4), st.integers(0, 500))
def test_nobody_is_due_early_nor_more_than_two_notches_late(
    timeouts: list[float], turns: int
) -> None:
    async def appointments() -> None:
        wheel = Wheel(*timeouts)
        for _ in range(turns):
            wheel.turn()
        for timeout in timeouts:
            guest = Guest()
            wheel.appoint(guest, timeout)
            taken = 0
            while not guest.calls:
                wheel.turn()
                taken += 1
            # The first turn may come at once: its notch was already under way.
            assert (taken - 1) * wheel.notch_s >= timeout * 0.999_999
            assert (taken - 2) * wheel.notch_s <= timeout

    asyncio.run(appointments())


async def test_a_new_appointment_replaces_the_former() -> None:
    wheel, guest = Wheel(1.0, 10.0), Guest()

    wheel.appoint(guest, 1.0)
    wheel.appoint(guest, 10.0)
    for _ in range(20):
        wheel.turn()
    assert guest.calls == 0

    for _ in range(300):
        wheel.turn()
    assert guest.calls == 1


async def test_who_is_forgotten_is_never_due() -> None:
    wheel, guest = Wheel(1.0), Guest()

    wheel.appoint(guest, 1.0)
    wheel.forget(guest)
    wheel.forget(guest)
    for _ in range(100):
        wheel.turn()

    assert guest.calls == 0


async def test_who_is_due_may_take_others_with_them() -> None:
    wheel, first, second = Wheel(1.0), Guest(), Guest()

    class Jealous(Guest):
        def due(self) -> None:
            super().due()
            wheel.forget(second if self is first else first)

    first, second = Jealous(), Jealous()
    wheel.appoint(first, 1.0)
    wheel.appoint(second, 1.0)
    for _ in range(100):
        wheel.turn()

    assert first.calls + second.calls == 1


async def test_an_error_of_one_member_does_not_lose_the_others() -> None:
    wheel, guests = Wheel(1.0), [Guest() for _ in range(10)]

    class Faulty(Guest):
        def due(self) -> None:
            raise ValueError

    for guest in (*guests, Faulty()):
        wheel.appoint(guest, 1.0)
    for _ in range(100):
        try:
            wheel.turn()
        except ValueError:
            continue

    assert [guest.calls for guest in guests] == [1] * 10


async def test_those_who_come_together_are_spread() -> None:
    wheel = Wheel(16.0)

    shares = [wheel.spread(16.0) for _ in range(SHARES * 2)]

    assert shares == [*range(1, 17), *range(1, 17)]


async def test_the_timer_runs_only_while_somebody_waits() -> None:
    wheel, guest = Wheel(0.02), Guest()
    running = [wheel._timer is not None]

    wheel.appoint(guest, 0.02)
    running.append(wheel._timer is not None)
    await until(lambda: guest.calls)
    await until(lambda: wheel._timer is None)
    wheel.appoint(guest, 0.02)
    running.append(wheel._timer is not None)
    wheel.forget(guest)

    assert running == [False, True, True]
    assert guest.calls == 1


def test_odd_timeouts_do_not_cost_memory() -> None:
    wheel = wheel_for(LinkLimits(close_timeout_s=0.001, ping_interval_s=86_400))

    assert len(wheel._ring) <= NOTCHES_MAX + 2
