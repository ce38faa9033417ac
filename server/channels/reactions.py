"""Reactions: to a message that one may see, on or off.

Invariant: at most one event says that somebody reacts to a message with something, and none does
when they took it back.
"""

from __future__ import annotations

from server import errors
from server.channels.outcome import Outcome, Publication, Request
from server.domain.facts import Message, Sphere
from server.domain.messages import check_message, stamp_of_reaction
from server.domain.naming import check_reaction
from server.domain.permission import check_inside
from server.domain.visibility import stamp_of
from server.protocol.commands import React
from server.protocol.events import ReactionAdded, ReactionRemoved
from server.protocol.replies import Done
from storage import messages, threads, timeline
from storage.database import Transaction
from storage.places import blank
from storage.timeline import About, Entry, Kind


def react(tx: Transaction, request: Request[React]) -> Outcome:
    """React, or take a reaction back; what is so already changes nothing."""
    command, me = request.command, request.member.id
    standing = threads.standing_in(tx, command.sphere, command.thread, me)
    stay = check_inside(standing)
    assert standing is not None
    of, reaction = standing.sphere, check_reaction(command.reaction)
    placed = messages.find(tx, of, command.message)
    message = check_message(stay, None if placed is None else placed.message)
    mine = messages.reactions(tx, of, message.seq, me)
    done = Done(id=command.id)
    if command.on is (reaction in mine):
        return Outcome(reply=done)
    if command.on and len(mine) >= request.limits.reactions_per_message_max:
        raise errors.Full("You react to this message in as many ways as the server allows.")
    if command.on:
        receipt = messages.receipt(tx, of, me, message.seq, reaction)
    else:
        blank(tx, of, [mine[reaction]])
        receipt = None
    entry = _append(tx, of, message, request, reaction, receipt)
    return Outcome(reply=done, publication=Publication(entries=(entry,)))


def _append(
    tx: Transaction,
    of: Sphere,
    message: Message,
    request: Request[React],
    reaction: str,
    receipt: str | None,
) -> Entry:
    said = ReactionAdded if request.command.on else ReactionRemoved
    me = request.member.id
    return timeline.append(
        tx,
        of,
        lambda seq: said(
            sphere=of.home,
            thread=of.thread,
            seq=seq,
            at=request.now,
            by=me,
            message=message.seq,
            reaction=reaction,
        ),
        author=me,
        about=About(seq=message.seq, stamp=message.stamp),
        kind=Kind.REACTION,
        receipt=receipt,
        stamp=stamp_of_reaction(stamp_of(of.audience, of.history), message),
    )
