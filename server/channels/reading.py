"""Reading: the snapshot that a subscription begins with, and pages of history.

Runs on a snapshot of the store and writes nothing. Invariant: what is returned is what the member
could see at that snapshot; the gateway asks the hub again before handing it over.
"""

from __future__ import annotations

import msgspec

from server.channels.outcome import Request
from server.channels.spheres import view
from server.domain.facts import Seat, Sphere
from server.domain.permission import check_inside
from server.protocol.commands import GetHistory, GetJournal, Subscribe
from server.protocol.replies import Journal, Listening, Reply, Subscribed
from server.protocol.views import Purge
from storage import connectors, journal, reads, spheres, stays, threads, timeline
from storage.database import Transaction


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to ``subscribe``, and what the hub must know to go on from there."""

    reply: Subscribed | Listening
    head: int
    roster: dict[str, Seat]  #: of everyone inside, by member
    entered: bool


class Extract(msgspec.Struct, frozen=True, kw_only=True):
    """A page of stored events, not yet in anybody's encoding."""

    contents: list[bytes]
    more: bool
    entered: bool


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that holds something of a sphere, and whether its reader entered as a manager."""

    reply: Reply
    entered: bool


def snapshot(tx: Transaction, request: Request[Subscribe]) -> Snapshot:
    """Return a sphere, or a thread, as it is at its head."""
    command = request.command
    standing = threads.standing_in(tx, command.sphere, command.thread, request.member.id)
    stay = check_inside(standing)
    assert standing is not None
    of = standing.sphere
    purges = (
        timeline.purges(tx, of.id, stay.seat, after=command.after)
        if command.after is not None
        else []
    )
    if of.parent is not None:
        return _of_thread(tx, request, of, purges)
    shown, roster = stays.views(tx, of.id)
    reply = Subscribed(
        id=command.id,
        purges=purges,
        sphere=view(of, stay),
        members=shown,
        former=stays.former(tx, of.id, stay),
        connectors=connectors.of_sphere(tx, of.id),
        reads=reads.shown(tx, of, stay.horizon),
        journal=journal.head(tx, of.id),
        present=[],  # the hub knows
    )
    return Snapshot(reply=reply, head=of.head, roster=roster, entered=stay.entered)


def _of_thread(
    tx: Transaction, request: Request[Subscribe], of: Sphere, purges: list[Purge]
) -> Snapshot:
    reply = Listening(
        id=request.command.id,
        purges=purges,
        thread=threads.view(tx, of.id, request.member.id),
        former=threads.former(tx, of),
        reads=reads.shown(tx, of, horizon=1),
    )
    return Snapshot(reply=reply, head=of.head, roster=stays.roster(tx, of.id), entered=False)


def history(tx: Transaction, request: Request[GetHistory]) -> Extract:
    """Return a page of a timeline, within what the member may see."""
    command = request.command
    standing = threads.standing_in(tx, command.sphere, command.thread, request.member.id)
    stay = check_inside(standing)
    assert standing is not None
    contents, more = timeline.page(
        tx,
        standing.sphere,
        stay.seat,
        after=command.after,
        before=command.before,
        limit=command.limit,
    )
    return Extract(contents=contents, more=more, entered=stay.entered)


def records(tx: Transaction, request: Request[GetJournal]) -> Answer:
    """Return part of a sphere's journal, from the member's horizon on."""
    command = request.command
    stay = check_inside(spheres.standing(tx, command.sphere, request.member.id))
    above = max(stay.horizon - 1, command.after or 0)
    anchor, found, more = journal.page(tx, command.sphere, above=above, limit=command.limit)
    return Answer(
        reply=Journal(id=command.id, anchor=anchor, records=found, more=more),
        entered=stay.entered,
    )
