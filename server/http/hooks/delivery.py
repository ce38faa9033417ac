"""Delivery: what a tool sent, unpacked; and what a dialect makes of it.

Invariant: ``brought`` returns text that the wire can carry, or none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from server import errors
from server.domain.naming import check_name
from server.protocol.scalars import BODY_CHARS_MAX, NAME_CHARS_MAX

#: Ends a text that was longer than a body may be.
ELLIPSIS = "…"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A request from a tool: its headers (lower case), and a document or else a text."""

    headers: Mapping[str, str]
    kind: str  #: the media type, lower case, without parameters
    document: Any = None  #: a JSON value, or the fields of a form
    text: str | None = None


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to post."""

    text: str
    label: str | None = None  #: who the tool says that it is
    key: str | None = None  #: names the delivery, so that it is posted once


def fitted(text: str) -> str:
    r"""Return ``text`` as a body: encodable, with ``\n``, without outer blanks, cut to length.

    Cut rather than refused: an alert that is too long is worth more than none, and the tools that
    send one have nobody who could shorten it.
    """
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").strip()
    if len(text) <= BODY_CHARS_MAX:
        return text
    return text[: BODY_CHARS_MAX - len(ELLIPSIS)].rstrip() + ELLIPSIS


def label_of(name: str | None) -> str | None:
    """Return ``name`` as a label, or none when it could not be shown beside a connector's name."""
    if not name:
        return None
    try:
        label = check_name(name)
    except errors.InvalidField:
        return None
    return label if len(label) <= NAME_CHARS_MAX else None


def client_id_of(key: str | None) -> str | None:
    """Return the client id of a delivery: a digest, because a key may hold anything."""
    if not key:
        return None
    return f"hook:{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:48]}"


def lines(*parts: str | None) -> str:
    """Join what is not empty, one under the other."""
    return "\n".join(part for part in parts if part)
