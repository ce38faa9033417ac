"""Posts: the statements of the group commit, each over a whole batch.

The hot path of writing: a handful of statements whatever the size of the batch, handed to the
driver as they are, because compiling and adapting rows one by one would cost more than SQLite does
(docs/adr/0004). Decides nothing. Invariant: the facts are read in the transaction that inserts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from server.domain.facts import Member, Message, Sphere, Standing, Stay
from server.protocol.scalars import Audience, History, MemberRole, SphereRole
from storage import sealing, timeline
from storage.connectors import Connector
from storage.database import Transaction
from storage.timeline import Entry
from storage.wanted import Statement, columns

_STANDINGS = Statement(
    """
SELECT s.id, s.organisation, s.name, s.audience, s.history, s.listed, s.revision, s.head,
       s.parent, k.key, m.id, m.name, m.role, t.role, t.entered, t.horizon
FROM {wanted}
JOIN sphere AS s ON s.id = {0}
JOIN member AS m ON m.id = {1} AND m.organisation = s.organisation AND NOT m.disabled
JOIN stay AS t ON t.sphere = s.id AND t.member = m.id
LEFT JOIN author_key AS k ON k.sphere = s.id AND k.author = m.id AND k.current
WHERE s.parent IS NULL
""",
    "text",
    "text",
)
# A thread goes by the name and the revision of its sphere, and is found under that sphere alone.
_THREADS = Statement(
    """
SELECT s.id, s.organisation, h.name, s.audience, s.history, s.listed, h.revision, s.head,
       s.parent, k.key, m.id, m.name, m.role, t.role, t.entered, t.horizon,
       h.id, h.organisation, h.name, h.audience, h.history, h.listed, h.revision, h.head, h.parent
FROM {wanted}
JOIN sphere AS s ON s.id = {1} AND s.parent = {0}
JOIN sphere AS h ON h.id = s.parent
JOIN member AS m ON m.id = {2} AND m.organisation = s.organisation AND NOT m.disabled
JOIN stay AS t ON t.sphere = s.id AND t.member = m.id
LEFT JOIN author_key AS k ON k.sphere = s.id AND k.author = m.id AND k.current
""",
    "text",
    "text",
    "text",
)
_CONNECTORS = Statement(
    """
SELECT s.id, s.organisation, s.name, s.audience, s.history, s.listed, s.revision, s.head,
       s.parent, k.key, c.id, c.name, c.installed_by
FROM {wanted}
JOIN connector AS c ON c.id = {0}
JOIN member AS m ON m.id = c.installed_by AND NOT m.disabled
JOIN sphere AS s ON s.id = c.sphere
LEFT JOIN author_key AS k ON k.sphere = s.id AND k.author = c.id AND k.current
""",
    "text",
)
_RECEIPTS = Statement(
    """
SELECT e.sphere, e.author, e.receipt, e.seq, e.at, e.content
FROM {wanted}
JOIN event AS e ON e.sphere = {0} AND e.author = {1} AND e.receipt = {2}
""",
    "text",
    "text",
    "text",
)
_TARGETS = Statement(
    """
SELECT e.sphere, e.seq, e.stamp, coalesce(e.alias, e.author)
FROM {wanted}
JOIN event AS e ON e.sphere = {0} AND e.seq = {1} AND e.kind = 1
""",
    "text",
    "bigint",
)
_PRESENT = Statement(
    """
SELECT t.sphere, t.member
FROM {wanted}
JOIN stay AS t ON t.sphere = {0} AND t.member = {1}
""",
    "text",
    "text",
)
_INSERT = """
INSERT INTO event (sphere, seq, at, author, receipt, stamp, kind, concerns, concerns_stamp, content)
VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)
"""
_ADVANCE = "UPDATE sphere SET head = ? WHERE id = ?"
# PostgreSQL is asked once for what SQLite, in this process, is asked for row by row.
_INSERT_ALL = """
INSERT INTO event (sphere, seq, at, author, receipt, stamp, kind, concerns, concerns_stamp, content)
SELECT n.sphere, n.seq, n.at, n.author, n.receipt, n.stamp, 1, n.concerns, n.concerns_stamp,
       n.content
FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::smallint[],
            %s::bigint[], %s::smallint[], %b::bytea[])
  AS n(sphere, seq, at, author, receipt, stamp, concerns, concerns_stamp, content)
"""
_ADVANCE_ALL = """
UPDATE sphere SET head = n.head
FROM unnest(%s::bigint[], %s::text[]) AS n(head, id) WHERE sphere.id = n.id
"""
# In one order on every node, so that none waits for another that waits for it.
_LOCK = """
SELECT 1 FROM sphere
WHERE id = ANY(%s::text[]) OR id IN (SELECT sphere FROM connector WHERE id = ANY(%s::text[]))
ORDER BY id FOR NO KEY UPDATE
"""

#: (timeline, author, client_id)
Key = tuple[str, str, str]
#: (sphere, thread, author): a thread is one of this sphere, or is none.
Place = tuple[str, str | None, str]


class Row(msgspec.Struct, frozen=True, gc=False):
    """A message to be inserted."""

    entry: Entry
    author: str
    client_id: str | None


class Facts(msgspec.Struct, frozen=True):
    """What the rules and the inserts of one batch need to know."""

    standings: dict[Place, Standing]  #: of each who is inside
    connectors: dict[str, tuple[Connector, Sphere]]  #: living, by id
    keys: dict[tuple[str, str], bytes]  #: the current one of each (timeline, author) of these


def lock(tx: Transaction, timelines: Collection[str], connectors: Collection[str]) -> None:
    """Keep other nodes from these timelines, and those of these connectors, until the commit.

    SQLite has one writer.
    """
    driver: Any = tx.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        driver.execute(_LOCK, [list(timelines), list(connectors)], prepare=True)


def facts(tx: Transaction, places: Collection[Place], connectors: Collection[str]) -> Facts:
    """Return what is known of these places and connectors; strangers are absent."""
    found = Facts({}, {}, {})
    if pairs := [(sphere, author) for sphere, thread, author in places if thread is None]:
        _add_standings(tx, pairs, found)
    if private := [place for place in places if place[1] is not None]:
        _add_private(tx, private, found)
    if connectors:
        _add_connectors(tx, connectors, found)
    return found


def _add_standings(tx: Transaction, pairs: Collection[tuple[str, str]], found: Facts) -> None:
    for row in _STANDINGS.rows(tx, pairs):
        standing = _standing(row)
        author = standing.member.id
        found.standings[row[0], None, author] = standing
        found.keys[row[0], author] = _key(tx, row[0], author, row[9])


def _add_private(tx: Transaction, places: Collection[Place], found: Facts) -> None:
    for row in _THREADS.rows(tx, places):
        standing = msgspec.structs.replace(_standing(row[:16]), home=_sphere(row[16:]))
        author = standing.member.id
        found.standings[row[8], row[0], author] = standing
        found.keys[row[0], author] = _key(tx, row[0], author, row[9])


def _standing(row: Sequence[Any]) -> Standing:
    id_, name, role, stay_role, entered, horizon = row[10:]
    return Standing(
        member=Member(id=id_, organisation=row[1], name=name, role=MemberRole(role)),
        sphere=_sphere(row),
        stay=Stay(member=id_, role=SphereRole(stay_role), entered=bool(entered), horizon=horizon),
        invited=False,
    )


def _add_connectors(tx: Transaction, ids: Collection[str], found: Facts) -> None:
    for row in _CONNECTORS.rows(tx, [(one,) for one in ids]):
        id_, name, installed_by = row[10:]
        connector = Connector(id=id_, sphere=row[0], name=name, installed_by=installed_by)
        found.connectors[id_] = connector, _sphere(row)
        found.keys[row[0], id_] = _key(tx, row[0], id_, row[9])


def _key(tx: Transaction, sphere_id: str, author: str, found: bytes | None) -> bytes:
    if found is not None and sealing.keyring(tx).has(found):
        return found
    return sealing.current_key(tx, sphere_id, author)


def receipts(
    tx: Transaction, wanted: Iterable[Key], keys: Mapping[tuple[str, str], bytes]
) -> dict[Key, tuple[int, int, bytes]]:
    """Return the seq, date and content of the messages that these client ids already name."""
    ring = sealing.keyring(tx)
    digests = {
        (sphere, author, ring.receipt(keys[sphere, author], client_id)): client_id
        for sphere, author, client_id in wanted
    }
    rows = _RECEIPTS.rows(tx, list(digests))
    return {
        (row[0], row[1], digests[row[0], row[1], row[2]]): (
            row[3],
            row[4],
            timeline.read(tx, row[0], row[3], row[5]) or b"",
        )
        for row in rows
    }


def targets(tx: Transaction, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], Message]:
    """Return those of these (sphere, seq) that are messages, and there."""
    rows = _TARGETS.rows(tx, wanted)
    return {(row[0], row[1]): Message(seq=row[1], stamp=row[2], author=row[3]) for row in rows}


def present(tx: Transaction, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of these (sphere, member) who are inside."""
    rows = _PRESENT.rows(tx, wanted)
    return {(row[0], row[1]) for row in rows}


def insert(
    tx: Transaction,
    rows: list[Row],
    heads: Mapping[str, int],
    keys: Mapping[tuple[str, str], bytes],
) -> None:
    """Insert the events of a batch, sealed, and move each timeline's head to its last one."""
    if not rows:
        return
    ring = sealing.keyring(tx)
    sealed = []
    for row in rows:
        event, about = row.entry.event, row.entry.about
        key = keys[event.timeline, row.author]
        receipt = None if row.client_id is None else ring.receipt(key, row.client_id)
        words = ring.seal(key, row.entry.content, sealing.place(event.timeline, event.seq))
        earlier = (None, 0) if about is None else (about.seq, about.stamp)
        place = event.timeline, event.seq, event.at
        sealed.append((*place, row.author, receipt, row.entry.stamp, *earlier, words))
    advanced = [(head, sphere) for sphere, head in heads.items()]
    driver: Any = tx.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.executemany(_INSERT, sealed)
        driver.executemany(_ADVANCE, advanced)
    else:
        driver.execute(_INSERT_ALL, columns(sealed), prepare=True)
        driver.execute(_ADVANCE_ALL, columns(advanced), prepare=True)


def _sphere(row: Sequence[Any]) -> Sphere:
    id_, organisation, name, audience, history, listed, revision, head, parent = row[:9]
    return Sphere(
        id=id_,
        organisation=organisation,
        name=name,
        audience=Audience(audience),
        history=History(history),
        listed=bool(listed),
        revision=revision,
        head=head,
        parent=parent,
    )
