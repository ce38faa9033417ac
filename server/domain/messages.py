"""Messages: what may be done to one, and what may refer to it.

Decides from facts read in the transaction at hand. Invariant: a message that somebody may not see
is to them as one that was never written, or is erased: one answer for all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from server import errors
from server.domain.facts import Message, Stay
from server.domain.visibility import Stamp, may_member_see


def check_message(stay: Stay, message: Message | None) -> Message:
    """Return a message that who is inside may see: to answer it, to react to it."""
    if message is None or not may_member_see(
        message.seq, message.stamp, stay.horizon, entered=stay.entered
    ):
        raise errors.NotFound
    return message


def check_delete(stay: Stay, message: Message | None) -> Message:
    """Return a message that its author may delete: one that people know as theirs."""
    seen = check_message(stay, message)
    if seen.author != stay.member:
        raise errors.NotFound
    return seen


def check_edit(stay: Stay, message: Message | None) -> Message:
    """Return a message that its author may edit: one of their present stay.

    What an earlier stay left behind is as it was bequeathed: it can be deleted, or withdrawn.
    """
    mine = check_delete(stay, message)
    if mine.seq < stay.horizon:
        raise errors.NotFound
    return mine


def check_mentions(mentions: Sequence[str], present: Collection[str]) -> None:
    """Raise InvalidField unless all who are mentioned are inside, each named once.

    In the same words for somebody who left, somebody elsewhere, and nobody at all.
    """
    if len(set(mentions)) < len(mentions):
        raise errors.InvalidField("`mentions` names somebody twice.")
    if any(member not in present for member in mentions):
        raise errors.InvalidField("`mentions` names somebody who is not here.")


def stamp_of_reaction(now: Stamp, message: Message) -> int:
    """Return the stamp of a reaction: for whom both it and its message are."""
    return int(now) & message.stamp
