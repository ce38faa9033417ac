"""Presence: whether others may see that I am there.

The wish is stored, and holds for every device. Invariant: no member of the organisation is told of
the wish itself.
"""

from __future__ import annotations

from server.channels import reads
from server.channels.outcome import Outcome, Publication, Request
from server.channels.spheres import present
from server.protocol.commands import Appear
from server.protocol.events import Appeared
from server.protocol.replies import Done
from storage import members
from storage.database import Transaction


def appear(tx: Transaction, request: Request[Appear]) -> Outcome:
    """Let others see that I am there, or not."""
    member, visible = present(tx, request), request.command.visible
    done = Done(id=request.command.id)
    if not members.set_hidden(tx, member_id=member.id, hidden=not visible):
        return Outcome(reply=done)
    return Outcome(
        reply=done,
        publication=Publication(
            appearances=((member.id, visible),),
            reads=reads.appear(tx, member.id, visible=visible),
            notices=((member.id, Appeared(visible=visible)),),
        ),
    )
