"""Visibility: what of a timeline a viewer may see.

Decides; storage filters by the same rule in SQL, and the gateway asks it again for each event that
it hands over. Invariant: the stamp is set when an event is written and never changes, so no later
setting, role or tool widens what was already said.
"""

from __future__ import annotations

from enum import IntFlag

from server.protocol.scalars import Audience, History


class Stamp(IntFlag):
    """The audience under which an event was written, beyond the members present."""

    NONE = 0
    NEWCOMERS = 1  #: history was visible: members who came later may read it
    READERS = 2  #: the sphere was public: anyone with the address may read it


def stamp_of(audience: Audience, history: History) -> Stamp:
    """Return the stamp for what is written in a sphere with these settings."""
    stamp = Stamp.NONE
    if history is History.VISIBLE:
        stamp |= Stamp.NEWCOMERS
    if audience is Audience.PUBLIC:
        stamp |= Stamp.READERS
    return stamp


def may_member_see(seq: int, stamp: int, horizon: int, *, entered: bool = False) -> bool:
    """Say whether a member whose stay began at ``horizon`` may see the event at ``seq``.

    A manager who ``entered`` reads from the entry on, whatever newcomers may read.
    """
    return seq >= horizon or (not entered and bool(stamp & Stamp.NEWCOMERS))


def may_hear_of(concerns: int | None, stamp: int, horizon: int, *, entered: bool = False) -> bool:
    """Say whether to tell a member of an event about earlier ones, the last at ``concerns``.

    ``stamp`` is that of those earlier events. Who may see none of them is told nothing of them.
    """
    return concerns is None or may_member_see(concerns, stamp, horizon, entered=entered)


def may_reader_see(stamp: int) -> bool:
    """Say whether a reader without an account may see an event with this stamp."""
    return bool(stamp & Stamp.READERS)
