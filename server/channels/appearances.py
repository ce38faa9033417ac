"""Appearances: who of those connected here wishes not to be seen.

Invariant: what was announced here outweighs whatever was read from the store, which may be older.
"""

from __future__ import annotations

from collections import OrderedDict

#: Announcements that are remembered, to outweigh an older reading. A reading lasts milliseconds, in
#: which far fewer are made.
REMEMBERED_MAX = 10_000


class Appearances:
    """Who wishes not to be seen, of the members connected here."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()
        self._said: OrderedDict[str, bool] = OrderedDict()

    def __len__(self) -> int:
        """Return of how many connected members it is known that they are hidden."""
        return len(self._hidden)

    def is_hidden(self, member: str) -> bool:
        """Say whether somebody wishes not to be seen, as far as it is known here."""
        return member in self._hidden or self._said.get(member, False)

    def greet(self, member: str, *, hidden: bool) -> None:
        """Take what the store said of somebody who connects."""
        self._note(member, hidden=self._said.get(member, hidden))

    def change(self, member: str, *, hidden: bool, connected: bool) -> None:
        """Take what somebody announced just now."""
        self._said[member] = hidden
        self._said.move_to_end(member)
        if len(self._said) > REMEMBERED_MAX:
            self._said.popitem(last=False)
        if connected:
            self._note(member, hidden=hidden)

    def forget(self, member: str) -> None:
        """Drop somebody who is not connected any more."""
        self._hidden.discard(member)

    def _note(self, member: str, *, hidden: bool) -> None:
        if hidden:
            self._hidden.add(member)
        else:
            self._hidden.discard(member)
