"""Builders of what a server sends, for tests of the client's pure part."""

from __future__ import annotations

from typing import Any

Frame = dict[str, Any]

SPHERE = "s" * 26
ANA = "a" * 26
BOB = "b" * 26
MAX = "m" * 26
BOT = "c" * 26
#: Monday 15 November 2027, 14:03 UTC.
AT = 1_826_287_380_000


def message(seq: int, author: str = ANA, body: str = "hello", *, at: int = AT) -> Frame:
    """Build a message."""
    return {
        "type": "message_posted",
        "sphere": SPHERE,
        "seq": seq,
        "at": at,
        "author": author,
        "body": body,
    }


def joined(seq: int, member: str = BOB, name: str = "Bob") -> Frame:
    """Build an arrival."""
    return event("member_joined", seq, member=member_view(member, name))


def left(seq: int, member: str = BOB, kept: str = "none", how: str = "left") -> Frame:
    """Build a departure."""
    return event("member_left", seq, member=member, how=how, kept=kept)


def changed(seq: int, name: str, revision: int, audience: str = "closed") -> Frame:
    """Build a change of settings."""
    settings = {"name": name, "audience": audience, "history": "hidden", "listed": False}
    return event("sphere_changed", seq, by=ANA, revision=revision, **settings)


def event(kind: str, seq: int, **fields: Any) -> Frame:
    """Build any event."""
    return {"type": kind, "sphere": SPHERE, "seq": seq, "at": AT, **fields}


def member_view(member: str, name: str, role: str = "member", *, entered: bool = False) -> Frame:
    """Build a member as others see them."""
    return {"member": member, "name": name, "role": role, "entered": entered}


def sphere_view(head: int = 0, horizon: int = 1, **changes: Any) -> Frame:
    """Build a sphere as its members see it."""
    return {
        "sphere": SPHERE,
        "name": "Design team",
        "audience": "closed",
        "history": "hidden",
        "revision": 1,
        "listed": False,
        "role": "member",
        "entered": False,
        "horizon": horizon,
        "head": head,
    } | changes


def subscribed(
    head: int = 0,
    *,
    members: tuple[tuple[str, str], ...] = ((ANA, "Ana"), (BOB, "Bob")),
    purges: tuple[tuple[str, int], ...] = (),
    former: tuple[tuple[str, str], ...] = (),
    **changes: Any,
) -> Frame:
    """Build the answer to a subscription."""
    return {
        "type": "subscribed",
        "purges": [{"author": author, "before": before} for author, before in purges],
        "sphere": sphere_view(head, **changes),
        "members": [member_view(*member) for member in members],
        "former": [{"member": member, "name": name} for member, name in former],
        "connectors": [],
    }
