"""Clearing: what somebody wrote on one timeline, erased or kept, and the event that says so.

The same for a sphere and for a private thread. Ends no stay and says nothing to the leaver: that is
``departures``. Invariant: nothing is erased without an event and a purge, so that whoever was away
forgets it too.
"""

from __future__ import annotations

import msgspec

from server.domain.facts import Sphere, Stay
from server.protocol.events import BequestWithdrawn, ManagerLeft, MemberLeft
from server.protocol.scalars import Bequest, Parting
from storage import attachments, departures, timeline
from storage.database import Transaction
from storage.departures import Trace
from storage.timeline import About, Entry


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages and files were erased and kept, and what the others are told."""

    erased: int = 0
    kept: int = 0
    files_erased: int = 0
    files_kept: int = 0
    entries: tuple[Entry, ...] = ()

    def dissolved(self) -> Cleared:
        """Return what is cleared where the timeline itself goes: nothing is kept, nobody told."""
        return Cleared(
            erased=self.erased + self.kept, files_erased=self.files_erased + self.files_kept
        )


def clear(
    tx: Transaction, of: Sphere, stay: Stay, fate: Bequest, how: Parting, now: int
) -> Cleared:
    """Erase or keep what a leaver wrote, and say that they left."""
    erased = saved = 0
    attachments.erase_pending(tx, of.id, stay.member)
    files = attachments.count(tx, of.id, stay.member)
    if fate is Bequest.NONE:
        erased = departures.erase(tx, of, stay.member)
    elif fate is Bequest.ANONYMOUS:
        saved = departures.anonymise(tx, of, stay.member)
    else:
        saved = departures.keep(tx, of.id, stay.member)
    left = ManagerLeft if stay.entered else MemberLeft
    entry = timeline.append(
        tx,
        of,
        lambda seq: left(
            sphere=of.home,
            thread=of.thread,
            seq=seq,
            at=now,
            member=stay.member,
            how=how,
            kept=fate,
        ),
    )
    if fate is not Bequest.NAMED:
        seq = entry.event.seq
        timeline.record_purge(tx, of.id, seq=seq, author=stay.member, before=seq)
    gone = files if fate is Bequest.NONE else 0
    return Cleared(
        erased=erased, kept=saved, files_erased=gone, files_kept=files - gone, entries=(entry,)
    )


def settle(tx: Transaction, of: Sphere, author: str, fate: Bequest, now: int) -> Cleared:
    """Give what somebody had left behind on a timeline the fate that they chose since."""
    count = departures.keep(tx, of.id, author)
    files = attachments.count(tx, of.id, author)
    if fate is Bequest.NONE:
        entries = withdraw(tx, of, author, below=None, now=now)
        return Cleared(erased=count, files_erased=files, entries=entries)
    if fate is Bequest.NAMED or not departures.bears_name(tx, of.id, author):
        return Cleared(kept=count, files_kept=files)
    departures.anonymise(tx, of, author)
    entry = _withdrawn(tx, of, author, before=of.head + 1, about=None, now=now)
    return Cleared(kept=count, files_kept=files, entries=(entry,))


def withdraw(
    tx: Transaction, of: Sphere, author: str, *, below: int | None, now: int
) -> tuple[Entry, ...]:
    """Erase what is kept of stays that are over; announce it under the authors that people know.

    In no order that says anything: an alias must not stand beside a name by rule.
    """
    traces = departures.erase_bequeathed(tx, of, author, below=below)
    before = of.head + 1 if below is None else below
    return tuple(_erased(tx, of, trace, before, now) for trace in traces)


def _erased(tx: Transaction, of: Sphere, trace: Trace, before: int, now: int) -> Entry:
    return _withdrawn(tx, of, trace.author, before=before, about=trace.about, now=now)


def _withdrawn(
    tx: Transaction, of: Sphere, author: str, *, before: int, about: About | None, now: int
) -> Entry:
    entry = timeline.append(
        tx,
        of,
        lambda seq: BequestWithdrawn(
            sphere=of.home, thread=of.thread, seq=seq, at=now, author=author, before=before
        ),
        about=about,
    )
    timeline.record_purge(tx, of.id, seq=entry.event.seq, author=author, before=before, about=about)
    return entry
