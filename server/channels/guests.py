"""Guests: visitors, who are invited by a sphere and see nothing of the organisation but it.

Whoever administers the sphere draws the invitation; no manager and no operator can, or they could
invite a visitor of their own into a sphere that they may not read. Invariant: the answer does not
depend on whether anybody has the address.
"""

from __future__ import annotations

from server import errors
from server.auth.admission import draw
from server.channels.outcome import Outcome, Request
from server.domain.naming import check_address
from server.domain.permission import check_administrator
from server.protocol.commands import InviteVisitor
from server.protocol.replies import InvitationToken
from server.protocol.scalars import MemberRole
from storage import admissions, spheres
from storage.admissions import Admission
from storage.database import Transaction

#: How long a guest's invitation stands: a week, so that holidays fit.
VALID_MS = 7 * 86_400_000


def invite(tx: Transaction, request: Request[InviteVisitor]) -> Outcome:
    """Draw an invitation to this sphere for an address."""
    command = request.command
    standing = spheres.standing(tx, command.sphere, request.member.id)
    check_administrator(standing)
    assert standing is not None
    if standing.member.role is MemberRole.VISITOR:
        raise errors.NotAllowed("A visitor cannot invite visitors.")
    address = check_address(command.address)
    expires_at = request.now + VALID_MS
    token = draw(
        tx,
        Admission(
            organisation=standing.member.organisation,
            address=address,
            role=MemberRole.VISITOR,
            sphere=command.sphere,
            invited_by=request.member.id,
        ),
        expires_at=expires_at,
    )
    admissions.trim(tx, command.sphere, keep=request.limits.invitations_per_sphere_max)
    return Outcome(reply=InvitationToken(id=command.id, token=token, expires_at=expires_at))
