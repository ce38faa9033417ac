"""Slack: the payload of Slack's and Mattermost's incoming webhooks.

Decides what of it is said. The channel, icons and images are ignored: a connector has one sphere,
and nothing is fetched. As in Slack, the text only stands in for blocks that say nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from server.http.hooks.attachments import Attachment, Text, mrkdwn, render_attachment
from server.http.hooks.blocks import render_blocks
from server.http.hooks.delivery import Brought, Delivery, lines


class Payload(msgspec.Struct, frozen=True):
    """What of a payload is looked at."""

    text: Text = None
    username: Any = None
    attachments: list[Attachment | None] | None = None
    blocks: Any = None


def recognises(_delivery: Delivery) -> bool:
    """Say yes: this is the dialect of whatever is in no other."""
    return True


def read(delivery: Delivery) -> Brought:
    """Return what a payload says. Raises msgspec.ValidationError."""
    payload = msgspec.convert(delivery.document, Payload)
    return Brought(
        text=lines(
            render_blocks(payload.blocks) or mrkdwn(payload.text),
            *(render_attachment(one) for one in payload.attachments or () if one is not None),
        ),
        label=payload.username if isinstance(payload.username, str) else None,
    )
