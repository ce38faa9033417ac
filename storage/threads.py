"""Threads: private conversations between members of a sphere, each with a timeline of its own.

In the store a thread is a sphere with a parent (docs/adr/0012). Decides nothing. Invariant: whoever
asks for a thread names its sphere too; of a thread of another sphere, or one that they are not in,
they learn as much as of one that does not exist.
"""

from __future__ import annotations

from sqlalchemy import bindparam

from server.domain.facts import Standing
from storage.database import Transaction
from storage.schema import sphere
from storage.spheres import as_standing, standings

_HOME = sphere.alias("home")
#: A thread goes by the name and the revision of its sphere: that is what a sender is shown.
_COLUMNS = (
    sphere.c.id,
    sphere.c.organisation,
    _HOME.c.name,
    sphere.c.audience,
    sphere.c.history,
    sphere.c.listed,
    _HOME.c.revision,
    sphere.c.head,
    sphere.c.parent,
)
_STANDING = (
    standings(_COLUMNS)
    .join(_HOME, _HOME.c.id == sphere.c.parent)
    .where(sphere.c.id == bindparam("thread"), sphere.c.parent == bindparam("sphere"))
)


def standing(tx: Transaction, sphere_id: str, thread_id: str, member_id: str) -> Standing | None:
    """Return what a member is to a thread of a sphere, or None when the sphere has no such one."""
    row = tx.execute(
        _STANDING, {"sphere": sphere_id, "thread": thread_id, "member": member_id}
    ).one_or_none()
    return None if row is None or row.disabled else as_standing(row, member_id)
