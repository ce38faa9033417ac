"""Presence: of whom it shows that they are there, and how often it shows that somebody types.

Decides; the hub counts devices, and the store keeps what members chose. Invariant: nothing hides a
manager inside a sphere that they entered as one.
"""

from __future__ import annotations


def is_shown(*, hidden: bool, entered: bool) -> bool:
    """Say whether it shows in a sphere that a member who is there is there."""
    return entered or not hidden


def may_type(last: int | None, now: int, every_ms: int) -> bool:
    """Say whether to tell others again that a member types, whom they were told of at ``last``.

    A clock that stepped back silences nobody.
    """
    return last is None or now < last or now - last >= every_ms
