"""Reads: how far somebody read, for their own devices.

Nobody else is told, and nothing is on the timeline. Invariant: a mark only moves forward, never
beyond the head, and ends with the stay.
"""

from __future__ import annotations

from server import errors
from server.channels.outcome import Outcome, Publication, Request
from server.domain.permission import check_inside
from server.protocol.commands import MarkRead
from server.protocol.events import Read
from server.protocol.replies import Done
from storage import stays, threads
from storage.database import Transaction


def mark(tx: Transaction, request: Request[MarkRead]) -> Outcome:
    """Note how far I read, and tell my devices."""
    command, me = request.command, request.member.id
    standing = threads.standing_in(tx, command.sphere, command.thread, me)
    stay = check_inside(standing)
    assert standing is not None
    if command.seq > standing.sphere.head:
        raise errors.InvalidField("`seq` is above the last one of this timeline.")
    done = Done(id=command.id)
    if command.seq <= stay.read:
        return Outcome(reply=done)
    stays.mark_read(tx, standing.sphere.id, me, command.seq)
    notice = Read(sphere=command.sphere, thread=command.thread, seq=command.seq)
    return Outcome(reply=done, publication=Publication(notices=((me, notice),)))
