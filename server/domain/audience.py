"""Audience: who may hear an event, or a signal, as it happens.

Decides from the roster (each present member, and the seat that they have), which the hub keeps
apart from its list of subscribed sockets: the two walls do not share a fact. Invariant: an
unknown member hears nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from server.domain.facts import Seat


def may_hear(roster: Mapping[str, Seat], member: str, seq: int) -> bool:
    """Say whether ``member`` may hear the live event at ``seq``."""
    seat = roster.get(member)
    return seat is not None and seq >= seat.horizon


def may_be_signalled(roster: Mapping[str, Seat], member: str, about: int | None) -> bool:
    """Say whether ``member`` may hear a signal, which may be ``about`` the event at a seq."""
    seat = roster.get(member)
    return seat is not None and (about is None or about >= seat.horizon)
