"""Reads: how far somebody read, for their own devices; and for others, if they let them see.

Nothing of it is on the timeline. Invariant: a mark only moves forward, never beyond the head, and
ends with the stay; nobody else is told of it unless its owner said so for this very sphere.
"""

from __future__ import annotations

from server import errors
from server.channels.outcome import Outcome, Publication, Request
from server.domain.facts import Sphere
from server.domain.permission import check_inside
from server.protocol.commands import MarkRead
from server.protocol.events import Read
from server.protocol.replies import Done
from server.protocol.signals import ReadShown
from storage import reads, threads
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
    of = standing.sphere
    reads.mark(tx, of.id, me, command.seq)
    notice = Read(sphere=command.sphere, thread=command.thread, up_to=command.seq)
    told = ((_shown(of, me, command.seq), command.seq),) if reads.is_shown(tx, of, me) else ()
    return Outcome(reply=done, publication=Publication(notices=((me, notice),), reads=told))


def _shown(of: Sphere, member: str, up_to: int | None) -> ReadShown:
    return ReadShown(sphere=of.home, thread=of.thread, member=member, up_to=up_to)


def appear(tx: Transaction, member: str, *, visible: bool) -> tuple[tuple[ReadShown, int], ...]:
    """Tell how far a member reads where they let others see it, or that it shows no more."""
    return tuple(
        (_shown(of, member, seq if visible else None), seq)
        for of, seq in reads.shown_by(tx, member)
    )


def show(
    tx: Transaction, sphere: Sphere, member: str, *, on: bool
) -> tuple[tuple[ReadShown, int], ...]:
    """Let others see how far a member reads in a sphere and its threads, or not any more."""
    reads.show(tx, sphere.id, member, on=on)
    if on and not reads.is_shown(tx, sphere, member):
        return ()  # they are hidden: it shows from their next mark on, once they are not
    everywhere = reads.everywhere(tx, sphere.id, member)
    return tuple((_shown(of, member, seq if on else None), seq) for of, seq in everywhere if seq)
