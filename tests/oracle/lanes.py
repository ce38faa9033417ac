"""Lanes: which frames have their place in an order, and beside which others.

Everything about one timeline comes in one order: its events, the notices of it, and those replies
that tell what is seen of it. Between lanes there is none.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.oracle.landed import SIGNALS
from tests.oracle.model.people import Frame

#: Replies that have their place among the events of a timeline.
IN_LANE: dict[str, Callable[[Frame], object]] = {
    "subscribed": lambda frame: frame["sphere"]["sphere"],
    "listening": lambda frame: frame["thread"]["thread"],
    "inside": lambda frame: frame["sphere"]["sphere"],
    "left": lambda frame: frame["certificate"].get("thread") or frame["certificate"]["sphere"],
}


def is_told(frame: Frame) -> bool:
    """Say whether a frame has its place in a lane."""
    if frame["type"] in SIGNALS:
        return False
    return "id" not in frame or frame["type"] in IN_LANE


def lane_of(frame: Frame) -> str:
    """Return the timeline that a frame is about."""
    if "thread" in frame and frame["type"] != "listening":
        thread = frame["thread"]
        return str(thread["thread"] if isinstance(thread, dict) else thread)
    if (of_reply := IN_LANE.get(frame["type"])) is not None:
        return str(of_reply(frame))
    if "invitation" in frame:
        return str(frame["invitation"]["sphere"])
    sphere = frame.get("sphere") or ""
    return str(sphere["sphere"] if isinstance(sphere, dict) else sphere)


def timeline_of(asked: Frame) -> str:
    """Return the id of the timeline that a command names."""
    return str(asked.get("thread") or asked["sphere"])
