"""Journal: who came, went and changed what in a sphere, in a chain that shows tampering.

Written by ``timeline.append``, in the transaction of the event, so that no path can forget it. A
record names members by id, and nobody by name but a manager who entered; it holds no word of a
message, and not the name of the sphere. Each digest covers the record and the digest before it;
a random nonce in each record keeps a digest from being guessed at. Invariant: every event after
which somebody else may read, or other settings hold, has its record; and a private thread has none,
because there is nobody to show it to who was not told.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, insert, select

from server.domain.facts import Sphere
from server.protocol.events import (
    AdministratorAppointed,
    AdministratorSteppedDown,
    ConnectorInstalled,
    ConnectorRevoked,
    ManagerEntered,
    ManagerLeft,
    MemberJoined,
    MemberLeft,
    SphereChanged,
    TimelineEvent,
)
from server.protocol.views import JournalHead, JournalRecord
from storage.database import Transaction
from storage.schema import journal as table

#: What precedes the first record of a chain.
BEGINNING: Final = bytes(32)
#: Bytes of a nonce: 128 bits, as in every id.
NONCE_BYTES: Final = 16

#: What a record says of an event, beside where and when it was.
RECORDED: Final[Mapping[type[TimelineEvent], Callable[[Any], dict[str, Any]]]] = {
    MemberJoined: lambda event: {"member": event.member.member, "role": event.member.role},
    MemberLeft: lambda event: {"member": event.member, "how": event.how},
    ManagerEntered: lambda event: {"member": event.member.member, "name": event.member.name},
    ManagerLeft: lambda event: {"member": event.member, "how": event.how},
    AdministratorAppointed: lambda event: {"member": event.member, "by": event.by},
    AdministratorSteppedDown: lambda event: {"member": event.member},
    SphereChanged: lambda event: {
        "by": event.by,
        "audience": event.audience,
        "history": event.history,
        "listed": event.listed,
        "revision": event.revision,
    },
    ConnectorInstalled: lambda event: {
        "connector": event.connector.connector,
        "by": event.connector.installed_by,
    },
    ConnectorRevoked: lambda event: {"connector": event.connector, "by": event.by},
}

_LAST = (
    select(table.c.seq, table.c.digest)
    .where(table.c.sphere == bindparam("of_sphere"), table.c.seq <= bindparam("up_to"))
    .order_by(table.c.seq.desc())
    .limit(1)
)
_ABOVE = (
    select(table.c.record, table.c.digest)
    .where(table.c.sphere == bindparam("of_sphere"), table.c.seq > bindparam("above"))
    .order_by(table.c.seq)
    .limit(bindparam("most"))
)
_EVERY_SEQ = 2**53


def note(tx: Transaction, of: Sphere, event: TimelineEvent) -> None:
    """Record an event of a sphere, if it is of those that are recorded."""
    describe = RECORDED.get(type(event))
    if describe is None or of.parent is not None:
        return
    last = tx.execute(_LAST, {"of_sphere": of.id, "up_to": _EVERY_SEQ}).one_or_none()
    before = BEGINNING if last is None else last.digest
    record = msgspec.json.encode(
        {
            "sphere": event.sphere,
            "seq": event.seq,
            "at": event.at,
            "type": type(event).__struct_config__.tag,
            **describe(event),
            "nonce": secrets.token_hex(NONCE_BYTES),
        }
    )
    tx.execute(
        insert(table).values(
            sphere=of.id, seq=event.seq, record=record, digest=chained(before, record)
        )
    )


def chained(before: bytes, record: bytes) -> bytes:
    """Return the digest of a record that follows one whose digest is ``before``."""
    return hashlib.sha256(before + record).digest()


def head(tx: Transaction, sphere_id: str) -> JournalHead:
    """Return the last record's seq and digest."""
    last = tx.execute(_LAST, {"of_sphere": sphere_id, "up_to": _EVERY_SEQ}).one_or_none()
    if last is None:
        return JournalHead(seq=0, digest=BEGINNING.hex())
    return JournalHead(seq=last.seq, digest=last.digest.hex())


def page(
    tx: Transaction, sphere_id: str, *, above: int, limit: int
) -> tuple[str, list[JournalRecord], bool]:
    """Return the digest up to the seq ``above``, the records after it, and whether there are more.

    What precedes ``above`` is that one digest: neither its records nor how many there are.
    """
    last = tx.execute(_LAST, {"of_sphere": sphere_id, "up_to": above}).one_or_none()
    anchor = BEGINNING if last is None else last.digest
    rows = tx.execute(_ABOVE, {"of_sphere": sphere_id, "above": above, "most": limit + 1}).all()
    records = [
        JournalRecord(record=row.record.decode(), digest=row.digest.hex()) for row in rows[:limit]
    ]
    return anchor.hex(), records, len(rows) > limit
