"""Attachments: Slack's older way to lay out a message, as text.

Colours, images, icons and buttons are dropped: a text carries its meaning by itself. The fallback
is what the tool itself wants shown where nothing else can be.
"""

from __future__ import annotations

from typing import Any

import msgspec

from server.http.hooks.blocks import render_blocks
from server.http.hooks.delivery import lines
from server.http.hooks.mrkdwn import link, rendered

#: What stands for text: tools fill templates, and a figure stays one.
Text = str | int | float | None


class Field(msgspec.Struct, frozen=True):
    """A title and a value, as in a table of two columns."""

    title: Text = None
    value: Text = None


class Attachment(msgspec.Struct, frozen=True):
    """What of an attachment becomes text."""

    fallback: Text = None
    pretext: Text = None
    author_name: Text = None
    title: Text = None
    title_link: str | None = None
    text: Text = None
    fields: list[Field | None] | None = None
    footer: Text = None
    blocks: Any = None


def render_attachment(attachment: Attachment) -> str:
    """Return an attachment as lines of text."""
    said = lines(
        mrkdwn(attachment.pretext),
        mrkdwn(attachment.author_name),
        _title(attachment),
        mrkdwn(attachment.text),
        *(_field(field) for field in attachment.fields or () if field is not None),
        render_blocks(attachment.blocks),
        mrkdwn(attachment.footer),
    )
    return said or mrkdwn(attachment.fallback)


def mrkdwn(value: Text) -> str:
    """Return a value that may be marked up as text."""
    return "" if value is None else rendered(str(value)).strip()


def _title(attachment: Attachment) -> str:
    title = mrkdwn(attachment.title)
    return link(attachment.title_link, title) if attachment.title_link else title


def _field(field: Field) -> str:
    title, value = mrkdwn(field.title), mrkdwn(field.value)
    return f"{title}: {value}" if title and value else title or value
