"""Attachments: announce a file, bring it along with a message, and who may read it then.

A file is for whoever its message is for, by the very rule of the message, asked in the transaction
or snapshot at hand; and only if the message itself names it, which nothing but its author's key
could make it do. Touches no bytes of a file. Invariant: a file that hangs on no message is
readable to nobody, and one that somebody may not read is to them as none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from server import errors
from server.channels.outcome import Limits, Outcome, Request
from server.domain.facts import Sphere
from server.domain.messages import check_message
from server.domain.naming import check_file_name
from server.domain.permission import check_inside
from server.protocol.commands import PLAIN, Attach
from server.protocol.events import MessagePosted, PrivatePosted
from server.protocol.replies import Attaching
from server.protocol.views import AttachmentView
from storage import attachments, messages, spheres, threads
from storage.attachments import File, Lying, Said, Sending, pieces_of
from storage.database import Transaction


def attach(tx: Transaction, request: Request[Attach]) -> Outcome:
    """Note that a file is to come."""
    command, me, limits = request.command, request.member.id, request.limits
    if command.size > limits.attachment_bytes_max:
        raise errors.TooLarge(f"A file may have {limits.attachment_bytes_max:,} bytes here.")
    name = None if command.name is None else check_file_name(command.name)
    standing = threads.standing_in(tx, command.sphere, command.thread, me)
    check_inside(standing)
    assert standing is not None
    _check_room(tx, standing.home or standing.sphere, me, command.size, limits)
    said = Said(name=name, media_type=command.media_type)
    made = attachments.announce(tx, standing.sphere, me, said, size=command.size, now=request.now)
    expires_at = request.now + int(limits.attachment_pending_s * 1_000)
    return Outcome(reply=Attaching(id=command.id, attachment=made, expires_at=expires_at))


def _check_room(tx: Transaction, home: Sphere, member: str, size: int, limits: Limits) -> None:
    if attachments.count_pending(tx, member) >= limits.attachments_pending_max:
        raise errors.Full("Too many of your files wait for their message: share those first.")
    if attachments.bytes_in(tx, home, member) + size > limits.attachment_bytes_per_member_max:
        raise errors.Full(
            f"Your files in this sphere may have {limits.attachment_bytes_per_member_max:,} bytes:"
            " delete messages that bring some."
        )


def begin(tx: Transaction, member: str, attachment: str) -> Sending:
    """Let a member send the bytes of a file that they announced. Raises NotFound.

    They are inside: whoever leaves takes along what they announced.
    """
    sending = attachments.begin(tx, attachment, member)
    if sending is None:
        raise errors.NotFound
    return sending


def check_attachments(
    wanted: Sequence[str], found: Mapping[str, File], *, timeline: str, author: str
) -> list[File]:
    """Return files that an author sent for this timeline, and for no message yet.

    Raises InvalidField for one that is named twice, and NotFound, alike for the files of others, of
    other timelines or messages, and those that are not there.
    """
    if len(set(wanted)) < len(wanted):
        raise errors.InvalidField("`attachments` names a file twice.")
    files = [found.get(one) for one in wanted]
    if not all(one and (one.timeline, one.author) == (timeline, author) for one in files):
        raise errors.NotFound
    return [one for one in files if one is not None]


def check_unnamed(files: Sequence[File], scheme: str) -> None:
    """Raise InvalidField where something is said of files in the clear, and the message is sealed.

    What a file is called belongs into the message then: the server must not know it.
    """
    if scheme != PLAIN and any(one.view.name or one.view.media_type for one in files):
        raise errors.InvalidField("With this scheme a file has no `name` and no `media_type`.")


class Readable(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a member may read, as it stood in one snapshot."""

    file: Lying
    view: AttachmentView  #: what the message itself says of it
    entered: bool


def readable(tx: Transaction, member: str, attachment: str) -> Readable:
    """Return a file that hangs on a message which a member may see. Raises NotFound.

    It asks the store the same questions for a file that there is not.
    """
    file = attachments.find(tx, attachment, asking=member)
    at_home = spheres.standing(tx, file.home, member)
    in_thread = threads.standing(tx, file.home, file.timeline, member)
    standing = at_home if file.thread is None else in_thread
    stay = check_inside(standing)
    assert standing is not None
    assert file.seq is not None
    placed = messages.find(tx, standing.sphere, file.seq)
    check_message(stay, None if placed is None else placed.message)
    assert placed is not None
    return Readable(file=file, view=_named(placed.event, attachment), entered=stay.entered)


def _named(message: object, attachment: str) -> AttachmentView:
    """Return what a message says of a file. Raises NotFound when it does not name it."""
    if isinstance(message, MessagePosted | PrivatePosted):
        for view in message.attachments:
            if view.attachment == attachment:
                return view
    raise errors.NotFound


def read_piece(
    tx: Transaction, member: str, attachment: str, number: int
) -> tuple[Readable, bytes]:
    """Return a piece of a file, to whoever may read it at this moment. Raises NotFound."""
    found = readable(tx, member, attachment)
    data = None
    if found.file.pieces == pieces_of(found.view.size):
        data = attachments.piece(tx, found.file, number)
    if data is None:
        raise errors.NotFound
    return found, data
