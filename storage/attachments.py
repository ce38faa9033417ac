"""Attachments: files that hang on messages, in sealed pieces, and those that are on their way.

A file lies in the database, so that it goes in the very transaction in which its message goes. Each
piece is sealed with the author's key of that timeline, for one place of one file and for being its
last piece or not: pieces that were swapped, cut off or put elsewhere do not open. Decides nothing.
Invariant: a file has a ``seq`` only once all its pieces are there, and no piece changes after that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, or_, select, update

from server.domain.facts import Fact, Sphere
from server.protocol.views import AttachmentView
from storage import sealing
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import attachment, chunk, member, sphere

#: Bytes of a piece: as long as a batch of posts, behind which others wait as well.
PIECE_BYTES = 262_144
#: Files erased in one transaction where nothing asks for all at once.
SWEEP_FILES = 8

_encode = msgspec.msgpack.encode


class Said(Fact, frozen=True):
    """What the author says of a file; and the digest of its bytes, once they are there."""

    name: str | None
    media_type: str | None
    digest: str | None = None


class Sending(Fact, frozen=True):
    """The sending of one file's bytes: another one that begins puts an end to it."""

    attachment: str
    timeline: str
    author: str
    attempt: str
    size: int
    said: Said


class Lying(Fact, frozen=True):
    """Where a file lies whose pieces are all there; ``seq`` is that of its message, if it has one.

    It says nothing of what the file is: only its message does.
    """

    attachment: str
    timeline: str
    home: str
    author: str
    seq: int | None
    pieces: int

    @property
    def thread(self) -> str | None:
        """Return the private thread that it is in, None in a sphere proper."""
        return None if self.timeline == self.home else self.timeline


class File(Lying, frozen=True):
    """A file, and what its author says of it."""

    view: AttachmentView


_FILE = select(
    attachment.c.id,
    attachment.c.sphere,
    func.coalesce(sphere.c.parent, sphere.c.id).label("home"),
    attachment.c.author,
    attachment.c.seq,
    attachment.c.size,
    attachment.c.pieces,
    attachment.c.about,
).join(sphere, sphere.c.id == attachment.c.sphere)


#: Stands for the sphere of a file that there is not: no id is like it.
NOWHERE = "a" * 26
_NONE: dict[str, Any] = {
    "attachment": NOWHERE,
    "timeline": NOWHERE,
    "home": NOWHERE,
    "author": NOWHERE,
    "seq": None,
    "pieces": 0,
}
#: From whoever asks, so that there is a row; built once, since it is asked for each piece.
_HUNG = (
    select(
        func.coalesce(attachment.c.id, NOWHERE).label("id"),
        func.coalesce(attachment.c.sphere, NOWHERE).label("sphere"),
        func.coalesce(sphere.c.parent, sphere.c.id, NOWHERE).label("home"),
        func.coalesce(attachment.c.author, NOWHERE).label("author"),
        attachment.c.seq,
        func.coalesce(attachment.c.pieces, 0).label("pieces"),
    )
    .select_from(member)
    .outerjoin(
        attachment,
        and_(
            attachment.c.id == bindparam("wanted"),
            attachment.c.pieces.is_not(None),
            attachment.c.seq.is_not(None),
        ),
    )
    .outerjoin(sphere, sphere.c.id == attachment.c.sphere)
    .where(member.c.id == bindparam("asking"))
)


def pieces_of(size: int) -> int:
    """Return in how many pieces a file of so many bytes lies: an empty one has one too."""
    return max(1, -(-size // PIECE_BYTES))


# -- on its way


def announce(tx: Transaction, of: Sphere, author: str, said: Said, *, size: int, now: int) -> str:
    """Note a file that is to come; return its id."""
    made = new_id()
    tx.execute(
        insert(attachment).values(
            id=made,
            sphere=of.id,
            author=author,
            size=size,
            about=_sealed(tx, of.id, author, made, said),
            created_at=now,
        )
    )
    return made


def bytes_in(tx: Transaction, home: Sphere, author: str) -> int:
    """Return how many bytes an author's files have in a sphere and its threads."""
    asked = (
        select(func.coalesce(func.sum(attachment.c.size), 0))
        .join(sphere, sphere.c.id == attachment.c.sphere)
        .where(
            attachment.c.author == author, or_(sphere.c.id == home.id, sphere.c.parent == home.id)
        )
    )
    return int(tx.execute(asked).scalar_one())


def count_pending(tx: Transaction, author: str) -> int:
    """Return how many files of an author hang on no message."""
    asked = select(func.count()).where(attachment.c.author == author, attachment.c.seq.is_(None))
    return tx.execute(asked).scalar_one()


def begin(tx: Transaction, attachment_id: str, author: str) -> Sending | None:
    """Begin to send a file's bytes, from the first one; None when none are waited for."""
    row = tx.execute(
        select(attachment.c.sphere, attachment.c.size, attachment.c.about).where(
            attachment.c.id == attachment_id,
            attachment.c.author == author,
            attachment.c.pieces.is_(None),
        )
    ).one_or_none()
    said = None if row is None else _opened(tx, row.sphere, attachment_id, row.about)
    if row is None or said is None:
        return None
    tx.execute(delete(chunk).where(chunk.c.attachment == attachment_id))
    attempt = new_id()
    tx.execute(update(attachment).where(attachment.c.id == attachment_id).values(attempt=attempt))
    return Sending(
        attachment=attachment_id,
        timeline=row.sphere,
        author=author,
        attempt=attempt,
        size=row.size,
        said=said,
    )


def add(tx: Transaction, sending: Sending, number: int, piece: bytes) -> bool:
    """Store the next piece; say whether it was still waited for."""
    if not _is_awaited(tx, sending):
        return False
    last = number == pieces_of(sending.size) - 1
    key = sealing.current_key(tx, sending.timeline, sending.author)
    place = _place(sending.timeline, sending.attachment, number, last=last)
    sealed = sealing.keyring(tx).seal(key, piece, place)
    tx.execute(insert(chunk).values(attachment=sending.attachment, number=number, sealed=sealed))
    return True


def finish(tx: Transaction, sending: Sending, digest: str) -> bool:
    """Note that all pieces are there; say whether they were still waited for."""
    if not _is_awaited(tx, sending):
        return False
    said = msgspec.structs.replace(sending.said, digest=digest)
    tx.execute(
        update(attachment)
        .where(attachment.c.id == sending.attachment)
        .values(
            pieces=pieces_of(sending.size),
            attempt=None,
            about=_sealed(tx, sending.timeline, sending.author, sending.attachment, said),
        )
    )
    return True


def _is_awaited(tx: Transaction, sending: Sending) -> bool:
    asked = select(attachment.c.id).where(
        attachment.c.id == sending.attachment, attachment.c.attempt == sending.attempt
    )
    return tx.execute(asked).first() is not None


# -- on a message


def ready(tx: Transaction, wanted: Collection[str]) -> dict[str, File]:
    """Return those of these files that are there, and hang on no message yet."""
    rows = tx.execute(
        _FILE.where(
            attachment.c.id.in_(wanted),
            attachment.c.pieces.is_not(None),
            attachment.c.seq.is_(None),
        )
    ).all()
    found = (_file(tx, row) for row in rows)
    return {one.attachment: one for one in found if one is not None}


def hang(tx: Transaction, places: Mapping[str, int]) -> None:
    """Hang files on the messages at these places."""
    for attachment_id, seq in places.items():
        tx.execute(update(attachment).where(attachment.c.id == attachment_id).values(seq=seq))


def find(tx: Transaction, attachment_id: str, *, asking: str) -> Lying:
    """Return where a file lies that hangs on a message; nowhere, without ``seq``, when none does.

    Nothing of it is opened, and a row comes back in any case: that there is one takes no longer to
    find than that there is none. ``asking`` is a member.
    """
    row = tx.execute(_HUNG, {"wanted": attachment_id, "asking": asking}).one_or_none()
    return Lying(**(_NONE if row is None else _lying(row)))


def piece(tx: Transaction, of: Lying, number: int) -> bytes | None:
    """Return the bytes of one piece; None when it is gone, or is not what was put there."""
    sealed = tx.execute(
        select(chunk.c.sealed).where(chunk.c.attachment == of.attachment, chunk.c.number == number)
    ).scalar_one_or_none()
    if sealed is None:
        return None
    place = _place(of.timeline, of.attachment, number, last=number == of.pieces - 1)
    return sealing.keyring(tx).open(sealed, place)


def of_author(tx: Transaction, timeline_id: str, author: str) -> list[File]:
    """Return the files of an author on a timeline, whether or not they hang on a message."""
    rows = tx.execute(
        _FILE.where(
            attachment.c.sphere == timeline_id,
            attachment.c.author == author,
            attachment.c.pieces.is_not(None),
        ).order_by(attachment.c.created_at, attachment.c.id)
    ).all()
    return [one for row in rows if (one := _file(tx, row)) is not None]


def count(tx: Transaction, timeline_id: str, author: str) -> int:
    """Return how many files of an author hang on messages of a timeline."""
    asked = select(func.count()).where(_of(timeline_id, author), attachment.c.seq.is_not(None))
    return tx.execute(asked).scalar_one()


# -- erased


def erase_at(tx: Transaction, timeline_id: str, seq: int) -> None:
    """Erase what hangs on one message."""
    _erase(tx, and_(attachment.c.sphere == timeline_id, attachment.c.seq == seq))


def erase_of(tx: Transaction, timeline_id: str, author: str, *, below: int | None = None) -> None:
    """Erase an author's files on a timeline: all, or those of messages below a seq."""
    mine = _of(timeline_id, author)
    _erase(tx, mine if below is None else and_(mine, attachment.c.seq < below))


def erase_pending(tx: Transaction, timeline_id: str, author: str) -> None:
    """Erase an author's files on a timeline that hang on no message."""
    _erase(tx, and_(_of(timeline_id, author), attachment.c.seq.is_(None)))


def sweep(tx: Transaction, *, before: int) -> int:
    """Erase some of the files that have waited since before a date; return how many."""
    late = tx.execute(
        select(attachment.c.id)
        .where(attachment.c.seq.is_(None), attachment.c.created_at < before)
        .order_by(attachment.c.created_at)
        .limit(SWEEP_FILES)
    )
    ids = list(late.scalars())
    if ids:
        _erase(tx, attachment.c.id.in_(ids))
    return len(ids)


def _erase(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Erase files; their pieces go along, by the foreign key."""
    tx.execute(delete(attachment).where(which))


def _of(timeline_id: str, author: str) -> ColumnElement[bool]:
    return and_(attachment.c.sphere == timeline_id, attachment.c.author == author)


# -- sealed


def _place(timeline_id: str, attachment_id: str, number: int, *, last: bool) -> bytes:
    """Return what binds a piece to where it is."""
    return f"{timeline_id}:{attachment_id}:{number}:{'last' if last else 'more'}".encode()


def _about(timeline_id: str, attachment_id: str) -> bytes:
    return f"{timeline_id}:{attachment_id}:about".encode()


def _sealed(
    tx: Transaction, timeline_id: str, author: str, attachment_id: str, said: Said
) -> bytes:
    key = sealing.current_key(tx, timeline_id, author)
    return sealing.keyring(tx).seal(key, _encode(said), _about(timeline_id, attachment_id))


def _opened(tx: Transaction, timeline_id: str, attachment_id: str, sealed: bytes) -> Said | None:
    said = sealing.keyring(tx).open(sealed, _about(timeline_id, attachment_id))
    return None if said is None else msgspec.msgpack.decode(said, type=Said)


def _file(tx: Transaction, row: Any) -> File | None:
    said = _opened(tx, row.sphere, row.id, row.about)
    if said is None:
        return None
    assert said.digest is not None
    return File(
        **_lying(row),
        view=AttachmentView(
            attachment=row.id,
            size=row.size,
            digest=said.digest,
            name=said.name,
            media_type=said.media_type,
        ),
    )


def _lying(row: Any) -> dict[str, Any]:
    return {
        "attachment": row.id,
        "timeline": row.sphere,
        "home": row.home,
        "author": row.author,
        "seq": row.seq,
        "pieces": row.pieces,
    }
