"""Events: what the server tells unasked.

A *timeline event* belongs to a sphere and carries its ``seq``, rising by one per timeline; it is
stored, and everybody entitled to it sees the same bytes. A *notice* belongs to one member's
sessions and is not stored: it only says that the list of spheres changed.

Invariant: an event names members by id, and carries a name only where those who share the sphere
may read it; it never embeds a copy of another message.
"""

from __future__ import annotations

import msgspec

from server.protocol.scalars import (
    Audience,
    Bequest,
    Body,
    ConnectorId,
    History,
    MemberId,
    Milliseconds,
    Name,
    Parting,
    Private,
    Reaction,
    Revision,
    Scheme,
    Sealed,
    Seq,
    SphereId,
    ThreadId,
)
from server.protocol.views import (
    AttachmentView,
    ConnectorView,
    InvitationView,
    MemberView,
    SphereView,
    ThreadView,
)


class TimelineEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """What happened in a sphere, at ``seq``; or in a private ``thread`` of it, at its ``seq``."""

    sphere: SphereId
    seq: Seq
    at: Milliseconds
    thread: ThreadId | None = None

    @property
    def timeline(self) -> str:
        """Return the id of the timeline that ``seq`` counts on."""
        return self.thread or self.sphere


class MessagePosted(TimelineEvent, frozen=True, tag="message_posted"):
    """A member shared a message.

    An ``author`` who is neither among the members nor the former members is «a former member».
    ``body`` is what it says by now, when it was ``edited_at``.
    """

    author: MemberId
    body: Body
    reply_to: Seq | None = None  #: the message that it answers; it may be gone
    mentions: tuple[MemberId, ...] = ()  #: whose attention it asks for
    edited_at: Milliseconds | None = None
    attachments: tuple[AttachmentView, ...] = ()  #: files; an edit leaves them as they are


class ConnectorPosted(TimelineEvent, frozen=True, tag="connector_posted"):
    """A bot brought something in; ``installed_by`` answers for it.

    ``label`` is what the bot calls itself: show it beside ``name``, never in its place.
    """

    connector: ConnectorId
    name: Name
    installed_by: MemberId
    body: Body
    label: Name | None = None


class MemberJoined(TimelineEvent, frozen=True, tag="member_joined"):
    """Somebody came in."""

    member: MemberView


class MemberLeft(TimelineEvent, frozen=True, tag="member_left"):
    """Somebody is out, and the connectors that they had installed are dead.

    Unless ``kept`` is ``named``, forget what they wrote below this ``seq``: it is erased, or (when
    ``kept`` is ``anonymous``) there again under an author that names nobody.
    """

    member: MemberId
    how: Parting
    kept: Bequest


class ManagerEntered(TimelineEvent, frozen=True, tag="manager_entered"):
    """A manager of the organisation entered, and reads from this ``seq`` on."""

    member: MemberView


class ManagerLeft(TimelineEvent, frozen=True, tag="manager_left"):
    """A manager who had entered is out; the rest as in ``member_left``."""

    member: MemberId
    how: Parting
    kept: Bequest


class MemberRenamed(TimelineEvent, frozen=True, tag="member_renamed"):
    """A member has another name: what they wrote is theirs under it too."""

    member: MemberId
    name: Name


class SphereChanged(TimelineEvent, frozen=True, tag="sphere_changed"):
    """The sphere's settings are now these; posts must name the new ``revision``."""

    by: MemberId
    name: Name
    audience: Audience
    history: History
    listed: bool
    revision: Revision


class AdministratorAppointed(TimelineEvent, frozen=True, tag="administrator_appointed"):
    """A member became an administrator; ``by`` is null when the last one left."""

    member: MemberId
    by: MemberId | None


class AdministratorSteppedDown(TimelineEvent, frozen=True, tag="administrator_stepped_down"):
    """An administrator is a member like another from here on, by their own will."""

    member: MemberId


class BequestWithdrawn(TimelineEvent, frozen=True, tag="bequest_withdrawn"):
    """What somebody had bequeathed is erased: forget what ``author`` wrote below ``before``."""

    author: MemberId
    before: Seq


class ConnectorInstalled(TimelineEvent, frozen=True, tag="connector_installed"):
    """A bot may now bring things in."""

    connector: ConnectorView


class ConnectorRevoked(TimelineEvent, frozen=True, tag="connector_revoked"):
    """A bot's token is dead; ``by`` is null when the operator revoked it.

    ``by`` may be a manager of the organisation who is not inside.
    """

    connector: ConnectorId
    by: MemberId | None


class ThreadStarted(TimelineEvent, frozen=True, tag="thread_started"):
    """A private thread began, between ``members``; nobody ever comes in later."""

    by: MemberId
    members: list[MemberId]


class PrivatePosted(TimelineEvent, frozen=True, tag="private_posted"):
    """A participant shared a message in a private thread; the server did not look at it."""

    author: MemberId
    scheme: Scheme
    sealed: Sealed
    reply_to: Seq | None = None  #: the message that it answers; it may be gone
    mentions: tuple[MemberId, ...] = ()  #: whose attention it asks for
    edited_at: Milliseconds | None = None
    attachments: tuple[AttachmentView, ...] = ()  #: files; an edit leaves them as they are


class MessageEdited(TimelineEvent, frozen=True, tag="message_edited"):
    """The author put other words in the place of a message: forget the former ones."""

    author: MemberId
    message: Seq
    body: Body


class PrivateEdited(TimelineEvent, frozen=True, tag="private_edited"):
    """The same of a message in a private thread."""

    author: MemberId
    message: Seq
    scheme: Scheme
    sealed: Sealed


class MessageDeleted(TimelineEvent, frozen=True, tag="message_deleted"):
    """A message was deleted by its author: forget it, its edits and the reactions to it."""

    message: Seq


class ReactionAdded(TimelineEvent, frozen=True, tag="reaction_added"):
    """Somebody reacted to a message."""

    by: MemberId
    message: Seq
    reaction: Reaction


class ReactionRemoved(TimelineEvent, frozen=True, tag="reaction_removed"):
    """Somebody took a reaction back."""

    by: MemberId
    message: Seq
    reaction: Reaction


class Erased(TimelineEvent, frozen=True, tag="erased"):
    """Something was here that is erased, or not for me: its place keeps ``seq`` unbroken."""


AnyTimelineEvent = (
    MessagePosted
    | ConnectorPosted
    | MemberJoined
    | MemberLeft
    | ManagerEntered
    | ManagerLeft
    | MemberRenamed
    | SphereChanged
    | AdministratorAppointed
    | BequestWithdrawn
    | ConnectorInstalled
    | ConnectorRevoked
    | Erased
    | AdministratorSteppedDown
    | ThreadStarted
    | PrivatePosted
    | MessageEdited
    | PrivateEdited
    | MessageDeleted
    | ReactionAdded
    | ReactionRemoved
)


class Notice(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """What concerns one member: every session of theirs receives it."""


class SphereAdded(Notice, frozen=True, tag="sphere_added"):
    """I am now inside this sphere, by an act of mine on one of my devices."""

    sphere: SphereView


class SphereForgotten(Notice, frozen=True, tag="sphere_forgotten"):
    """Forget this sphere and everything of it: it is not there for me any more."""

    sphere: SphereId


class Invited(Notice, frozen=True, tag="invited"):
    """Somebody invited me to a sphere."""

    invitation: InvitationView


class Asked(Notice, frozen=True, tag="asked"):
    """Somebody asks to be let into a sphere that I administer."""

    sphere: SphereId
    member: MemberId
    name: Name


class ThreadAdded(Notice, frozen=True, tag="thread_added"):
    """I take part in this private thread, which began just now."""

    thread: ThreadView


class ThreadForgotten(Notice, frozen=True, tag="thread_forgotten"):
    """Forget this thread and everything of it: I left it."""

    sphere: SphereId
    thread: ThreadId


class Preferred(Notice, frozen=True, omit_defaults=True, tag="preferred"):
    """What I prefer, everywhere or in one ``sphere``, is now this."""

    sphere: SphereId | None
    private: Private
    default_thread: ThreadId | None
    show_read: bool = False


class Appeared(Notice, frozen=True, tag="appeared"):
    """I let others see that I am there, or not, by an act on one of my devices."""

    visible: bool


class Read(Notice, frozen=True, omit_defaults=True, tag="read"):
    """On one of my devices I read ``up_to`` this seq."""

    sphere: SphereId
    up_to: Seq
    thread: ThreadId | None = None


AnyNotice = (
    SphereAdded
    | SphereForgotten
    | Invited
    | Asked
    | ThreadAdded
    | ThreadForgotten
    | Preferred
    | Appeared
    | Read
)
