"""Connectors: write-only credentials of spheres. Only the digest of a token is stored."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, delete, func, insert, select

from server.domain.facts import Fact
from server.protocol.views import ConnectorView, InstalledConnector
from storage.database import Transaction
from storage.identifiers import new_id
from storage.schema import connector, member, sphere

# Built once: every client that resumes asks it.
_OF_SPHERE = (
    select(connector.c.id, connector.c.name, connector.c.installed_by)
    .where(connector.c.sphere == bindparam("of_sphere"))
    .order_by(connector.c.created_at, connector.c.id)
)


class Connector(Fact, frozen=True):
    """A living connector."""

    id: str
    sphere: str
    name: str
    installed_by: str


def install(
    tx: Transaction, *, digest: bytes, sphere_id: str, name: str, by: str, now: int
) -> Connector:
    """Store a connector by the digest of its token."""
    made = Connector(id=new_id(), sphere=sphere_id, name=name, installed_by=by)
    tx.execute(
        insert(connector).values(
            id=made.id,
            digest=digest,
            sphere=sphere_id,
            name=name,
            installed_by=by,
            created_at=now,
        )
    )
    return made


def by_digest(tx: Transaction, digest: bytes) -> Connector | None:
    """Return the living connector of a token's digest, unless who installed it is shut out."""
    row = tx.execute(
        select(connector.c.id, connector.c.sphere, connector.c.name, connector.c.installed_by)
        .join(member, member.c.id == connector.c.installed_by)
        .where(connector.c.digest == digest, member.c.disabled.is_(False))
    ).one_or_none()
    if row is None:
        return None
    return Connector(id=row.id, sphere=row.sphere, name=row.name, installed_by=row.installed_by)


def alive(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Return those of ``ids`` that were not revoked."""
    return set(tx.execute(select(connector.c.id).where(connector.c.id.in_(list(ids)))).scalars())


def of_sphere(tx: Transaction, sphere_id: str) -> list[ConnectorView]:
    """Return a sphere's connectors as its members see them."""
    rows = tx.execute(_OF_SPHERE, {"of_sphere": sphere_id})
    return [
        ConnectorView(connector=row.id, name=row.name, installed_by=row.installed_by)
        for row in rows
    ]


def of_organisation(
    tx: Transaction, organisation: str, *, after: int = 0, limit: int | None = None
) -> list[InstalledConnector]:
    """Return the connectors of an organisation's spheres: for its managers."""
    rows = tx.execute(
        select(connector.c.id, connector.c.name, connector.c.installed_by, connector.c.sphere)
        .join(sphere, sphere.c.id == connector.c.sphere)
        .where(sphere.c.organisation == organisation)
        .order_by(connector.c.created_at, connector.c.id)
        .offset(after)
        .limit(limit)
    )
    return [
        InstalledConnector(
            connector=row.id, name=row.name, installed_by=row.installed_by, sphere=row.sphere
        )
        for row in rows
    ]


def home(tx: Transaction, connector_id: str, organisation: str) -> str | None:
    """Return the id of the sphere of a connector of this organisation, or None."""
    chosen = (
        select(connector.c.sphere)
        .join(sphere, sphere.c.id == connector.c.sphere)
        .where(connector.c.id == connector_id, sphere.c.organisation == organisation)
    )
    return tx.execute(chosen).scalar_one_or_none()


def of_installer(tx: Transaction, member_id: str) -> list[str]:
    """Return the ids of the connectors that somebody installed."""
    chosen = select(connector.c.id).where(connector.c.installed_by == member_id)
    return list(tx.execute(chosen).scalars())


def revoke(tx: Transaction, sphere_id: str, connector_id: str) -> bool:
    """Kill a connector of a sphere; say whether there was one."""
    gone = tx.execute(
        delete(connector).where(connector.c.sphere == sphere_id, connector.c.id == connector_id)
    )
    return gone.rowcount == 1


def revoke_by(tx: Transaction, sphere_id: str, installer: str) -> list[str]:
    """Kill the connectors that somebody installed in a sphere; return their ids."""
    rows = tx.execute(
        delete(connector)
        .where(connector.c.sphere == sphere_id, connector.c.installed_by == installer)
        .returning(connector.c.id)
    )
    return list(rows.scalars())


def count(tx: Transaction, sphere_id: str) -> int:
    """Return how many connectors a sphere has."""
    return tx.execute(
        select(func.count()).select_from(connector).where(connector.c.sphere == sphere_id)
    ).scalar_one()
