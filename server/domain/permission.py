"""Permission: who may do what. One ``check_`` a command; each raises, or returns what it proved.

Decides from facts read in the transaction at hand. Invariant: to anyone who is not inside a sphere
and not called into it, every check answers NotFound, as for a sphere that does not exist; a check
that depends on the organisation's role alone comes first, so that it says nothing of the sphere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server import errors
from server.domain.facts import Member, Sphere, Standing, Stay
from server.protocol.scalars import Audience, MemberRole, SphereRole
from server.protocol.views import Destination


def check_inside(standing: Standing | None) -> Stay:
    """Return the stay of a member who is inside the sphere. Raises NotFound."""
    if standing is None or standing.stay is None:
        raise errors.NotFound
    return standing.stay


def check_administrator(standing: Standing | None) -> Stay:
    """Return the stay of an administrator. Raises NotFound outside, NotAllowed inside."""
    stay = check_inside(standing)
    if stay.role is not SphereRole.ADMINISTRATOR:
        raise errors.NotAllowed("Only an administrator of the sphere may do this.")
    return stay


def destination(sphere: Sphere) -> Destination:
    """Return where a post to ``sphere`` goes, as the sender must be shown it."""
    return Destination(
        sphere=sphere.home,
        name=sphere.name,
        audience=sphere.audience,
        history=sphere.history,
        revision=sphere.revision,
    )


def check_public(sphere: Sphere | None) -> Sphere:
    """Return a sphere that anyone may read without an account. Raises NotFound."""
    if sphere is None or sphere.audience is not Audience.PUBLIC or sphere.parent is not None:
        raise errors.NotFound
    return sphere


def check_destination(sphere: Sphere, revision: int) -> None:
    """Raise StaleDestination, with the present one, unless the sender was shown ``revision``."""
    if revision != sphere.revision:
        raise errors.StaleDestination(destination=destination(sphere))


def check_post(standing: Standing | None, revision: int) -> Stay:
    """Return the stay of a member who may post to the sphere that they were shown."""
    stay = check_inside(standing)
    assert standing is not None
    check_destination(standing.home or standing.sphere, revision)
    return stay


def check_converse(standing: Standing | None, revision: int, *, inside: bool) -> None:
    """Let a member talk privately to others of the sphere that they were shown, all ``inside``."""
    check_post(standing, revision)
    if not inside:
        raise errors.NotFound


def check_others(member: str, others: Sequence[str]) -> None:
    """Raise InvalidField for somebody who is named twice, or for oneself: looks nothing up."""
    if len(set(others)) != len(others):
        raise errors.InvalidField("Name nobody twice - at `$.members`")
    if member in others:
        raise errors.InvalidField("You take part anyway: name the others - at `$.members`")


def check_create(member: Member) -> None:
    """Raise NotAllowed for a visitor: visitors are guests of spheres, and found none."""
    if member.role is MemberRole.VISITOR:
        raise errors.NotAllowed("A visitor cannot found a sphere.")


def check_configure(standing: Standing | None, revision: int) -> Stay:
    """Return the stay of an administrator who was shown the settings that they change."""
    stay = check_administrator(standing)
    assert standing is not None
    check_destination(standing.sphere, revision)
    return stay


def is_discoverable(sphere: Sphere) -> bool:
    """Say whether a sphere shows itself to its organisation: to be joined, or asked into."""
    return sphere.listed


def takes_requests(sphere: Sphere) -> bool:
    """Say whether who discovers a sphere must ask to be let in."""
    return is_discoverable(sphere) and sphere.audience is Audience.CLOSED


def may_discover(member: Member, sphere: Sphere) -> bool:
    """Say whether a member outside ``sphere`` may learn that it exists."""
    return (
        sphere.organisation == member.organisation
        and is_discoverable(sphere)
        and member.role is not MemberRole.VISITOR
    )


def may_join(member: Member, sphere: Sphere) -> bool:
    """Say whether a member outside ``sphere`` may come in uncalled."""
    return may_discover(member, sphere) and sphere.audience is not Audience.CLOSED


def check_join(standing: Standing | None) -> None:
    """Let in whoever is invited, or discovers an open sphere; a manager is no exception."""
    if standing is None:
        raise errors.NotFound
    if standing.stay is not None:
        raise errors.AlreadyInside
    if not standing.invited and not may_join(standing.member, standing.sphere):
        raise errors.NotFound


def check_may_ask(member: Member) -> None:
    """Raise NotAllowed for a visitor, who discovers no sphere: before anything is looked up."""
    if member.role is MemberRole.VISITOR:
        raise errors.NotAllowed("A visitor cannot ask to be let in.")


def check_ask(standing: Standing | None) -> None:
    """Take the request of whoever discovers a closed sphere. Raises MayJoin where one need not."""
    if standing is None:
        raise errors.NotFound
    if standing.stay is not None:
        raise errors.AlreadyInside
    if standing.invited or may_join(standing.member, standing.sphere):
        raise errors.MayJoin
    if not may_discover(standing.member, standing.sphere):
        raise errors.NotFound


def check_decline(standing: Standing | None, *, asked: bool) -> None:
    """Raise NotFound unless there is an invitation to decline, or a request to withdraw."""
    if standing is None or not (standing.invited or asked):
        raise errors.NotFound


def check_manager(member: Member) -> None:
    """Raise NotAllowed for anyone but a manager of the organisation."""
    if member.role is not MemberRole.MANAGER:
        raise errors.NotAllowed("Only a manager of the organisation may do this.")


def check_enter(member: Member, standing: Standing | None) -> None:
    """Let a manager in visibly: entering is the only way in without an invitation."""
    check_manager(member)
    if standing is None:
        raise errors.NotFound
    if standing.stay is not None:
        raise errors.AlreadyInside


def check_directory(member: Member, *, kept: bool) -> None:
    """Raise NotAllowed where there is no directory, for everybody alike; and for visitors always.

    Comes before anything is looked up, so that it says nothing of who there is.
    """
    if not kept or member.role is MemberRole.VISITOR:
        raise errors.NotAllowed("There is no directory here for you: ask in a sphere you share.")


def check_remove(standing: Standing | None, target: Stay | None) -> Stay:
    """Return the stay of somebody whom this administrator may remove.

    A manager who entered cannot be removed: they could enter again at once, and the exit would
    not be theirs.
    """
    stay = check_administrator(standing)
    if target is None:
        raise errors.NotFound
    if target.member == stay.member:
        raise errors.NotAllowed("To go yourself, leave.")
    if target.entered:
        raise errors.NotAllowed("A manager who entered can only leave by themselves.")
    return target


def check_appoint(standing: Standing | None, target: Stay | None) -> Stay:
    """Return the stay of somebody whom this administrator may make one."""
    check_administrator(standing)
    if target is None:
        raise errors.NotFound
    if target.entered or target.role is SphereRole.ADMINISTRATOR:
        raise errors.AlreadyInside("This member already administers the sphere.")
    return target


def check_step_down(standing: Standing | None, everyone: Iterable[Stay]) -> Stay:
    """Return the stay of an administrator whom the sphere can spare.

    Who entered as a manager is not of the sphere, and counts as nobody's successor; they
    administer as long as they are inside. Nor does who is shut out: nobody would administer.
    """
    stay = check_administrator(standing)
    if stay.entered:
        raise errors.NotAllowed("A manager who entered administers until they leave.")
    if not any(
        other.role is SphereRole.ADMINISTRATOR and not other.entered and not other.disabled
        for other in everyone
        if other.member != stay.member
    ):
        raise errors.NotAllowed("You are the last administrator: appoint another one first.")
    return stay


def check_connector(standing: Standing | None, *, exists: bool) -> None:
    """Raise unless this administrator names a connector that there is."""
    check_administrator(standing)
    if not exists:
        raise errors.NotFound
