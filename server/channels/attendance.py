"""Attendance: who of one sphere is there, as its listeners are told.

Counts the devices of each member that listen here, lets a reconnection pass unnoticed, and gathers
what changed until somebody takes it. Knows no socket and no clock: time comes in *beats*, which the
hub counts. Invariant: what ``seen`` returned at any time, with all that ``news`` returned since
applied in order, is what ``seen`` returns as soon as no news is left.
"""

from __future__ import annotations

from itertools import islice

#: Members that one frame names. A frame goes to all listeners: what a thousand who come back
#: together cost in one turn of the loop is bounded, and the rest follows a beat later.
NAMED_MAX = 200


class Attendance:
    """Who is there, who may only be reconnecting, and what the listeners have not heard yet."""

    __slots__ = ("_devices", "_peeked", "_there", "_touched", "_went")

    def __init__(self) -> None:
        self._devices: dict[str, int] = {}
        self._went: dict[str, int] = {}  #: by member, the beat at which they are taken to be gone
        self._there: dict[str, None] = {}
        #: Who changed since the last news, and whether they were there then.
        self._touched: dict[str, bool] = {}
        self._peeked = False

    def __contains__(self, member: str) -> bool:
        """Say whether a member listens here, or was seen to do so until a moment ago."""
        return member in self._devices or (member in self._went and member in self._there)

    @property
    def restless(self) -> bool:
        """Say whether time will tell something new."""
        return bool(self._touched or self._went)

    def arrive(self, member: str) -> None:
        """Count a device."""
        self._devices[member] = self._devices.get(member, 0) + 1
        self._went.pop(member, None)

    def depart(self, member: str, until: int) -> None:
        """Discount a device; with the last the member is gone, unless back by beat ``until``."""
        left = self._devices.get(member, 0) - 1
        if left > 0:
            self._devices[member] = left
        elif left == 0:
            del self._devices[member]
            self._went[member] = until

    def lapse(self, beat: int) -> None:
        """Take those to be gone who did not come back in time."""
        # In the order in which they went, so that the first who has time left ends the search.
        while self._went:
            member, until = next(iter(self._went.items()))
            if until > beat:
                return
            del self._went[member]
            self.show(member, shown=False)

    def show(self, member: str, *, shown: bool) -> None:
        """Let a member be seen, or not."""
        was = member in self._there
        if shown is was:
            return
        self._touched.setdefault(member, was)
        if shown:
            self._there[member] = None
        else:
            del self._there[member]

    def everybody(self) -> list[str]:
        """Return all who are there, seen or not."""
        return [*self._devices, *self._went]

    def forget(self, member: str) -> bool:
        """Drop a member who is out of the sphere; say whether somebody may have seen them."""
        self._devices.pop(member, None)
        self._went.pop(member, None)
        there = member in self._there
        self._there.pop(member, None)
        return self._touched.pop(member, there)

    def seen(self) -> list[str]:
        """Return who is seen to be there: for a listener who goes on from here with the news.

        Who came since the last news is left to the next: the others do not know them yet either.
        Who is not to be seen any more is left out at once.
        """
        self._peeked = True
        return [member for member in self._there if self._touched.get(member, True)]

    def news(self) -> tuple[list[str], list[str]]:
        """Return who came and who went, as far as one frame takes; the rest is news still."""
        came: list[str] = []
        went: list[str] = []
        for member in tuple(islice(self._touched, NAMED_MAX)):
            was, there = self._touched.pop(member), member in self._there
            # Who went and is back was left out of what somebody saw who looked meanwhile.
            if was is not there or (was and self._peeked):
                (came if there else went).append(member)
        self._peeked = self._peeked and bool(self._touched)
        return came, went
