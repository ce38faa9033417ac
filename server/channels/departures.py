"""Departures: leave, remove, bequeath.

One transaction: either the member is still in and everything is there, or they are out and what
they did not bequeath is gone. Invariant: whatever ends a stay goes through ``depart``.
"""

from __future__ import annotations

import msgspec

from server import errors
from server.channels.clearing import clear, withdraw
from server.channels.outcome import Hidden, Outcome, Publication, Request
from server.channels.thread_departures import (
    depart_thread,
    depart_threads,
    together,
    withdraw_threads,
)
from server.domain.departure import kept, successor
from server.domain.facts import Sphere, Stay
from server.domain.permission import check_inside, check_remove, is_discoverable
from server.protocol.commands import Bequeath, Leave, Remove
from server.protocol.events import (
    AdministratorAppointed,
    Notice,
    SphereForgotten,
    ThreadForgotten,
)
from server.protocol.replies import Done, Left
from server.protocol.scalars import Bequest, Parting
from server.protocol.views import Certificate
from storage import admissions, connectors, invitations, spheres, stays, threads, timeline
from storage.database import Transaction
from storage.timeline import Entry


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """What a departure did."""

    certificate: Certificate
    publication: Publication


def leave(tx: Transaction, request: Request[Leave]) -> Outcome:
    """Go, and take everything along."""
    if request.command.thread is not None:
        return _leave_thread(tx, request, request.command.thread)
    standing = spheres.standing(tx, request.command.sphere, request.member.id)
    stay = check_inside(standing)
    assert standing is not None
    gone = depart(tx, standing.sphere, stay, Parting.LEFT, request.now)
    return Outcome(
        reply=Left(id=request.command.id, certificate=gone.certificate),
        publication=gone.publication,
        erased=True,
    )


def _leave_thread(tx: Transaction, request: Request[Leave], thread_id: str) -> Outcome:
    """Go from one private thread alone; what one wrote there has the fate chosen for the sphere."""
    command, member = request.command, request.member.id
    standing = threads.standing(tx, command.sphere, thread_id, member)
    check_inside(standing)
    assert standing is not None
    stay = check_inside(spheres.standing(tx, command.sphere, member))
    cleared = depart_thread(
        tx, standing.sphere, member, kept(stay.bequest), Parting.LEFT, request.now
    )
    threads.forget_default(tx, command.sphere, thread_id, member)
    certificate = Certificate(
        sphere=command.sphere,
        thread=thread_id,
        member=member,
        at=request.now,
        messages_erased=cleared.erased,
        messages_kept=cleared.kept,
        connectors_revoked=0,
        attachments_erased=cleared.files_erased,
    )
    forget: Notice = ThreadForgotten(sphere=command.sphere, thread=thread_id)
    return Outcome(
        reply=Left(id=command.id, certificate=certificate),
        publication=Publication(
            departures=((thread_id, member),), entries=cleared.entries, notices=((member, forget),)
        ),
        erased=True,
    )


def remove(tx: Transaction, request: Request[Remove]) -> Outcome:
    """Make somebody go; what they wrote goes as if they had left."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    target = stays.one(tx, command.sphere, command.member)
    stay = check_remove(standing, target)
    assert standing is not None
    gone = depart(tx, standing.sphere, stay, Parting.REMOVED, request.now)
    return Outcome(reply=Done(id=command.id), publication=gone.publication, erased=True)


def depart(tx: Transaction, sphere: Sphere, stay: Stay, how: Parting, now: int) -> Departure:
    """End a stay: erase or keep, revoke, withdraw, announce, and say who administers now."""
    everyone = stays.of_sphere(tx, sphere.id)
    heir = successor(everyone, stay.member)
    last = all(other.member == stay.member for other in everyone)
    invited = _uninvite(tx, sphere, stay.member, last=last)
    revoked = connectors.revoke_by(tx, sphere.id, stay.member)
    fate = kept(stay.bequest)
    private = depart_threads(tx, sphere, stay, fate, how, now)
    stays.end(tx, sphere.id, stay.member)
    cleared = together([private.cleared, clear(tx, sphere, stay, fate, how, now)])
    if fate is Bequest.NONE:
        stays.forget_bequest(tx, sphere.id, stay.member)
    else:
        stays.sign_bequest(tx, sphere.id, stay.member, named=fate is Bequest.NAMED)
    successions = () if heir is None else (_succeed(tx, sphere, heir, now),)
    entries = cleared.entries + successions
    if last:
        revoked += _dissolve(tx, sphere)
        cleared, entries = cleared.dissolved(), ()
    forget: Notice = SphereForgotten(sphere=sphere.id)
    return Departure(
        certificate=Certificate(
            sphere=sphere.id,
            member=stay.member,
            at=now,
            messages_erased=cleared.erased,
            messages_kept=cleared.kept,
            connectors_revoked=len(revoked),
            attachments_erased=cleared.files_erased,
        ),
        publication=Publication(
            departures=(*private.departures, (sphere.id, stay.member)),
            revoked=tuple(revoked),
            entries=entries,
            notices=tuple((member, forget) for member in (stay.member, *invited)),
            hidden=_vanished(sphere, stay.member, invited) if last else (),
            dissolved=(sphere.id,) if last else (),
        ),
    )


def _dissolve(tx: Transaction, sphere: Sphere) -> list[str]:
    """Erase a sphere that nobody is inside any more; return the connectors that die with it."""
    died = [view.connector for view in connectors.of_sphere(tx, sphere.id)]
    threads.dissolve_all(tx, sphere.id)
    spheres.dissolve(tx, sphere.id)
    return died


def _vanished(sphere: Sphere, leaver: str, invited: list[str]) -> tuple[Hidden, ...]:
    """Return what outsiders must forget of a sphere that is no more, if they could discover it."""
    if not is_discoverable(sphere):
        return ()
    told = frozenset([leaver, *invited])
    return (Hidden(organisation=sphere.organisation, sphere=sphere.id, inside=told),)


def _uninvite(tx: Transaction, sphere: Sphere, leaver: str, *, last: bool) -> list[str]:
    """Withdraw what the leaver offered; with the last member, every invitation is void."""
    admissions.withdraw_guests(tx, by=leaver, sphere=sphere.id)
    if last:
        return invitations.of_sphere(tx, sphere.id)
    return invitations.withdraw_by(tx, sphere.id, leaver)


def _succeed(tx: Transaction, sphere: Sphere, heir: str, now: int) -> Entry:
    stays.appoint(tx, sphere.id, heir)
    return timeline.append(
        tx,
        sphere,
        lambda seq: AdministratorAppointed(sphere=sphere.id, seq=seq, at=now, member=heir, by=None),
    )


def bequeath(tx: Transaction, request: Request[Bequeath]) -> Outcome:
    """Say what to leave behind; to leave nothing erases what earlier stays had kept, at once."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    if standing is None:
        raise errors.NotFound
    stay = standing.stay
    if stay is None and (command.form is not Bequest.NONE or standing.bequest is None):
        raise errors.NotFound
    entries: tuple[Entry, ...] = ()
    if command.form is Bequest.NONE:
        below = None if stay is None else stay.horizon
        entries = _withdraw(tx, standing.sphere, request, below)
    else:
        stays.bequeath(tx, command.sphere, request.member.id, command.form)
    return Outcome(
        reply=Done(id=command.id),
        publication=Publication(entries=entries),
        erased=bool(entries),
    )


def _withdraw(
    tx: Transaction, sphere: Sphere, request: Request[Bequeath], below: int | None
) -> tuple[Entry, ...]:
    """Erase what is kept of stays that are over, in the sphere and in its threads."""
    author = request.member.id
    entries = withdraw(tx, sphere, author, below=below, now=request.now)
    entries += withdraw_threads(tx, sphere, author, request.now)
    stays.forget_bequest(tx, sphere.id, author)
    return entries
