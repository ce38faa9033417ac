"""Journal: who came, went and changed what in a sphere, checked as the protocol says.

Pure but for ``read``, which asks page by page. Invariant: what is returned as sound was computed
here from the bytes received, and goes on from what was known before.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from clients.failures import Failure
from clients.session import Session
from clients.wire import PAGE_EVENTS_MAX, Frame

_BEGINNING: Final = "00" * 32


class Broken(Failure):
    """The journal does not hold: somebody altered the store, or an older backup was restored."""

    exit_code = 1
    code = "journal_broken"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The journal of this sphere does not hold: {what}. Somebody altered it, or an older"
            " backup was restored. Ask whoever runs the server."
        )


@dataclass(frozen=True, slots=True)
class Head:
    """How far a journal was found sound."""

    seq: int = 0
    digest: str = _BEGINNING


def check(
    anchor: str, records: list[Frame], sphere: str, known: Head | None
) -> tuple[list[dict[str, Any]], Head]:
    """Return what the records say, and the head that they end in. Raises Broken.

    ``known`` is the head after which they were asked for, if there was one.
    """
    if known is not None and anchor != known.digest:
        raise Broken("it is not the one that was there before")
    head = known or Head(digest=anchor)
    said = []
    for each in records:
        digest = hashlib.sha256(bytes.fromhex(head.digest) + each["record"].encode()).hexdigest()
        record = _read(each["record"])
        if digest != each["digest"]:
            raise Broken("a digest is not that of its record")
        if record.get("sphere") != sphere or not record["seq"] > head.seq:
            raise Broken("a record is not in its place")
        said.append(record)
        head = Head(record["seq"], digest)
    return said, head


def _read(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        raise Broken("a record cannot be read") from None
    if not isinstance(record, dict) or not isinstance(record.get("seq"), int):
        raise Broken("a record cannot be read")
    return record


async def read(
    session: Session, sphere: str, known: Head | None = None
) -> tuple[list[dict[str, Any]], Head]:
    """Return the records after ``known`` (or from my horizon on), and the head. Raises Broken."""
    said: list[dict[str, Any]] = []
    while True:
        after = None if known is None else known.seq
        page = await session.request("journal", sphere=sphere, after=after, limit=PAGE_EVENTS_MAX)
        found, known = check(page["anchor"], page["records"], sphere, known)
        said += found
        if not page["more"] or not page["records"]:
            return said, known
