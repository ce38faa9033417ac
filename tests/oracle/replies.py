"""Replies: what a command does in the model, and the reply that must come."""

from __future__ import annotations

from tests.oracle.lanes import IN_LANE
from tests.oracle.model.people import Frame
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules import COMMANDS
from tests.oracle.rules.vocabulary import Command
from tests.oracle.unknown import Anything

#: What the reference says of a sphere that is not there for me: these bytes, and no others.
NOT_FOUND = {"code": "not_found", "message": "No such thing, or not for you.", "temporary": False}
TEMPORARY = {"too_fast", "busy"}


def perform(world: World, step: Command, request: int) -> Frame:
    """Do a command in the model; return the reply that must come."""
    me = world.connections[step.connection]
    try:
        reply = COMMANDS[step.kind](world, me, step.fields) | {"id": request}
    except Refusal as refusal:
        return {"type": "error", "id": request, "error": _refusal(refusal)}
    if (lane := IN_LANE.get(reply["type"])) is not None:
        world.tell(me, lane(reply), reply)
    return reply


def _refusal(refusal: Refusal) -> Frame:
    if refusal.code == "not_found":
        return dict(NOT_FOUND)
    said = {"code": refusal.code, "message": Anything(str), "temporary": refusal.code in TEMPORARY}
    if refusal.code == "too_fast":
        said["retry_after_ms"] = Anything(int)
    return said | refusal.more
