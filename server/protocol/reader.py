"""Reader: the dialect of whoever reads a public sphere without an account.

Nothing here has a field that could carry more than the messages that readers may see: no ``seq``,
whose gaps would count what they may not, and no id of a member, by which the inside could be asked
(docs/adr/0014). A reader writes nothing and is nobody: there is no token.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from server.protocol.scalars import (
    PAGE_EVENTS_MAX,
    AuthorId,
    Body,
    MessageId,
    Milliseconds,
    Name,
    RequestId,
    SphereId,
)


class ReaderCommand(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    gc=False,
):
    """What a reader may send."""

    id: RequestId


class ReaderHello(ReaderCommand, frozen=True, tag="hello"):
    """Read a public sphere: its new messages follow the reply, until the connection ends."""

    sphere: SphereId


class ReaderHistory(ReaderCommand, frozen=True, tag="history"):
    """Read a page of messages: down from ``before``, or from the last one; or up from ``after``.

    They come in rising order either way. With both, down from ``before`` and above ``after``.
    """

    after: MessageId | None = None
    before: MessageId | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_EVENTS_MAX)] = 100


AnyReaderCommand = ReaderHello | ReaderHistory


class ReaderFrame(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
    gc=False,
):
    """What a reader is told."""


class PublicMessage(ReaderFrame, frozen=True, tag="message"):
    """A message; one that you hold already, by its ``message``, is now this one."""

    message: MessageId
    at: Milliseconds
    author: AuthorId
    body: Body
    name: Name | None = None  #: the author's; absent: «a former member»
    bot: bool = False  #: brought in by a bot, whose name it is
    label: Name | None = None  #: what the bot calls itself: show it beside ``name``
    edited_at: Milliseconds | None = None  #: when its author put these words in the place of others


class PublicEdit(ReaderFrame, frozen=True, tag="message_changed"):
    """An author put other words in the place of a message: forget the former ones."""

    message: MessageId
    body: Body
    edited_at: Milliseconds


class Forgotten(ReaderFrame, frozen=True, tag="forgotten"):
    """Forget this message, or all that you hold of this author, with the name."""

    message: MessageId | None = None
    author: AuthorId | None = None


class AuthorRenamed(ReaderFrame, frozen=True, tag="author_renamed"):
    """An author has another name: what you hold of them is theirs under it too."""

    author: AuthorId
    name: Name


class PublicSphereRenamed(ReaderFrame, frozen=True, tag="sphere_renamed"):
    """The sphere has another name."""

    name: Name


AnyReaderEvent = PublicMessage | PublicEdit | Forgotten | AuthorRenamed | PublicSphereRenamed


class ReaderReply(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """What answers a reader's command."""

    id: RequestId


class Reading(ReaderReply, frozen=True, tag="reading"):
    """The sphere is public; the connection closes by itself at ``ends_at``: come back then."""

    sphere: SphereId
    name: Name
    ends_at: Milliseconds
    now: Milliseconds


class PublicPage(ReaderReply, frozen=True, tag="page"):
    """A page of messages, in rising order; ``more`` says that it goes on in that direction."""

    messages: list[PublicMessage]  #: each as ``message`` is told
    more: bool


AnyReaderReply = Reading | PublicPage
