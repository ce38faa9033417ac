"""Commands: what a client may send. One struct a command; each gets exactly one reply.

The docstring of a command is its text in ``protocol.md``; ``COMMANDS`` is the whole list, and the
dispatch table must name each of them. Invariant: unknown fields are refused.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from server.protocol.scalars import (
    ATTACHMENTS_MAX,
    MENTIONS_MAX,
    PAGE_EVENTS_MAX,
    PAGE_MEMBERS_MAX,
    Address,
    AdmissionId,
    AttachmentId,
    Audience,
    Bequest,
    Body,
    ClientId,
    ConnectorId,
    FieldText,
    FileName,
    FileSize,
    History,
    MediaType,
    MemberId,
    MemberRole,
    Name,
    Others,
    PasswordClass,
    Private,
    ProfileField,
    Reaction,
    RequestId,
    Revision,
    Scheme,
    Sealed,
    Seq,
    SessionId,
    SphereId,
    ThreadId,
    Token,
    Visibility,
)

#: The scheme of private messages that no key seals end to end.
PLAIN = "plain"


class Command(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    gc=False,
):
    """What a client may send."""

    id: RequestId


class Hello(Command, frozen=True, tag="hello"):
    """Open the conversation: the first frame of every connection.

    ``token`` is the session's, unless the ``Authorization`` header or the cookie of the
    handshake carried it already.
    """

    token: Token | None = None


class ListSpheres(Command, frozen=True, tag="list"):
    """List my spheres, my invitations, and the open spheres that I may join."""


class Subscribe(Command, frozen=True, tag="subscribe"):
    """Receive the events of a sphere, or of a private ``thread`` of it, from now on.

    ``after`` is the last seq that this client holds, when it holds any: the reply then says what
    to forget before anything is replayed. Fill the gap up to ``head`` with ``history``.
    """

    sphere: SphereId
    thread: ThreadId | None = None
    after: Seq | None = None


class Unsubscribe(Command, frozen=True, tag="unsubscribe"):
    """Stop receiving the events of a sphere, or of a thread of it, on this connection."""

    sphere: SphereId
    thread: ThreadId | None = None


class Post(Command, frozen=True, tag="post"):
    """Share a message in a sphere, or privately in a ``thread`` of it.

    ``revision`` is that of the destination which the sender was shown. ``client_id`` makes the
    post idempotent: sent again, it answers with the first one's seq. To the whole sphere send
    ``body``; to a thread ``sealed``, and its ``scheme``. ``reply_to`` refers to a message that I
    may see; ``mentions`` names members who are inside; ``attachments`` names files that I sent for
    this very timeline, and that are with no message yet.
    """

    sphere: SphereId
    revision: Revision
    client_id: ClientId
    thread: ThreadId | None = None
    body: Body | None = None
    sealed: Sealed | None = None
    scheme: Scheme = PLAIN
    reply_to: Seq | None = None
    mentions: Annotated[tuple[MemberId, ...], Meta(max_length=MENTIONS_MAX)] = ()
    attachments: Annotated[tuple[AttachmentId, ...], Meta(max_length=ATTACHMENTS_MAX)] = ()


class GetHistory(Command, frozen=True, tag="history"):
    """Read a page of a timeline: upwards from ``after`` (the default), or down from ``before``.

    The events come in rising order either way. Below my horizon only what was sent with visible
    history shows, so only there may ``seq`` skip.
    """

    sphere: SphereId
    thread: ThreadId | None = None
    after: Seq | None = None
    before: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_EVENTS_MAX)] = 100


class Create(Command, frozen=True, tag="create"):
    """Found a sphere: closed, invisible to outsiders, its history hidden; I administer it."""

    name: Name


class Configure(Command, frozen=True, tag="configure"):
    """Change a sphere's settings (administrators): what is left out stays as it is.

    ``revision`` is that of the sphere as I was shown it: a stale one is refused.
    """

    sphere: SphereId
    revision: Revision
    name: Name | None = None
    audience: Audience | None = None
    history: History | None = None
    listed: bool | None = None


class Invite(Command, frozen=True, tag="invite"):
    """Invite somebody to a sphere (administrators), by member id or by address.

    The answer is the same whether or not there is such a person.
    """

    sphere: SphereId
    member: MemberId | None = None
    address: Address | None = None


class InviteVisitor(Command, frozen=True, tag="invite_visitor"):
    """Draw an invitation for a guest of this sphere alone (administrators): it is shown once.

    Hand it to them yourself; they accept it over HTTP with this address. The answer is the same
    whether or not the address has an account.
    """

    sphere: SphereId
    address: Address


class Decline(Command, frozen=True, tag="decline"):
    """Decline an invitation, or withdraw what I asked for."""

    sphere: SphereId


class Join(Command, frozen=True, tag="join"):
    """Come into a sphere that I am invited to, or that is open to me."""

    sphere: SphereId


class Leave(Command, frozen=True, tag="leave"):
    """Leave a sphere: everything that I wrote there is erased, unless I bequeathed it.

    With ``thread``, leave that thread alone, on the same terms.
    """

    sphere: SphereId
    thread: ThreadId | None = None


class Remove(Command, frozen=True, tag="remove"):
    """Remove a member from a sphere (administrators): what they wrote is erased as if they left."""

    sphere: SphereId
    member: MemberId


class Appoint(Command, frozen=True, tag="appoint"):
    """Make a member of the sphere its administrator (administrators)."""

    sphere: SphereId
    member: MemberId


class Bequeath(Command, frozen=True, tag="bequeath"):
    """Say what becomes of my messages in a sphere when I leave it.

    After I left, ``none`` withdraws the bequest and erases what it had kept.
    """

    sphere: SphereId
    form: Bequest


class Oversee(Command, frozen=True, tag="oversee"):
    """List every sphere of the organisation, invisible ones included (managers): never content."""


class Enter(Command, frozen=True, tag="enter"):
    """Enter a sphere visibly (managers): everyone is told before I can read anything."""

    sphere: SphereId


class InstallConnector(Command, frozen=True, tag="install_connector"):
    """Draw a write-only token for a bot (administrators): it is shown once."""

    sphere: SphereId
    name: Name


class RevokeConnector(Command, frozen=True, tag="revoke_connector"):
    """Revoke a bot's token (administrators); without ``sphere``, as a manager of the organisation.

    Either way the sphere is told.
    """

    connector: ConnectorId
    sphere: SphereId | None = None


class SayTyping(Command, frozen=True, tag="typing"):
    """Tell the others that I am typing: in a sphere, or in a private ``thread`` of it.

    This connection must be subscribed to it. It is told at most once in three seconds.
    """

    sphere: SphereId
    thread: ThreadId | None = None


class Appear(Command, frozen=True, tag="appear"):
    """Let others see that I am there, or not: in the whole organisation, from now on.

    Where I entered as a manager I am seen all the same.
    """

    visible: bool


class Rename(Command, frozen=True, tag="rename"):
    """Take another name in this organisation; everybody who shares a sphere with me is told."""

    name: Name


class Describe(Command, frozen=True, tag="describe"):
    """Say something of myself, and to whom; without ``value`` and ``visibility``, take it back.

    With ``sphere``, say it there instead of what I say in general: ``sphere`` shows ``value`` to
    those who share it, ``hidden`` shows nothing there; it ends with my stay.
    """

    field: ProfileField
    value: FieldText | None = None
    visibility: Visibility | None = None
    sphere: SphereId | None = None


class GetMyProfile(Command, frozen=True, tag="my_profile"):
    """Read all that I say of myself, and to whom."""


class GetProfile(Command, frozen=True, tag="profile"):
    """Read what a member says of themselves.

    With ``sphere``, which we share, what they say there; without, what the directory shows.
    """

    member: MemberId
    sphere: SphereId | None = None


class SearchDirectory(Command, frozen=True, tag="directory"):
    """List the members of the organisation, by name, if it keeps a directory (never for visitors).

    ``search`` is a part of a name. ``after`` is how many to skip.
    """

    search: Name | None = None
    after: Annotated[int, Meta(ge=0, le=100_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MEMBERS_MAX)] = 50


class Ask(Command, frozen=True, tag="ask"):
    """Ask to be let into a closed sphere that shows itself; its administrators learn my name."""

    sphere: SphereId


class GetRequests(Command, frozen=True, tag="requests"):
    """List who asks to be let in (administrators): ``invite`` answers, ``refuse`` drops."""

    sphere: SphereId


class Refuse(Command, frozen=True, tag="refuse"):
    """Drop somebody's request to be let in (administrators); nobody is told."""

    sphere: SphereId
    member: MemberId


class Uninvite(Command, frozen=True, tag="uninvite"):
    """Withdraw an invitation (administrators), by member id or by address.

    By address, that of a guest from outside too. The answer is the same whether or not anything
    stood.
    """

    sphere: SphereId
    member: MemberId | None = None
    address: Address | None = None


class StepDown(Command, frozen=True, tag="step_down"):
    """Be an administrator no more, but a member: not while I am the last one."""

    sphere: SphereId


class GetJournal(Command, frozen=True, tag="journal"):
    """Read the journal of a sphere, from my horizon on: the records above the seq ``after``."""

    sphere: SphereId
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_EVENTS_MAX)] = 100


class Converse(Command, frozen=True, tag="converse"):
    """Talk privately to members of a sphere: they and I, and never anybody else.

    The thread of exactly these is the answer, if there is one that nobody left; otherwise it
    begins. ``revision`` is that of the sphere which I was shown.
    """

    sphere: SphereId
    revision: Revision
    members: Others


class Prefer(Command, frozen=True, tag="prefer"):
    """Say how I want it, everywhere or in one ``sphere``; what is left out stays as it is.

    ``private``: whether I am there for new private threads. In a sphere, ``thread`` is where my
    messages go unless I choose otherwise, on all my devices; ``whole`` makes it the sphere again.
    ``show_read`` there: whether others see how far I read, in its threads too.
    """

    sphere: SphereId | None = None
    private: Private | None = None
    thread: ThreadId | None = None
    whole: bool = False
    show_read: bool | None = None


class ListSessions(Command, frozen=True, tag="sessions"):
    """List the devices that I am signed in with, in this organisation."""


class EndSession(Command, frozen=True, tag="end_session"):
    """Sign one of my other devices out; to end this one, sign out over HTTP."""

    session: SessionId


class ListMembers(Command, frozen=True, tag="members"):
    """List the members of the organisation, by name (managers): never an address.

    ``after`` is how many to skip.
    """

    after: Annotated[int, Meta(ge=0, le=100_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MEMBERS_MAX)] = 50


class InviteMember(Command, frozen=True, tag="invite_member"):
    """Draw an invitation to the organisation for an address (managers): it is shown once.

    ``role`` is ``member`` or ``manager``. The answer is the same whether or not the address has an
    account, here or elsewhere.
    """

    address: Address
    role: MemberRole = MemberRole.MEMBER


class ListInvitations(Command, frozen=True, tag="invitations"):
    """List the invitations to the organisation that stand, the first to expire first (managers).

    ``after`` is how many to skip.
    """

    after: Annotated[int, Meta(ge=0, le=100_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MEMBERS_MAX)] = 50


class WithdrawInvitation(Command, frozen=True, tag="withdraw_invitation"):
    """Withdraw an invitation to the organisation (managers), or what an address was offered.

    For an address the answer is the same whether or not there was an invitation.
    """

    invitation: AdmissionId | None = None
    address: Address | None = None


class ChangeRole(Command, frozen=True, tag="change_role"):
    """Give a member another role (managers): their sessions end, so that every device learns of it.

    Who stops being a manager is out of the spheres that they had entered as one.
    """

    member: MemberId
    role: MemberRole


class Disable(Command, frozen=True, tag="disable"):
    """Shut a member out (managers): their sessions end, and their bots fall silent.

    Nothing that they wrote is erased, and they stay inside their spheres.
    """

    member: MemberId


class Enable(Command, frozen=True, tag="enable"):
    """Let a member who was shut out in again (managers)."""

    member: MemberId


class Dismiss(Command, frozen=True, tag="dismiss"):
    """End a membership (managers): they leave every sphere, as if they had left by themselves.

    ``erase`` must be true: what they wrote and did not bequeath is erased, and stays so.
    """

    member: MemberId
    erase: bool


class GetPolicies(Command, frozen=True, tag="policies"):
    """Read what the organisation demands (managers)."""


class SetPolicies(Command, frozen=True, tag="set_policies"):
    """Change what the organisation demands (managers): what is left out stays as it is.

    A policy below the server's floor is refused with the reason. Sessions that are open obey at
    once. ``password_age_max_ms`` 0: passwords do not age. ``password_classes`` replaces the list.
    """

    password_length_min: int | None = None
    password_classes: Annotated[list[PasswordClass], Meta(max_length=4)] | None = None
    password_age_max_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    password_reuse_history: int | None = None
    session_lifetime_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    session_idle_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    sessions_max: int | None = None
    directory: bool | None = None
    second_factor: bool | None = None


class ListConnectors(Command, frozen=True, tag="connectors"):
    """List the connectors of the organisation's spheres, the oldest first (managers).

    ``after`` is how many to skip.
    """

    after: Annotated[int, Meta(ge=0, le=100_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MEMBERS_MAX)] = 50


class Edit(Command, frozen=True, tag="edit"):
    """Put other words in the place of a message of mine; the former ones are erased.

    ``revision`` is that of the destination which I was shown. The same words again change nothing.
    In a sphere send ``body``; in a thread ``sealed``, and its ``scheme``.
    """

    sphere: SphereId
    revision: Revision
    message: Seq
    thread: ThreadId | None = None
    body: Body | None = None
    sealed: Sealed | None = None
    scheme: Scheme = PLAIN


class Delete(Command, frozen=True, tag="delete"):
    """Erase a message of mine, with its edits and the reactions to it."""

    sphere: SphereId
    message: Seq
    thread: ThreadId | None = None


class React(Command, frozen=True, tag="react"):
    """React to a message that I may see; with ``on`` false, take the reaction back."""

    sphere: SphereId
    message: Seq
    reaction: Reaction
    on: bool = True
    thread: ThreadId | None = None


class MarkRead(Command, frozen=True, tag="mark_read"):
    """Note for my own devices that I read up to ``seq``; one below changes nothing."""

    sphere: SphereId
    seq: Seq
    thread: ThreadId | None = None


class Attach(Command, frozen=True, tag="attach"):
    """Announce a file of exactly ``size`` bytes for a message of mine, here; then send its bytes.

    It waits for its bytes and its message, and is erased when they do not come in time. In a thread
    whose messages are sealed end to end leave out ``name`` and ``media_type``.
    """

    sphere: SphereId
    size: FileSize
    thread: ThreadId | None = None
    name: FileName | None = None
    media_type: MediaType | None = None


AnyCommand = (
    Hello
    | ListSpheres
    | Subscribe
    | Unsubscribe
    | Post
    | GetHistory
    | Create
    | Configure
    | Invite
    | InviteVisitor
    | Decline
    | Join
    | Leave
    | Remove
    | Appoint
    | Bequeath
    | Oversee
    | Enter
    | InstallConnector
    | RevokeConnector
    | SayTyping
    | Appear
    | Rename
    | Describe
    | GetMyProfile
    | GetProfile
    | SearchDirectory
    | ListSessions
    | EndSession
    | Ask
    | GetRequests
    | Refuse
    | Uninvite
    | StepDown
    | GetJournal
    | Converse
    | Prefer
    | ListMembers
    | InviteMember
    | ListInvitations
    | WithdrawInvitation
    | ChangeRole
    | Disable
    | Enable
    | Dismiss
    | GetPolicies
    | SetPolicies
    | ListConnectors
    | Edit
    | Delete
    | React
    | MarkRead
    | Attach
)
