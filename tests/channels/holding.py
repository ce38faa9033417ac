"""Holding: what a client holds of a timeline by doing what protocol.md says, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Frame = dict[str, Any]
#: A page of the present: every event that one may see.
Fetch = Callable[[], list[Frame]]


class Held:
    """Messages and reactions, from events, pages and purges."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.messages: dict[int, tuple[str, str, int | None]] = {}
        self.reactions: dict[tuple[int, str, str], int] = {}  #: by message, member and reaction

    def hear(self, events: Iterable[Frame]) -> None:
        """Take events, in order."""
        for event in events:
            act = getattr(self, "_" + event["type"], None)
            if act is not None:
                act(event)

    def forget(self, purges: Iterable[Frame]) -> None:
        """Apply the purges of ``subscribed``."""
        for purge in purges:
            if purge.get("message") is not None:
                self._drop(purge["message"])
            else:
                self._forget(purge["author"], purge["before"], again=True)

    def __eq__(self, other: object) -> bool:
        """Say whether both show the same."""
        assert isinstance(other, Held)
        return (self.messages, set(self.reactions)) == (other.messages, set(other.reactions))

    def __hash__(self) -> int:
        """Refuse to be a key."""
        raise TypeError

    def __repr__(self) -> str:
        """Show all."""
        return f"{self.messages} {sorted(self.reactions)}"

    def _message_posted(self, event: Frame) -> None:
        self.messages[event["seq"]] = event["author"], event["body"], event.get("reply_to")

    def _message_edited(self, event: Frame) -> None:
        if event["message"] in self.messages:
            author, _, reply_to = self.messages[event["message"]]
            self.messages[event["message"]] = author, event["body"], reply_to

    def _message_deleted(self, event: Frame) -> None:
        self._drop(event["message"])

    def _reaction_added(self, event: Frame) -> None:
        self.reactions[event["message"], event["by"], event["reaction"]] = event["seq"]

    def _reaction_removed(self, event: Frame) -> None:
        self.reactions.pop((event["message"], event["by"], event["reaction"]), None)

    def _member_left(self, event: Frame) -> None:
        if event["kept"] != "named":
            self._forget(event["member"], event["seq"], again=event["kept"] == "anonymous")

    _manager_left = _member_left

    def _bequest_withdrawn(self, event: Frame) -> None:
        self._forget(event["author"], event["before"], again=False)

    def _drop(self, message: int) -> None:
        self.messages.pop(message, None)
        for one in [one for one in self.reactions if one[0] == message]:
            del self.reactions[one]

    def _forget(self, author: str, before: int, *, again: bool) -> None:
        gone = {seq for seq, one in self.messages.items() if one[0] == author and seq < before}
        for seq in gone:
            self._drop(seq)
        for one in [
            one for one, seq in self.reactions.items() if one[1] == author and seq < before
        ]:
            del self.reactions[one]
        if again:
            self.hear(
                event
                for event in self._fetch()
                if (event["type"] == "message_posted" and event["seq"] in gone)
                or (event["type"] == "reaction_added" and event["message"] in gone)
            )
