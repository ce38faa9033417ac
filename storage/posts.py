"""Posts: the statements of the group commit, each over a whole batch.

The hot path of writing: a handful of statements whatever the size of the batch, handed to the
driver as they are, because compiling and adapting rows one by one would cost more than SQLite does
(docs/adr/0004). Decides nothing. Invariant: the facts are read in the transaction that inserts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from server.domain.facts import Member, Sphere, Standing, Stay
from server.protocol.scalars import Audience, History, MemberRole, SphereRole
from storage import sealing, timeline
from storage.connectors import Connector
from storage.database import Transaction

_json = msgspec.json.Encoder()

_STANDINGS = """
SELECT s.id, s.organisation, s.name, s.audience, s.history, s.listed, s.revision, s.head,
       m.id, m.name, m.role, t.role, t.entered, t.horizon
FROM json_each(?) AS wanted
JOIN sphere AS s ON s.id = json_extract(wanted.value, '$[0]')
JOIN member AS m ON m.id = json_extract(wanted.value, '$[1]')
                AND m.organisation = s.organisation AND NOT m.disabled
JOIN stay AS t ON t.sphere = s.id AND t.member = m.id
"""
_CONNECTORS = """
SELECT s.id, s.organisation, s.name, s.audience, s.history, s.listed, s.revision, s.head,
       c.id, c.name, c.installed_by
FROM json_each(?) AS wanted
JOIN connector AS c ON c.id = wanted.value
JOIN sphere AS s ON s.id = c.sphere
"""
_RECEIPTS = """
SELECT e.sphere, e.author, e.client_id, e.seq, e.at, e.content
FROM json_each(?) AS wanted
JOIN event AS e ON e.sphere = json_extract(wanted.value, '$[0]')
               AND e.author = json_extract(wanted.value, '$[1]')
               AND e.client_id = json_extract(wanted.value, '$[2]')
"""
_KEYS = """
SELECT k.sphere, k.author, k.key
FROM json_each(?) AS wanted
JOIN author_key AS k ON k.sphere = json_extract(wanted.value, '$[0]')
                    AND k.author = json_extract(wanted.value, '$[1]')
"""
_INSERT = """
INSERT INTO event (sphere, seq, at, author, client_id, stamp, content)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_ADVANCE = "UPDATE sphere SET head = ? WHERE id = ?"

#: (sphere, author, client_id)
Key = tuple[str, str, str]
#: (sphere, seq, at, author, client_id, stamp, content)
Row = tuple[str, int, int, str, str | None, int, bytes]


def standings(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Standing]:
    """Return the standing of each (sphere, member) who is inside; others are absent."""
    wanted = _json.encode(list(pairs)).decode()
    found: dict[tuple[str, str], Standing] = {}
    for row in tx.exec_driver_sql(_STANDINGS, (wanted,)):
        sphere = _sphere(row)
        member = Member(id=row[8], organisation=row[1], name=row[9], role=MemberRole(row[10]))
        stay = Stay(member=row[8], role=SphereRole(row[11]), entered=bool(row[12]), horizon=row[13])
        found[row[0], row[8]] = Standing(member=member, sphere=sphere, stay=stay, invited=False)
    return found


def connectors(tx: Transaction, ids: Iterable[str]) -> dict[str, tuple[Connector, Sphere]]:
    """Return the living connectors among ``ids``, each with its sphere."""
    wanted = _json.encode(list(ids)).decode()
    found: dict[str, tuple[Connector, Sphere]] = {}
    for row in tx.exec_driver_sql(_CONNECTORS, (wanted,)):
        connector = Connector(id=row[8], sphere=row[0], name=row[9], installed_by=row[10])
        found[row[8]] = connector, _sphere(row)
    return found


def receipts(tx: Transaction, keys: Iterable[Key]) -> dict[Key, tuple[int, int, bytes]]:
    """Return the seq, date and content of the messages that these client ids already name."""
    wanted = _json.encode(list(keys)).decode()
    rows = tx.exec_driver_sql(_RECEIPTS, (wanted,)).all()
    return {
        (row[0], row[1], row[2]): (row[3], row[4], timeline.read(tx, row[0], row[3], row[5]) or b"")
        for row in rows
    }


def insert(tx: Transaction, rows: list[Row], heads: Mapping[str, int]) -> None:
    """Insert the events of a batch, and move each timeline's head to its last one."""
    if rows:
        tx.exec_driver_sql(_INSERT, _sealed(tx, rows))
        tx.exec_driver_sql(_ADVANCE, [(head, sphere) for sphere, head in heads.items()])


def _sealed(tx: Transaction, rows: list[Row]) -> list[Row]:
    """Return the rows as they are stored: each content sealed with its author's key."""
    pairs = {(row[0], row[3]) for row in rows}
    found = tx.exec_driver_sql(_KEYS, (_json.encode(list(pairs)).decode(),))
    keys = {(row[0], row[1]): row[2] for row in found}
    for sphere, author in pairs - keys.keys():
        keys[sphere, author] = sealing.current_key(tx, sphere, author)
    ring = sealing.keyring(tx)
    return [
        (*row[:6], ring.seal(keys[row[0], row[3]], row[6], sealing.place(row[0], row[1])))
        for row in rows
    ]


def _sphere(row: object) -> Sphere:
    id_, organisation, name, audience, history, listed, revision, head = row[:8]  # type: ignore[index]  # a driver's row
    return Sphere(
        id=id_,
        organisation=organisation,
        name=name,
        audience=Audience(audience),
        history=History(history),
        listed=bool(listed),
        revision=revision,
        head=head,
    )
