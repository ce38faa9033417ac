"""Departures from threads: of one by will, of all those of a sphere with the stay there.

Runs in the transaction of whoever calls. Invariant: a thread goes with its last participant, and
nobody takes part in a thread of a sphere that they are outside of.
"""

from __future__ import annotations

import msgspec

from server.channels.clearing import Cleared, clear, settle, withdraw
from server.domain.facts import Sphere, Stay
from server.protocol.scalars import Bequest, Parting
from storage import spheres, stays, threads
from storage.database import Transaction
from storage.timeline import Entry


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """What the departures from all threads of a sphere did."""

    cleared: Cleared
    departures: tuple[tuple[str, str], ...]  #: (thread, member)


def depart_thread(
    tx: Transaction, thread: Sphere, member: str, fate: Bequest, how: Parting, now: int
) -> Cleared:
    """End somebody's part in one thread; the last one out erases it."""
    everyone = stays.of_sphere(tx, thread.id)
    stay = next(one for one in everyone if one.member == member)
    stays.end(tx, thread.id, member)
    cleared = clear(tx, thread, stay, fate, how, now)
    if len(everyone) > 1:
        return cleared
    spheres.dissolve(tx, thread.id)
    return cleared.dissolved()


def depart_threads(
    tx: Transaction, home: Sphere, stay: Stay, fate: Bequest, how: Parting, now: int
) -> Gone:
    """End somebody's part in every thread of a sphere, and settle what they had left in others."""
    before = threads.left_behind(tx, home.id, stay.member)
    inside = threads.of_stay(tx, home.id, stay.member)
    parts = [settle(tx, thread, stay.member, fate, now) for thread in before]
    parts += [depart_thread(tx, thread, stay.member, fate, how, now) for thread in inside]
    return Gone(
        cleared=together(parts),
        departures=tuple((thread.id, stay.member) for thread in inside),
    )


def withdraw_threads(tx: Transaction, home: Sphere, author: str, now: int) -> tuple[Entry, ...]:
    """Erase what somebody left behind in threads of a sphere in which they are no more."""
    return tuple(
        entry
        for thread in threads.left_behind(tx, home.id, author)
        for entry in withdraw(tx, thread, author, below=None, now=now)
    )


def together(parts: list[Cleared]) -> Cleared:
    """Return the sum of what was cleared on several timelines."""
    return Cleared(
        erased=sum(part.erased for part in parts),
        kept=sum(part.kept for part in parts),
        files_erased=sum(part.files_erased for part in parts),
        files_kept=sum(part.files_kept for part in parts),
        entries=tuple(entry for part in parts for entry in part.entries),
    )
