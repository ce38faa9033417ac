"""Deeds: what several slash orders do alike.

Invariant: an order about a sphere names the one that the prompt names.
"""

from __future__ import annotations

from typing import Any, Final

from clients.conversation import BACK, Conversation
from clients.failures import Misuse
from clients.wire import Frame

#: The most that is shown at once: more belongs in a file, not on a screen.
_SHOWN_MAX: Final = 500


async def act(talk: Conversation, kind: str, **fields: Any) -> Frame:
    """Send an order about the sphere where this conversation is."""
    return await talk.session.request(kind, sphere=talk.here.place["sphere"], **fields)


async def act_on(talk: Conversation, kind: str, **fields: Any) -> Frame:
    """Send an order about the very place where it is: the sphere, or the thread."""
    return await talk.session.request(kind, **talk.here.place, **fields)


def how_many(count: str, order: str) -> int:
    """Return how many to show. Raises Misuse."""
    if count and not (count.isascii() and count.isdigit() and 0 < int(count) <= _SHOWN_MAX):
        raise Misuse(f"Say /{order} N, where N is how many to show, up to {_SHOWN_MAX}.")
    return int(count or BACK)


async def arrive(talk: Conversation, kind: str, **fields: Any) -> None:
    """Send an order that lets this person in, and go there."""
    with talk.expecting("sphere_added"):
        inside = await talk.session.request(kind, **fields)
    await talk.go(inside["sphere"])
