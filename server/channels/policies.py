"""Policies: replace what an organisation demands, for the sessions that are open too.

Invariant: what was seen of live sessions is noted in the same transaction, so that a tighter policy
ends none for being idle that was not.
"""

from __future__ import annotations

from collections.abc import Mapping

from server import errors
from server.channels.outcome import Publication, Replaced
from server.domain.governance import PolicyChange, changed
from storage import organisations, sessions
from storage.database import Transaction


def replace(
    tx: Transaction,
    organisation: str,
    change: PolicyChange,
    *,
    seen: Mapping[str, int],
    now: int,
) -> Publication:
    """Change policies; return what every node must hear. Raises InvalidField, NotFound.

    ``seen`` is when sessions were last seen, where the store does not know it yet.
    """
    found = organisations.get(tx, organisation)
    if found is None:
        raise errors.NotFound
    before, after = found.policies, changed(found.policies, change)
    organisations.set_directory(tx, organisation=organisation, directory=after.directory)
    ended = organisations.set_second_factor(
        tx, organisation=organisation, required=after.second_factor
    )
    if (after.password, after.session) == (before.password, before.session):
        return Publication(ended=tuple(ended))
    sessions.seen(tx, seen)
    ended += organisations.set_policies(
        tx,
        organisation=organisation,
        password_policy=after.password,
        session_policy=after.session,
        now=now,
    )
    replaced = Replaced(organisation=organisation, password=after.password, session=after.session)
    return Publication(replaced=(replaced,), ended=tuple(ended))
