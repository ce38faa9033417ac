"""Audience: who may hear an event as it happens.

Decides from the roster (each present member and the seq that their stay began at), which the hub
keeps apart from its list of subscribed sockets: the two walls do not share a fact. Invariant: an
unknown member hears nothing.
"""

from __future__ import annotations

from collections.abc import Mapping


def may_hear(roster: Mapping[str, int], member: str, seq: int) -> bool:
    """Say whether ``member`` may hear the live event at ``seq``."""
    horizon = roster.get(member)
    return horizon is not None and seq >= horizon
