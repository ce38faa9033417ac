"""Messages: edit and delete one's own.

What others may hear of either is what they may see of the message. Invariant: when the reply is
sent, the words that were there stand in no row, and the erasure of their bytes has been tried.
"""

from __future__ import annotations

import msgspec

from server.channels.outcome import Outcome, Publication, Request
from server.channels.posts import check_words
from server.domain.facts import Sphere
from server.domain.messages import check_delete, check_edit
from server.domain.permission import check_inside, check_post
from server.protocol.commands import Delete, Edit
from server.protocol.events import MessageDeleted, MessageEdited, PrivateEdited, TimelineEvent
from server.protocol.replies import Done
from storage import messages, threads, timeline
from storage.database import Transaction
from storage.timeline import About, Kind


def edit(tx: Transaction, request: Request[Edit]) -> Outcome:
    """Put other words in the place of a message; the same words again change nothing."""
    command, me = request.command, request.member.id
    check_words(command)
    standing = threads.standing_in(tx, command.sphere, command.thread, me)
    stay = check_inside(standing)
    assert standing is not None
    to = standing.sphere
    placed = messages.find(tx, to, command.message)
    message = check_edit(stay, None if placed is None else placed.message)
    assert placed is not None
    after = _edited(placed.event, command)
    done = Done(id=command.id)
    if after == placed.event:
        return Outcome(reply=done)
    check_post(standing, command.revision)
    stamped = msgspec.structs.replace(after, edited_at=request.now)
    messages.rewrite(tx, to, placed, stamped)
    entry = timeline.append(
        tx,
        to,
        lambda seq: _told(command, to, seq, request.now, me),
        author=me,
        about=About(seq=message.seq, stamp=message.stamp),
        kind=Kind.EDIT,
        stamp=message.stamp,
    )
    return Outcome(reply=done, publication=Publication(entries=(entry,)), erased=True)


def _edited(before: TimelineEvent, command: Edit) -> TimelineEvent:
    """Return a message with the words of the command."""
    if command.body is not None:
        return msgspec.structs.replace(before, body=command.body)
    return msgspec.structs.replace(before, sealed=command.sealed, scheme=command.scheme)


def _told(command: Edit, to: Sphere, seq: int, now: int, author: str) -> TimelineEvent:
    """Return the event that says so."""
    if command.body is not None:
        return MessageEdited(
            sphere=to.id,
            seq=seq,
            at=now,
            author=author,
            message=command.message,
            body=command.body,
        )
    assert command.sealed is not None
    return PrivateEdited(
        sphere=to.home,
        thread=to.thread,
        seq=seq,
        at=now,
        author=author,
        message=command.message,
        scheme=command.scheme,
        sealed=command.sealed,
    )


def delete(tx: Transaction, request: Request[Delete]) -> Outcome:
    """Erase a message, with its edits and the reactions to it."""
    command = request.command
    standing = threads.standing_in(tx, command.sphere, command.thread, request.member.id)
    stay = check_inside(standing)
    assert standing is not None
    of = standing.sphere
    placed = messages.find(tx, of, command.message)
    message = check_delete(stay, None if placed is None else placed.message)
    assert placed is not None
    messages.erase(tx, of, placed)
    about = About(seq=message.seq, stamp=message.stamp)
    entry = timeline.append(
        tx,
        of,
        lambda seq: MessageDeleted(
            sphere=of.home, thread=of.thread, seq=seq, at=request.now, message=message.seq
        ),
        about=about,
        stamp=message.stamp,
    )
    timeline.record_purge(
        tx,
        of.id,
        seq=entry.event.seq,
        author=message.author,
        before=message.seq + 1,
        message=message.seq,
        about=about,
    )
    return Outcome(
        reply=Done(id=command.id), publication=Publication(entries=(entry,)), erased=True
    )
