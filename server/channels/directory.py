"""Directory: who else is in the organisation, where it lets its members know.

Invariant: whether there is a directory, and for whom, is settled before anything is looked up, so
that without one every question has the same answer.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from server import errors
from server.channels.outcome import C, Request
from server.channels.profiles import view
from server.channels.spheres import present
from server.domain.facts import Member
from server.domain.permission import check_directory
from server.domain.profile import shown_in_directory
from server.protocol.commands import GetProfile, SearchDirectory
from server.protocol.replies import Directory, Profile
from server.protocol.views import ListedView, ProfileView
from storage import organisations, profiles
from storage.database import Transaction


def search(tx: Transaction, request: Request[SearchDirectory]) -> Directory:
    """Return a page of members, by name."""
    command = request.command
    asking = _reader(tx, request)
    found = profiles.listing(
        tx,
        asking.organisation,
        search=command.search,
        after=command.after,
        limit=command.limit + 1,
    )
    page = found[: command.limit]
    listed = [_listed(shown) for shown in _views(tx, page)]
    return Directory(id=command.id, members=listed, more=len(found) > command.limit)


def seen(found: Directory, is_seen: Callable[[str], bool]) -> Directory:
    """Return a page that says who of it is there: the hub knows, the store does not."""
    members = [
        msgspec.structs.replace(one, present=True) if is_seen(one.member) else one
        for one in found.members
    ]
    return msgspec.structs.replace(found, members=members)


def one(tx: Transaction, request: Request[GetProfile]) -> Profile:
    """Return one member by id."""
    asking = _reader(tx, request)
    found = profiles.listed(tx, asking.organisation, request.command.member)
    if found is None:
        raise errors.NotFound
    (shown,) = _views(tx, [found])
    return Profile(id=request.command.id, profile=shown)


def _reader(tx: Transaction, request: Request[C]) -> Member:
    """Return who asks, as they are now. Raises NotAllowed."""
    asking = present(tx, request)
    check_directory(asking, kept=organisations.has_directory(tx, asking.organisation))
    return asking


def _listed(shown: ProfileView) -> ListedView:
    return ListedView(member=shown.member, name=shown.name, fields=shown.fields, present=False)


def _views(tx: Transaction, found: list[profiles.Entry]) -> list[ProfileView]:
    said = profiles.fields(tx, [entry.member for entry in found])
    return [
        view(entry.member, entry.name, shown_in_directory(said[entry.member])) for entry in found
    ]
