"""Publicity: what a reader without an account is shown of a public sphere, from the store.

Runs on a snapshot and writes nothing. Here a message of the inside becomes one for readers: who
installed a bot, places and ids of members stay behind. Invariant: a sphere that is not public is
refused as one that does not exist, before anything else of it is read.
"""

from __future__ import annotations

import msgspec

from server import errors
from server.domain.facts import Sphere
from server.domain.permission import check_public
from server.protocol.events import ConnectorPosted, MessagePosted, TimelineEvent
from server.protocol.reader import PublicMessage, ReaderHistory
from storage import publicity
from storage.database import Transaction
from storage.veil import SphereVeil, Veil


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a hall begins with: the sphere's name, and everybody's, which it tells of authors."""

    name: str
    names: dict[str, str]


class PublicExtract(msgspec.Struct, frozen=True, kw_only=True):
    """A page for readers, and its authors by the ids of the inside."""

    messages: list[PublicMessage]
    authors: frozenset[str]
    more: bool


def opening(tx: Transaction, sphere_id: str) -> Opening:
    """Return what there is to know before anything of a public sphere is shown."""
    sphere = _public(tx, sphere_id)
    return Opening(name=sphere.name, names=publicity.names(tx, sphere.id))


def history(tx: Transaction, sphere_id: str, command: ReaderHistory, veil: Veil) -> PublicExtract:
    """Return a page of messages that readers may see."""
    sphere = _public(tx, sphere_id)
    drawn = veil.over(sphere.id)
    found, more = publicity.page(
        tx,
        sphere,
        after=_place(drawn, command.after),
        before=_place(drawn, command.before),
        limit=command.limit,
    )
    return PublicExtract(
        messages=[shown(drawn, one.event, one.name) for one in found],
        authors=frozenset(author_of(one.event) for one in found),
        more=more,
    )


def _public(tx: Transaction, sphere_id: str) -> Sphere:
    return check_public(publicity.sphere_of(tx, sphere_id))


def _place(veil: SphereVeil, message: str | None) -> int | None:
    """Return the place of a message. Raises InvalidField for an id that was never given."""
    if message is None:
        return None
    seq = veil.seq(message)
    if seq is None:
        raise errors.InvalidField("No message of this sphere ever had this id: read anew.")
    return seq


def author_of(event: TimelineEvent) -> str:
    """Return who wrote a message: a member, an alias or a bot."""
    assert isinstance(event, MessagePosted | ConnectorPosted)
    return event.author if isinstance(event, MessagePosted) else event.connector


def shown(veil: SphereVeil, event: TimelineEvent, name: str | None) -> PublicMessage:
    """Return a message as readers see it; ``name`` is its author's, a bot's stands in the event."""
    assert isinstance(event, MessagePosted | ConnectorPosted)
    message, author = veil.message(event.seq), veil.author(author_of(event))
    if isinstance(event, MessagePosted):
        return PublicMessage(
            message=message,
            at=event.at,
            author=author,
            body=event.body,
            name=name,
            edited_at=event.edited_at,
        )
    return PublicMessage(
        message=message,
        at=event.at,
        author=author,
        body=event.body,
        name=event.name,
        bot=True,
        label=event.label,
    )
