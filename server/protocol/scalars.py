"""Scalars: identifiers, bounds and small vocabularies that the wire structs share.

Decides the shape of every scalar on the wire, with a reason for each bound. Does not decide who
may use them. Invariant: whatever passes these types is safe to store, to log the length of, and
to compare; nothing here is unbounded.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

#: A frame larger than this closes the connection with 1009 (bytes). OWASP's WebSocket advice:
#: bound the message; 64 KiB holds the longest body in four-byte characters.
FRAME_BYTES_MAX = 65_536
#: Longest message body, in characters: 16,000 four-byte characters still fit in one frame.
BODY_CHARS_MAX = 16_000
#: Longest body of a private message, in bytes: in the base64 of JSON it still fits in one frame.
SEALED_BYTES_MAX = 48_000
#: Most participants of a private thread, its founder among them: beyond, found a sphere.
THREAD_MEMBERS_MAX = 32
#: Longest name of a sphere, member or connector, in characters: one line of a phone's screen.
NAME_CHARS_MAX = 80
#: Longest value of a field of a profile, in characters: a paragraph about oneself.
FIELD_CHARS_MAX = 500
#: Longest page of a directory, or of what managers list: a screenful of screens.
PAGE_MEMBERS_MAX = 100
#: Longest page of history, in events: with the longest bodies a page stays near 30 MB at worst,
#: and the page is cut by PAGE_BYTES_MAX well before.
PAGE_EVENTS_MAX = 500
#: Longest page of history, in bytes of encoded events.
PAGE_BYTES_MAX = 1_048_576

#: Most members that one message mentions: beyond, it is for everybody.
MENTIONS_MAX = 50
#: Longest reaction, in characters: an emoji of a whole family, or a word or two.
REACTION_CHARS_MAX = 32

#: Most files that one message brings along: a page of them.
ATTACHMENTS_MAX = 10
#: Longest name of a file, in characters: in four-byte characters twice a line of a screen.
FILE_NAME_CHARS_MAX = 120
#: Longest type of a file, in characters: the longest registered one has 73.
MEDIA_TYPE_CHARS_MAX = 100

#: 128 random bits in base32, lower case, without padding. Random, so that none can be guessed
#: and no counter shows.
ID_PATTERN = r"^[a-z2-7]{26}\Z"

SphereId = Annotated[str, Meta(pattern=ID_PATTERN, description="a sphere's id")]
ThreadId = Annotated[str, Meta(pattern=ID_PATTERN, description="a private thread's id")]
MemberId = Annotated[str, Meta(pattern=ID_PATTERN, description="a member's id")]
ConnectorId = Annotated[str, Meta(pattern=ID_PATTERN, description="a connector's id")]
SessionId = Annotated[str, Meta(pattern=ID_PATTERN, description="a session's id: opens nothing")]
AdmissionId = Annotated[
    str, Meta(pattern=ID_PATTERN, description="an invitation's id: opens nothing")
]
RequestId = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="chosen by the client, echoed in the reply")
]
ClientId = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=64,
        pattern=r"^[A-Za-z0-9_.:-]+\Z",
        description="the client's own id of a message: the same id is never stored twice",
    ),
]
MessageId = Annotated[
    str, Meta(pattern=ID_PATTERN, description="a message's id for readers: it says no place")
]
AuthorId = Annotated[
    str, Meta(pattern=ID_PATTERN, description="an author's id for readers of one sphere alone")
]
AttachmentId = Annotated[str, Meta(pattern=ID_PATTERN, description="a file's id: opens nothing")]
FileName = Annotated[
    str, Meta(min_length=1, max_length=FILE_NAME_CHARS_MAX, description="a file's name, no path")
]
MediaType = Annotated[
    str,
    Meta(
        max_length=MEDIA_TYPE_CHARS_MAX,
        pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*\Z",
        description="what its author says that a file is; nobody checked it",
    ),
]
FileSize = Annotated[int, Meta(ge=0, le=2**53 - 1, description="bytes of a file")]
Seq = Annotated[int, Meta(ge=0, le=2**53 - 1, description="position on a timeline, from 1")]
Revision = Annotated[int, Meta(ge=1, le=2**53 - 1, description="a sphere's revision")]
Milliseconds = Annotated[int, Meta(ge=0, description="milliseconds, UTC since 1970 when a date")]
Body = Annotated[str, Meta(min_length=1, max_length=BODY_CHARS_MAX, description="text")]
Sealed = Annotated[
    bytes,
    Meta(
        min_length=1,
        max_length=SEALED_BYTES_MAX,
        description="what the server does not look at; in JSON, base64",
    ),
]
Scheme = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,31}\Z",
        description="how a private message is sealed; `plain` is UTF-8 text that nothing seals",
    ),
]
Others = Annotated[
    list[MemberId],
    Meta(
        min_length=1,
        max_length=THREAD_MEMBERS_MAX - 1,
        description="members of a sphere, none of them twice",
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX, description="one line")]
Reaction = Annotated[
    str, Meta(min_length=1, max_length=REACTION_CHARS_MAX, description="an emoji, or a word or two")
]
FieldText = Annotated[
    str, Meta(min_length=1, max_length=FIELD_CHARS_MAX, description="text of a profile")
]
Address = Annotated[str, Meta(min_length=3, max_length=254, description="an address to sign in")]
Token = Annotated[str, Meta(min_length=16, max_length=128, description="an opaque secret")]

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="SHA-256, in hexadecimal")]


class Audience(StrEnum):
    """Whom a sphere is for."""

    CLOSED = "closed"  #: its members, by invitation
    OPEN = "open"  #: its members; any member of the organisation may join
    PUBLIC = "public"  #: anyone with the address may read; only members post


class History(StrEnum):
    """What a newcomer sees of what was sent before they came."""

    HIDDEN = "hidden"
    VISIBLE = "visible"


class SphereRole(StrEnum):
    """What a member is inside one sphere."""

    MEMBER = "member"
    ADMINISTRATOR = "administrator"


class MemberRole(StrEnum):
    """What a member is inside the organisation."""

    VISITOR = "visitor"
    MEMBER = "member"
    MANAGER = "manager"


class PasswordClass(StrEnum):
    """A class of characters that a password must hold."""

    LOWER = "lower"
    UPPER = "upper"
    DIGIT = "digit"
    OTHER = "other"


class Bequest(StrEnum):
    """What an author leaves behind in one sphere when they leave it."""

    NONE = "none"  #: nothing: their messages are erased
    NAMED = "named"  #: their messages, under their name
    ANONYMOUS = "anonymous"  #: their messages, as «a former member»


class Parting(StrEnum):
    """How a member came to be out of a sphere."""

    LEFT = "left"
    REMOVED = "removed"


class Private(StrEnum):
    """Whether somebody is there for new private threads."""

    ACCEPT = "accept"
    DECLINE = "decline"
    USUAL = "usual"  #: in one sphere: as in the organisation at large


class ProfileField(StrEnum):
    """What a profile may say."""

    TITLE = "title"  #: what one does
    PRONOUNS = "pronouns"
    CONTACT = "contact"  #: how to be reached; never the address to sign in with, unless typed
    ABOUT = "about"


class Visibility(StrEnum):
    """To whom a field of a profile shows."""

    HIDDEN = "hidden"  #: to nobody
    SPHERE = "sphere"  #: to those who share a sphere
    ORGANISATION = "organisation"  #: to them, and to whoever finds the member in the directory
