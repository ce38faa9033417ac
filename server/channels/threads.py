"""Threads: private conversations in a sphere: begin one, and say whether one is there for them.

Invariant: the participants of a thread are those of its first event, less those who left; there is
no other way in, and every stay on a thread begins with that event.
"""

from __future__ import annotations

from server import errors
from server.channels import reads
from server.channels.outcome import Outcome, Publication, Request
from server.channels.spheres import private
from server.domain.facts import Sphere, Stay
from server.domain.permission import check_converse, check_inside, check_others
from server.protocol.commands import Converse, Prefer
from server.protocol.events import Preferred, ThreadAdded, ThreadStarted
from server.protocol.replies import Conversing, Done
from server.protocol.scalars import Private, SphereRole
from server.protocol.signals import ReadShown
from storage import spheres, stays, threads, timeline
from storage.database import Transaction
from storage.timeline import Entry

_DECLINES = {Private.ACCEPT: False, Private.DECLINE: True, Private.USUAL: None}


def converse(tx: Transaction, request: Request[Converse]) -> Outcome:
    """Return the thread of exactly these, or begin it."""
    command, me = request.command, request.member.id
    check_others(me, command.members)
    standing = spheres.standing(tx, command.sphere, me)
    inside = stays.inside(tx, command.sphere, command.members)
    check_converse(standing, command.revision, inside=inside)
    assert standing is not None
    everybody = sorted([me, *command.members])
    if (found := threads.between(tx, command.sphere, everybody)) is not None:
        shown = threads.view(tx, found, me)
        return Outcome(reply=Conversing(id=command.id, thread=shown))
    _check_willing(tx, request)
    thread = threads.create(tx, standing.sphere, now=request.now)
    entry = _begin(tx, thread, everybody, request)
    shown = threads.view(tx, thread.id)
    return Outcome(
        reply=Conversing(id=command.id, thread=shown),
        publication=Publication(
            entries=(entry,), notices=tuple((one, ThreadAdded(thread=shown)) for one in everybody)
        ),
    )


def _check_willing(tx: Transaction, request: Request[Converse]) -> None:
    """Raise Full for oneself; Declined for others, whether they decline or have too many.

    How many threads somebody else takes part in is nobody's affair.
    """
    command, most = request.command, request.limits.threads_per_member_max
    if threads.most_of(tx, command.sphere, [request.member.id]) >= most:
        raise errors.Full(f"You may take part in {most} private threads here: leave one first.")
    if threads.declines(tx, command.sphere, command.members):
        raise errors.Declined
    if threads.most_of(tx, command.sphere, command.members) >= most:
        raise errors.Declined


def _begin(
    tx: Transaction, thread: Sphere, everybody: list[str], request: Request[Converse]
) -> Entry:
    entry = timeline.append(
        tx,
        thread,
        lambda seq: ThreadStarted(
            sphere=thread.home,
            thread=thread.id,
            seq=seq,
            at=request.now,
            by=request.member.id,
            members=everybody,
        ),
    )
    for one in everybody:
        stay = Stay(member=one, role=SphereRole.MEMBER, entered=False, horizon=entry.event.seq)
        stays.begin(tx, thread.id, stay)
    return entry


def prefer(tx: Transaction, request: Request[Prefer]) -> Outcome:
    """Store a preference, and tell my other devices."""
    command = request.command
    _check_form(command)
    if command.sphere is None:
        return _prefer_everywhere(tx, request)
    standing = spheres.standing(tx, command.sphere, request.member.id)
    stay = check_inside(standing)
    assert standing is not None
    default = _default(tx, request, stay)
    declining = stay.declines if command.private is None else _DECLINES[command.private]
    showing = stay.show_read if command.show_read is None else command.show_read
    if (declining, default, showing) == (stay.declines, stay.default_thread, stay.show_read):
        return Outcome(reply=Done(id=command.id))
    threads.prefer_in(tx, command.sphere, stay.member, declining=declining, default_thread=default)
    told: tuple[tuple[ReadShown, int], ...] = ()
    if showing is not stay.show_read:
        told = reads.show(tx, standing.sphere, stay.member, on=showing)
    return _preferred(
        request,
        Preferred(
            sphere=command.sphere,
            private=private(declines=declining),
            default_thread=default,
            show_read=showing,
        ),
        told,
    )


def _check_form(command: Prefer) -> None:
    if command.thread is not None and command.whole:
        raise errors.InvalidField("To a `thread`, or to the `whole` sphere: one of them.")
    if command.sphere is None and (command.thread is not None or command.whole):
        raise errors.InvalidField("Where messages go first is said in one `sphere`.")
    if command.sphere is None and command.show_read is not None:
        raise errors.InvalidField("Who sees how far you read is said in one `sphere`.")
    if command.sphere is None and command.private is Private.USUAL:
        raise errors.InvalidField("`usual` is what is said here, without a `sphere`.")


def _prefer_everywhere(tx: Transaction, request: Request[Prefer]) -> Outcome:
    me, wish = request.member.id, request.command.private
    before = threads.declines_everywhere(tx, me)
    declining = before if wish is None else wish is Private.DECLINE
    if declining == before:
        return Outcome(reply=Done(id=request.command.id))
    threads.prefer_everywhere(tx, me, declining=declining)
    return _preferred(
        request,
        Preferred(sphere=None, private=private(declines=declining), default_thread=None),
    )


def _default(tx: Transaction, request: Request[Prefer], stay: Stay) -> str | None:
    """Return where messages go first. Raises NotFound for a thread that is not there for me."""
    command = request.command
    if command.whole:
        return None
    if command.thread is None:
        return stay.default_thread
    assert command.sphere is not None
    check_inside(threads.standing(tx, command.sphere, command.thread, stay.member))
    return command.thread


def _preferred(
    request: Request[Prefer], notice: Preferred, told: tuple[tuple[ReadShown, int], ...] = ()
) -> Outcome:
    return Outcome(
        reply=Done(id=request.command.id),
        publication=Publication(notices=((request.member.id, notice),), reads=told),
    )
