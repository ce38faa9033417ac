"""Views: what a client is shown of spheres and members.

Invariant: a view of a sphere is only ever sent to someone who may know that it exists, and a view
of a member only to someone who shares a sphere with them. No view carries an address.
"""

from __future__ import annotations

import msgspec

from server.protocol.scalars import (
    AdmissionId,
    AttachmentId,
    Audience,
    ConnectorId,
    Digest,
    FileName,
    FileSize,
    History,
    MediaType,
    MemberId,
    MemberRole,
    Milliseconds,
    Name,
    Private,
    ProfileField,
    Revision,
    Seq,
    SessionId,
    SphereId,
    SphereRole,
    ThreadId,
    Visibility,
)


class View(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a reply or an event."""


class AttachmentView(View, frozen=True, omit_defaults=True):
    """A file that a message brings along: what its author says of it, and what its bytes are."""

    attachment: AttachmentId
    size: FileSize
    digest: Digest  #: of all its bytes
    name: FileName | None = None  #: to be shown like anything that people write
    media_type: MediaType | None = None  #: never a reason to run or open it


class Destination(View, frozen=True):
    """Where a post would go: what the sender must have been shown."""

    sphere: SphereId
    name: Name
    audience: Audience
    history: History
    revision: Revision


class SphereView(Destination, frozen=True, omit_defaults=True):
    """A sphere that I am in."""

    listed: bool  #: false: invisible to anyone outside it
    role: SphereRole  #: mine
    entered: bool  #: true: I am inside as a manager who entered
    horizon: Seq  #: the first seq that I may see
    head: Seq  #: the last seq of the timeline
    read: Seq  #: how far I said that I read, on any device; 0: not at all
    private: Private = Private.USUAL  #: whether I am there for new private threads here
    show_read: bool = False  #: I let others see how far I read
    default_thread: ThreadId | None = None  #: where my messages go first; null: to the sphere


class ThreadView(View, frozen=True):
    """A private thread that I take part in."""

    thread: ThreadId
    sphere: SphereId
    members: list[MemberId]  #: who takes part now, myself among them
    started_by: MemberId
    head: Seq  #: the last seq of its timeline
    read: Seq  #: as in the view of a sphere


class OpenSphere(View, frozen=True):
    """A sphere that shows itself: one that I may join or, when it is closed, ask into."""

    sphere: SphereId
    name: Name
    audience: Audience
    revision: Revision
    asked: bool  #: I asked to be let in, and it stands


class InvitationView(View, frozen=True):
    """A sphere that I am invited to."""

    sphere: SphereId
    name: Name
    by: Name


class JoinRequest(View, frozen=True):
    """Somebody who asks to be let in."""

    member: MemberId
    name: Name
    at: Milliseconds


class JournalHead(View, frozen=True):
    """The last record of a journal: where its event is, and its digest."""

    seq: Seq  #: 0 while there is no record
    digest: Digest


class JournalRecord(View, frozen=True):
    """A record of a journal: a JSON object, as text, and the digest that covers it."""

    record: str
    digest: Digest


class MemberView(View, frozen=True):
    """Somebody inside a sphere, as those who share it see them."""

    member: MemberId
    name: Name
    role: SphereRole
    entered: bool  #: a manager who entered: listed as such while inside


class FieldView(View, frozen=True):
    """Something that a member says of themselves."""

    field: ProfileField
    value: str


class ProfileView(View, frozen=True):
    """A member as whoever asks may see them."""

    member: MemberId
    name: Name
    fields: list[FieldView]


class ListedView(ProfileView, frozen=True):
    """A member as the directory lists them."""

    present: bool  #: connected now, and willing to be seen


class OwnField(View, frozen=True):
    """Something that I say of myself; in a ``sphere``, or in general when it is null."""

    field: ProfileField
    value: str | None
    visibility: Visibility
    sphere: SphereId | None


class SessionView(View, frozen=True):
    """A device that I am signed in with; ``seen_at`` may lag by half a minute."""

    session: SessionId
    began_at: Milliseconds
    seen_at: Milliseconds
    ends_at: Milliseconds
    current: bool  #: this very one


class ReadView(View, frozen=True):
    """How far somebody read, who lets others see it."""

    member: MemberId
    up_to: Seq


class FormerMember(View, frozen=True):
    """Somebody who left and bequeathed their messages under their name."""

    member: MemberId
    name: Name


class ConnectorView(View, frozen=True):
    """A bot's credential of a sphere, as its members see it."""

    connector: ConnectorId
    name: Name
    installed_by: MemberId


class InstalledConnector(ConnectorView, frozen=True):
    """A bot's credential, as the organisation's managers list it."""

    sphere: SphereId


class Purge(View, frozen=True, omit_defaults=True):
    """What must be forgotten before anything is replayed.

    With ``message``: that one message of ``author`` alone, its edits and the reactions to it.
    Without:

    Whatever ``author`` wrote in the sphere at a ``seq`` below ``before`` is not as it was: forget
    it. What was bequeathed anonymously is there again when it is fetched again, under an author
    that names nobody.
    """

    author: MemberId
    before: Seq
    message: Seq | None = None


class SphereName(View, frozen=True):
    """A sphere of the organisation, as its managers may list it: never content."""

    sphere: SphereId
    name: Name


class Membership(View, frozen=True):
    """A member as the organisation's managers list them: never the address."""

    member: MemberId
    name: Name
    role: MemberRole
    disabled: bool  #: shut out


class AdmissionView(View, frozen=True):
    """An invitation to the organisation that stands, as its managers list it: never the address."""

    invitation: AdmissionId
    role: MemberRole
    by: MemberId | None  #: null: the operator
    expires_at: Milliseconds


class Certificate(View, frozen=True, omit_defaults=True):
    """What a departure cleared, for the one who left; private threads are counted in."""

    sphere: SphereId
    member: MemberId
    at: Milliseconds
    messages_erased: int
    messages_kept: int
    connectors_revoked: int
    thread: ThreadId | None = None  #: the thread that was left, when it was that alone
    attachments_erased: int = 0  #: files that went with the messages
