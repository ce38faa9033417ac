"""Catalogue: which spheres and threads a device knows that it is in, as protocol.md tells it to.

`list` is the snapshot, notices are the events: the one changed by the others is what a later `list`
says. Knows nothing of the model. Invitations and open spheres are not kept fresh by notices alone
(another device may decline; after `sphere_forgotten` there may be another way in): they are left to
the model.
"""

from __future__ import annotations

from typing import Any

Frame = dict[str, Any]


class Catalogue:
    """What one device knows."""

    def __init__(self, listed: Frame) -> None:
        self.spheres = {one["sphere"] for one in listed["spheres"]}
        self.threads = {one["thread"]: one["sphere"] for one in listed["threads"]}
        self.private = listed["private"]

    def take(self, notice: Frame) -> None:
        """Take a notice."""
        kind = notice["type"]
        if kind == "sphere_added":
            self.spheres.add(notice["sphere"]["sphere"])
        elif kind == "sphere_forgotten":
            gone = notice["sphere"]
            self.spheres.discard(gone)
            self.threads = {one: home for one, home in self.threads.items() if home != gone}
        elif kind == "thread_added":
            self.threads[notice["thread"]["thread"]] = notice["thread"]["sphere"]
        elif kind == "thread_forgotten":
            self.threads.pop(notice["thread"], None)
        elif kind == "preferred" and notice["sphere"] is None:
            self.private = notice["private"]

    def differs(self, fresh: Catalogue) -> str | None:
        """Return where this is not what a fresh one says, or None."""
        for what in ("spheres", "threads", "private"):
            one, other = getattr(self, what), getattr(fresh, what)
            if one != other:
                return f"{what}: {one} / fresh {other}"
        return None
