"""Exports: what is one member's own, and nothing of others: for them to take along.

Of messages and files, those that they wrote or sent and that are there, in the spheres that they
are inside or left with a bequest, in pages and pieces. Invariant: every row that is read names the
member who asks.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, union

from server.domain.facts import Fact
from server.protocol import codec
from server.protocol.events import MessagePosted, PrivatePosted, ReactionAdded
from storage import attachments, timeline
from storage.attachments import File
from storage.database import Transaction
from storage.schema import (
    account,
    author_key,
    bequest,
    connector,
    event,
    join_request,
    member,
    sphere,
    stay,
)
from storage.timeline import Kind


class Own(Fact, frozen=True):
    """Something of one's own. It does not print."""

    def __repr__(self) -> str:
        """Hide all of it."""
        return f"<{type(self).__name__}>"


class Membership(Own, frozen=True):
    """Who one is here."""

    address: str
    name: str
    role: str
    member_since: int
    account_since: int
    password_set_at: int


class Place(Own, frozen=True):
    """A sphere that one is inside, or left something in."""

    sphere: str
    name: str | None  #: only while inside
    role: str | None
    bequest: str | None
    read: int | None  #: how far one read; only while inside


class Conversation(Own, frozen=True):
    """A private thread that one takes part in, or left something in: not who else does."""

    sphere: str
    thread: str


class Message(Own, frozen=True):
    """Something that one wrote; when it was edited, as it says by now."""

    sphere: str
    seq: int
    at: int
    body: str
    edited_at: int | None
    attachments: tuple[str, ...]


class Reaction(Own, frozen=True):
    """What one reacted to a message: its place says nothing of what that message holds."""

    sphere: str
    thread: str | None
    seq: int
    at: int
    message: int
    reaction: str


class PrivateMessage(Own, frozen=True):
    """Something that one wrote in a private thread, as one sealed it; in base64."""

    sphere: str
    thread: str
    seq: int
    at: int
    scheme: str
    sealed: bytes
    edited_at: int | None
    attachments: tuple[str, ...]


Said = Message | PrivateMessage | Reaction


class Attachment(Own, frozen=True):
    """A file that one sent; its ``pieces`` follow. Without ``seq`` it hangs on no message yet."""

    attachment: str
    sphere: str
    thread: str | None
    seq: int | None
    name: str | None
    media_type: str | None
    size: int
    digest: str
    pieces: int


class Piece(Own, frozen=True):
    """Some bytes of a file, in their turn; in base64."""

    attachment: str
    number: int
    data: bytes


class Bot(Own, frozen=True):
    """A connector that one installed."""

    sphere: str
    name: str
    installed_at: int


class Request(Own, frozen=True):
    """A request to be let into a sphere, that stands."""

    sphere: str
    asked_at: int


def membership(tx: Transaction, member_id: str) -> Membership | None:
    """Return who a member is, or None when they are no more."""
    row = tx.execute(
        select(
            account.c.address,
            member.c.name,
            member.c.role,
            member.c.created_at.label("member_since"),
            account.c.created_at.label("account_since"),
            account.c.password_set_at,
        )
        .join(account, account.c.id == member.c.account)
        .where(member.c.id == member_id)
    ).first()
    return None if row is None else Membership(**row._mapping)  # noqa: SLF001  # SQLAlchemy's own


def places(tx: Transaction, member_id: str) -> list[Place]:
    """Return the spheres in which something is theirs."""
    ids = union(
        select(stay.c.sphere).where(stay.c.member == member_id),
        select(bequest.c.sphere).where(bequest.c.member == member_id),
    ).subquery()
    rows = tx.execute(
        select(ids.c.sphere, sphere.c.name, stay.c.role, stay.c.read_seq, bequest.c.form)
        .join(sphere, sphere.c.id == ids.c.sphere)
        .outerjoin(stay, (stay.c.sphere == ids.c.sphere) & (stay.c.member == member_id))
        .outerjoin(bequest, (bequest.c.sphere == ids.c.sphere) & (bequest.c.member == member_id))
        .where(sphere.c.parent.is_(None))
        .order_by(ids.c.sphere)
    )
    return [
        Place(
            sphere=row.sphere,
            name=row.name if row.role else None,
            role=row.role,
            bequest=row.form,
            read=row.read_seq,
        )
        for row in rows
    ]


def conversations(tx: Transaction, member_id: str) -> list[Conversation]:
    """Return the private threads in which something is theirs."""
    ids = union(
        select(stay.c.sphere).where(stay.c.member == member_id),
        select(author_key.c.sphere).where(author_key.c.author == member_id),
    ).subquery()
    rows = tx.execute(
        select(sphere.c.id, sphere.c.parent)
        .join(ids, ids.c.sphere == sphere.c.id)
        .where(sphere.c.parent.is_not(None))
        .order_by(sphere.c.parent, sphere.c.id)
    )
    return [Conversation(sphere=row.parent, thread=row.id) for row in rows]


def bots(tx: Transaction, member_id: str) -> list[Bot]:
    """Return the connectors that they installed."""
    rows = tx.execute(
        select(connector.c.sphere, connector.c.name, connector.c.created_at)
        .where(connector.c.installed_by == member_id)
        .order_by(connector.c.created_at, connector.c.id)
    )
    return [Bot(sphere=row.sphere, name=row.name, installed_at=row.created_at) for row in rows]


def asked(tx: Transaction, member_id: str) -> list[Request]:
    """Return the spheres that they ask to be let into."""
    rows = tx.execute(
        select(join_request.c.sphere, join_request.c.created_at)
        .where(join_request.c.member == member_id)
        .order_by(join_request.c.created_at, join_request.c.sphere)
    )
    return [Request(sphere=row.sphere, asked_at=row.created_at) for row in rows]


def said(
    tx: Transaction, sphere_id: str, member_id: str, *, after: int, limit: int
) -> tuple[list[Said], int | None]:
    """Return a page of what they wrote on a timeline, and the seq to go on after, if it goes on."""
    rows = tx.execute(
        select(event.c.seq, event.c.content)
        .where(
            event.c.sphere == sphere_id,
            event.c.author == member_id,
            event.c.kind.in_((Kind.MESSAGE, Kind.REACTION)),
            event.c.seq > after,
        )
        .order_by(event.c.seq)
        .limit(limit)
    ).all()
    found = [_said(tx, sphere_id, row) for row in rows]
    more = rows[-1].seq if len(rows) == limit else None
    return [one for one in found if one is not None], more


def files(tx: Transaction, timeline_id: str, member_id: str) -> list[File]:
    """Return the files that they sent to a timeline, and that are there."""
    return attachments.of_author(tx, timeline_id, member_id)


def described(file: File) -> Attachment:
    """Return what a file is."""
    view = file.view
    return Attachment(
        attachment=file.attachment,
        sphere=file.home,
        thread=file.thread,
        seq=file.seq,
        name=view.name,
        media_type=view.media_type,
        size=view.size,
        digest=view.digest,
        pieces=file.pieces,
    )


def piece(tx: Transaction, file: File, number: int) -> Piece | None:
    """Return some bytes of a file; None when it was erased since."""
    data = attachments.piece(tx, file, number)
    return None if data is None else Piece(attachment=file.attachment, number=number, data=data)


def _said(tx: Transaction, timeline_id: str, row: Any) -> Said | None:
    """Return a message or a reaction; None of one taken back, or whose key is destroyed."""
    words = timeline.read(tx, timeline_id, row.seq, row.content)
    made = None if words is None else codec.restore(words)
    if isinstance(made, ReactionAdded):
        return Reaction(
            sphere=made.sphere,
            thread=made.thread,
            seq=made.seq,
            at=made.at,
            message=made.message,
            reaction=made.reaction,
        )
    if isinstance(made, PrivatePosted):
        return PrivateMessage(
            sphere=made.sphere,
            thread=made.timeline,
            seq=made.seq,
            at=made.at,
            scheme=made.scheme,
            sealed=made.sealed,
            edited_at=made.edited_at,
            attachments=tuple(one.attachment for one in made.attachments),
        )
    if isinstance(made, MessagePosted):
        return Message(
            sphere=made.sphere,
            seq=made.seq,
            at=made.at,
            body=made.body,
            edited_at=made.edited_at,
            attachments=tuple(one.attachment for one in made.attachments),
        )
    return None
