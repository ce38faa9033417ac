"""Notice: a title and a message, which generic notifiers send as JSON or as a form."""

from __future__ import annotations

import msgspec

from server.http.hooks.delivery import Brought, Delivery, lines

_SLACKS = frozenset({"text", "blocks"})


class Notice(msgspec.Struct, frozen=True):
    """What of a notice is looked at; its type, version and attachments are not."""

    message: str | None = None
    title: str | None = None


def recognises(delivery: Delivery) -> bool:
    """Say whether there is a message, and nothing that is Slack's alone: files may be attached."""
    document = delivery.document
    return isinstance(document, dict) and "message" in document and _SLACKS.isdisjoint(document)


def read(delivery: Delivery) -> Brought:
    """Return the title above the message. Raises msgspec.ValidationError."""
    notice = msgspec.convert(delivery.document, Notice)
    return Brought(text=lines(notice.title, notice.message))
