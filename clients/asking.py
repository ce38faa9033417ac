"""Asking: the few questions that every way of using this client puts to the server.

How a person names a sphere, what happened last in it, whom an invitation means. Prints nothing.
Invariant: a name that fits several spheres is never resolved by chance.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from clients.roster import find
from clients.safe_text import safe_name
from clients.session import Session
from clients.wire import PAGE_EVENTS_MAX, Frame

_HINT: Final = "`spheres` lists what is there for you."


async def sphere_named(session: Session, text: str, *kinds: str) -> Frame:
    """Return the view of the sphere called ``text``, among those of ``kinds`` (default: mine).

    Raises Misuse when there is none, or several.
    """
    listed = await session.request("list")
    # One that shows itself and that I am invited to stands in two lists.
    views: dict[str, Frame] = {
        view["sphere"]: view for kind in kinds or ("spheres",) for view in listed[kind]
    }
    return views[find(text, views.values(), "sphere", _HINT)]


async def overseen(session: Session, text: str) -> str:
    """Return the id of the sphere called ``text``, among all of the organisation (managers)."""
    overview = await session.request("oversee")
    return find(text, overview["spheres"], "sphere", "`oversee` lists them all.")


async def last_events(session: Session, place: Frame, before: int, limit: int) -> list[Frame]:
    """Return the last events below ``before``, at most ``limit``, in rising order."""
    found: deque[Frame] = deque()
    while limit > 0:
        page = await session.request(
            "history", **place, before=before, limit=min(limit, PAGE_EVENTS_MAX)
        )
        found.extendleft(reversed(page["events"]))
        limit -= len(page["events"])
        if not page["more"] or not page["events"]:
            break
        before = page["events"][0]["seq"]
    return list(found)


def invitee(text: str) -> Frame:
    """Return the field that names whom to invite: an address has an @, a member id has none."""
    who = text.strip()
    return {"address": who} if "@" in who else {"member": who}


def leaving(sphere: Any, *, private: bool = False) -> str:
    """Return what leaving does, for whoever is about to."""
    what = "this private thread in " if private else ""
    return (
        f"Leave {what}«{safe_name(sphere['name'])}»? Everything that you wrote there is erased for"
        " everybody, and cannot be had back, unless you bequeathed it (`bequeath`)."
    )
