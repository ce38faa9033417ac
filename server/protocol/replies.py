"""Replies: what answers a command, exactly one each, with the command's ``id``.

Invariant: a reply says nothing that the one who asked may not know; ``error`` is the only reply to
a refusal.
"""

from __future__ import annotations

import msgspec

from server.protocol.scalars import (
    AttachmentId,
    Digest,
    MemberId,
    MemberRole,
    Milliseconds,
    Name,
    PasswordClass,
    Private,
    RequestId,
    Seq,
)
from server.protocol.views import (
    AdmissionView,
    Certificate,
    ConnectorView,
    Destination,
    FormerMember,
    InstalledConnector,
    InvitationView,
    JoinRequest,
    JournalHead,
    JournalRecord,
    ListedView,
    Membership,
    MemberView,
    OpenSphere,
    OwnField,
    ProfileView,
    Purge,
    ReadView,
    SessionView,
    SphereName,
    SphereView,
    ThreadView,
    View,
)


class Reply(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """What answers a command."""

    id: RequestId


class ErrorBody(View, frozen=True, omit_defaults=True):
    """A refusal: a stable code, a sentence for a person, and whether to come back."""

    code: str
    message: str
    temporary: bool
    retry_after_ms: int | None = None
    destination: Destination | None = None


class Error(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """The request was refused; ``id`` is null when the frame was too broken to carry one."""

    id: RequestId | None
    error: ErrorBody


class Welcome(Reply, frozen=True, tag="welcome"):
    """The session is accepted; the socket closes by itself at ``session_ends_at``.

    ``idle_limit_ms`` is how long the session lives without a command from any of its
    connections.
    """

    member: MemberId
    name: Name
    role: MemberRole
    organisation: Name
    session_ends_at: Milliseconds
    idle_limit_ms: Milliseconds
    now: Milliseconds
    visible: bool  #: whether others may see that I am there


class Spheres(Reply, frozen=True, tag="spheres"):
    """My spheres, my invitations, those that show themselves, and my private threads.

    ``private`` is what I prefer where a sphere says ``usual``.
    """

    spheres: list[SphereView]
    invitations: list[InvitationView]
    open: list[OpenSphere]
    threads: list[ThreadView]
    private: Private


class Subscribed(Reply, frozen=True, tag="subscribed"):
    """The sphere as it is at ``sphere.head``; every later event follows.

    ``purges`` come first: apply them before anything else. ``present`` are the members who are seen
    to be there; nobody is, in a sphere of too many. ``reads`` says how far those read who let
    others see it.
    """

    purges: list[Purge]
    sphere: SphereView
    members: list[MemberView]
    former: list[FormerMember]
    connectors: list[ConnectorView]
    journal: JournalHead
    present: list[MemberId]
    reads: list[ReadView]


class Done(Reply, frozen=True, tag="done"):
    """It is done."""


class Posted(Reply, frozen=True, tag="posted"):
    """The message is stored durably, at ``seq``."""

    seq: Seq
    at: Milliseconds


class Page(Reply, frozen=True, tag="page"):
    """A page of a timeline, in rising order; ``more`` says that it goes on in that direction."""

    events: list[msgspec.Raw]
    more: bool


class Inside(Reply, frozen=True, tag="inside"):
    """I am inside the sphere: after ``create``, ``join`` or ``enter``."""

    sphere: SphereView


class Left(Reply, frozen=True, tag="left"):
    """I am out: nothing of the sphere follows this frame."""

    certificate: Certificate


class Overview(Reply, frozen=True, tag="overview"):
    """Every sphere of the organisation, by id and name."""

    spheres: list[SphereName]


class ConnectorToken(Reply, frozen=True, tag="connector_token"):
    """The connector's token: shown this once."""

    connector: ConnectorView
    token: str


class InvitationToken(Reply, frozen=True, tag="invitation_token"):
    """An invitation: shown this once, used once, and void after ``expires_at``."""

    token: str
    expires_at: Milliseconds


class MyProfile(Reply, frozen=True, tag="my_profile"):
    """All that I say of myself."""

    name: Name
    fields: list[OwnField]


class Profile(Reply, frozen=True, tag="profile"):
    """What a member says of themselves, to me."""

    profile: ProfileView


class Directory(Reply, frozen=True, tag="directory"):
    """A page of the directory; ``more`` says that it goes on."""

    members: list[ListedView]
    more: bool


class Conversing(Reply, frozen=True, tag="conversing"):
    """The private thread between those who were named and myself."""

    thread: ThreadView


class Listening(Reply, frozen=True, tag="listening"):
    """The thread as it is at ``thread.head``; every later event follows.

    ``purges`` come first, as in ``subscribed``. ``former`` are those who left their messages here
    under their name, and are in the sphere no more.
    """

    purges: list[Purge]
    thread: ThreadView
    former: list[FormerMember]
    reads: list[ReadView]


class Sessions(Reply, frozen=True, tag="sessions"):
    """The devices that I am signed in with, the latest first."""

    sessions: list[SessionView]


class Requests(Reply, frozen=True, tag="requests"):
    """Who asks to be let in, the longest first."""

    requests: list[JoinRequest]


class Journal(Reply, frozen=True, tag="journal"):
    """Part of a journal; ``anchor`` is the digest before its first record."""

    anchor: Digest
    records: list[JournalRecord]
    more: bool


class Members(Reply, frozen=True, tag="members"):
    """A page of the members of the organisation; ``more`` says that it goes on."""

    members: list[Membership]
    more: bool


class Invitations(Reply, frozen=True, tag="invitations"):
    """A page of the invitations to the organisation; ``more`` says that it goes on."""

    invitations: list[AdmissionView]
    more: bool


class Policies(Reply, frozen=True, tag="policies"):
    """What the organisation demands; ``password_age_max_ms`` 0: passwords do not age."""

    password_length_min: int
    password_classes: list[PasswordClass]
    password_age_max_ms: Milliseconds
    password_reuse_history: int
    session_lifetime_ms: Milliseconds
    session_idle_ms: Milliseconds
    sessions_max: int
    directory: bool
    second_factor: bool


class Connectors(Reply, frozen=True, tag="connectors"):
    """A page of the connectors of the organisation; ``more`` says that it goes on."""

    connectors: list[InstalledConnector]
    more: bool


class Attaching(Reply, frozen=True, tag="attaching"):
    """Send the bytes to this ``attachment``, and name it in a post before ``expires_at``."""

    attachment: AttachmentId
    expires_at: Milliseconds


AnyReply = (
    Error
    | Welcome
    | Spheres
    | Subscribed
    | Done
    | Posted
    | Page
    | Inside
    | Left
    | Overview
    | ConnectorToken
    | InvitationToken
    | MyProfile
    | Profile
    | Directory
    | Sessions
    | Requests
    | Journal
    | Conversing
    | Listening
    | Members
    | Invitations
    | Policies
    | Connectors
    | Attaching
)
