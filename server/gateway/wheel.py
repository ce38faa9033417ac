"""Wheel: one timer for the deadlines of every connection of a loop.

Decides when a member is due: no earlier than it asked, one notch later at most while the loop keeps
up. Each member has at most one appointment; what it does when due is its own affair. Invariant: a
loop that stalls delays appointments and never hurries them, since the ring turns one notch per
firing however late; so a pause of the server cuts nobody.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final, Protocol

from server.gateway.link import LinkLimits

NOTCHES_MAX: Final = 256  #: of the ring: a set each, so that odd timeouts cannot cost memory
FINENESS: Final = 16  #: notches in the shortest timeout: about 6 % late at worst
SHARES: Final = 16  #: of an interval, dealt out in turn to members that would all be due together


class Member(Protocol):
    """Who can have an appointment; ``seat`` is the wheel's, None without one."""

    seat: set[Member] | None

    def due(self) -> None:
        """Do what the appointment was for."""
        ...


class Wheel:
    """A ring of sets that one timer turns, a notch at a time; idle while it is empty.

    Args:
        timeouts: The delays, in seconds, that it will be asked for.
    """

    def __init__(self, *timeouts: float) -> None:
        longest = max(timeouts)
        self.notch_s = max(min(timeouts) / FINENESS, longest / NOTCHES_MAX)
        self._ring: list[set[Member]] = [
            set() for _ in range(math.ceil(longest / self.notch_s) + 2)
        ]
        self._at = 0
        self._dealt = 0
        self._timer: asyncio.TimerHandle | None = None

    def appoint(self, member: Member, delay_s: float) -> None:
        """Make ``member`` due after ``delay_s`` seconds, instead of its former appointment."""
        self.forget(member)
        notches = math.ceil(delay_s / self.notch_s) + 1  # the present notch is already under way
        seat = self._ring[(self._at + notches) % len(self._ring)]
        seat.add(member)
        member.seat = seat
        if self._timer is None:
            self._wind()

    def forget(self, member: Member) -> None:
        """Cancel the appointment of ``member``, if it has one."""
        if member.seat is not None:
            member.seat.discard(member)
            member.seat = None

    def spread(self, delay_s: float) -> float:
        """Return a share of ``delay_s``, a different one at each call.

        After a restart everybody comes back in the same seconds: without this, they would be due
        together for ever.
        """
        self._dealt = self._dealt % SHARES + 1
        return delay_s * self._dealt / SHARES

    def turn(self) -> None:
        """Advance by one notch, and call those who are due."""
        self._at = (self._at + 1) % len(self._ring)
        seat = self._ring[self._at]
        for member in tuple(seat):
            if member.seat is seat:  # not if what was due before it took it away
                self.forget(member)
                member.due()

    def _wind(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.notch_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if any(self._ring):
            self._wind()
            self.turn()


def wheel_for(limits: LinkLimits) -> Wheel:
    """Return a wheel of the fineness and the reach that ``limits`` need."""
    return Wheel(
        limits.handshake_timeout_s,
        limits.close_timeout_s,
        limits.ping_interval_s,
        limits.ping_timeout_s,
    )
