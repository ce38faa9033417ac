"""Departure: what becomes of a member's messages, bots and office when they leave a sphere.

Decides, and touches nothing: storage erases, channels announce. A message is erased unless its
author bequeathed it, so a forgotten flag errs towards the leaver's privacy.
"""

from __future__ import annotations

from collections.abc import Iterable

from server.domain.facts import Stay
from server.protocol.scalars import Bequest, SphereRole


def kept(bequest: Bequest | None) -> Bequest:
    """Return what is kept of a leaver's messages: nothing, unless they said otherwise."""
    return bequest or Bequest.NONE


def successor(stays: Iterable[Stay], leaver: str) -> str | None:
    """Return the member who must become administrator when ``leaver`` goes, or None.

    A sphere never stays without an administrator while it has members: when the last one goes,
    the member who has been there longest takes over. A manager who entered is not of the sphere:
    they neither count as its administrator nor inherit it, unless nobody else is left. Nor does
    who is shut out, where somebody else is inside.
    """
    everyone = sorted(stays, key=_seniority)
    own = [stay for stay in everyone if stay.member != leaver and not stay.entered]
    able = [stay for stay in own if not stay.disabled]
    if any(stay.role is SphereRole.ADMINISTRATOR for stay in able):
        return None
    held = any(one.member == leaver and one.role is SphereRole.ADMINISTRATOR for one in everyone)
    if any(stay.role is SphereRole.ADMINISTRATOR for stay in own) and not (held and able):
        return None
    heirs = able or own
    return heirs[0].member if heirs else None


def _seniority(stay: Stay) -> tuple[int, str]:
    return stay.horizon, stay.member
