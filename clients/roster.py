"""Roster: who is in a sphere, and how to call them so that nobody passes for another.

Pure. Invariant: a name that leaves here is one harmless line, and two people inside one sphere
never bear the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

from clients.failures import Misuse
from clients.safe_text import safe_name
from clients.wire import Frame

FORMER: Final = "a former member"
#: Characters of an id that tell two people of one name apart: 30 bits, among at most thousands.
_ID_SHOWN: Final = 6


class Roster:
    """The members, former members and bots of one sphere, as of ``head``."""

    def __init__(self) -> None:
        self.members: dict[str, Frame] = {}
        self.connectors: dict[str, Frame] = {}
        self._former: dict[str, str] = {}
        self._head = 0
        self._bearers: Counter[str] = Counter()

    def reset(self, subscribed: Frame) -> None:
        """Take the state in the answer to a subscription: it includes every event up to head."""
        self.members = {view["member"]: view for view in subscribed["members"]}
        self.connectors = {view["connector"]: view for view in subscribed["connectors"]}
        self._former = {view["member"]: view["name"] for view in subscribed["former"]}
        self._head = subscribed["sphere"]["head"]
        self._count()

    def apply(self, event: Frame) -> None:
        """Take an event that was just shown; a replayed one is part of the state already."""
        if event["seq"] <= self._head:
            return
        self._head = event["seq"]
        change = self._changes.get(event["type"])
        if change is not None:
            change(self, event)
            self._count()

    def remember(self, former: Iterable[Frame]) -> None:
        """Learn the names of more people who left and are still to be called by them."""
        self._former |= {view["member"]: view["name"] for view in former}

    def name(self, member: str) -> str:
        """Return how to call a member, past or present; a manager who entered is called one."""
        view = self.members.get(member)
        if view is None:
            kept = self._former.get(member)
            return FORMER if kept is None else f"{safe_name(kept)} (left)"
        name = safe_name(view["name"])
        twins = f" ({member[:_ID_SHOWN]})" if self._bearers[name] > 1 else ""
        return name + twins + (" (manager)" if view["entered"] else "")

    def mentioned(self, text: str) -> list[str]:
        """Return the members whom ``text`` mentions: an @ before their name, or their id."""
        found = []
        bearers = sorted(self.members.items(), key=lambda one: -len(one[1]["name"]))
        for member, view in bearers:
            for mark in (f"@{safe_name(view['name'])}", f"@{member}"):
                if mark in text:
                    text = text.replace(mark, "")
                    found.append(member)
                    break
        return found

    def find(self, text: str) -> str:
        """Return the id of the one member called ``text``, or whose id it is. Raises Misuse."""
        return find(text, self.members.values(), "member", "`members` lists who is in this sphere.")

    def find_connector(self, text: str) -> str:
        """Return the id of the one bot called ``text``, or whose id it is. Raises Misuse."""
        bots = self.connectors.values()
        return find(text, bots, "connector", "`members` lists the bots of this sphere.")

    def _come(self, event: Frame) -> None:
        self.members[event["member"]["member"]] = event["member"]

    def _go(self, event: Frame) -> None:
        view = self.members.pop(event["member"], None)
        if view is not None and event.get("kept") == "named":
            self._former[event["member"]] = view["name"]
        self.connectors = {
            connector: bot
            for connector, bot in self.connectors.items()
            if bot["installed_by"] != event["member"]
        }

    def _rename(self, event: Frame) -> None:
        view = self.members.get(event["member"])
        if view is not None:
            self.members[event["member"]] = {**view, "name": event["name"]}

    def _withdraw(self, event: Frame) -> None:
        self._former.pop(event["author"], None)

    def _appoint(self, event: Frame) -> None:
        view = self.members.get(event["member"])
        if view is not None:
            self.members[event["member"]] = {**view, "role": "administrator"}

    def _step_down(self, event: Frame) -> None:
        view = self.members.get(event["member"])
        if view is not None:
            self.members[event["member"]] = {**view, "role": "member"}

    def _install(self, event: Frame) -> None:
        self.connectors[event["connector"]["connector"]] = event["connector"]

    def _revoke(self, event: Frame) -> None:
        self.connectors.pop(event["connector"], None)

    _changes: ClassVar[Mapping[str, Callable[[Roster, Frame], None]]] = {
        "member_joined": _come,
        "manager_entered": _come,
        "member_left": _go,
        "manager_left": _go,
        "member_renamed": _rename,
        "bequest_withdrawn": _withdraw,
        "administrator_appointed": _appoint,
        "administrator_stepped_down": _step_down,
        "connector_installed": _install,
        "connector_revoked": _revoke,
    }

    def _count(self) -> None:
        self._bearers = Counter(safe_name(view["name"]) for view in self.members.values())


def find(text: str, views: Iterable[Mapping[str, Any]], key: str, hint: str) -> str:
    """Return the ``key`` (an id) of the one view that ``text`` names, by id or by name.

    An exact name wins over one that differs only by case. Raises Misuse, which lists the ids when
    several bear the name.
    """
    wanted = text.strip()
    views = list(views)
    for found in (
        [view for view in views if view[key] == wanted],
        [view for view in views if view["name"] == wanted],
        [view for view in views if view["name"].casefold() == wanted.casefold()],
    ):
        if len(found) == 1:
            return str(found[0][key])
        if found:
            ids = ", ".join(str(view[key]) for view in found)
            raise Misuse(f"Several are called «{safe_name(wanted)}»: name one by its id ({ids}).")
    raise Misuse(f"There is no {key} called «{safe_name(wanted)}» here. {hint}")
