"""Unknown: what the server draws at random, and how a frame is compared with what was foretold.

An unknown matches any value of its kind when it is seen first, and that very value ever after.
Invariant: two unknown ids, or digests, are never the same value, nor one that was known already.
"""

from __future__ import annotations

import re
from typing import Any

ID = re.compile(r"[a-z2-7]{26}\Z")
DIGEST = re.compile(r"[0-9a-f]{64}\Z")


#: Kinds of which no two values are the same.
UNIQUE = {"id", "digest"}


class Unknown:
    """A value that the server draws."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: str) -> None:
        self.kind = kind  #: "id", "at", "token", "digest", "value"
        self.value: Any = None

    def __repr__(self) -> str:
        """Show the value, once there is one."""
        return f"<{self.kind}>" if self.value is None else repr(self.value)

    def __deepcopy__(self, memo: object) -> Unknown:
        """Stay the same: what is learnt in one place is known in every other."""
        return self

    def fits(self, got: Any) -> bool:
        """Say whether a value is of this kind."""
        if self.kind == "value":
            return True
        if self.kind == "at":
            return isinstance(got, int) and got > 0
        if self.kind == "token":
            return isinstance(got, str) and 16 <= len(got) <= 128
        if self.kind == "digest":
            return isinstance(got, str) and DIGEST.match(got) is not None
        return isinstance(got, str) and ID.match(got) is not None


class Check:
    """A value that says itself what fits it."""

    def differs(self, comparison: Comparison, got: Any, path: str) -> str | None:
        """Return where a value is not as it must be, or None."""
        raise NotImplementedError


class Anything(Check):
    """A value that the model does not foretell, of this type."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        """Show the type."""
        return f"<any {self.kind.__name__}>"

    def differs(self, comparison: Comparison, got: Any, path: str) -> str | None:  # as the others
        """Return None for any value of the type."""
        return None if isinstance(got, self.kind) else f"{path}: {self} / {got!r}"


class Unordered(list[Any]):
    """A list whose order says nothing."""


def plain(value: Any) -> Any:
    """Return a value with what is known by now in place of the unknown."""
    if isinstance(value, Unknown):
        return value if value.value is None else value.value
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return type(value)(plain(one) for one in value)
    return value


class Comparison:
    """Compares frames with what was foretold, and learns what was unknown."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken  #: ids that are known: no unknown one may be one of them
        self._learnt: list[Unknown] = []

    def difference(self, foretold: Any, got: Any, path: str = "") -> str | None:
        """Return where the two differ, or None; what was learnt is kept only when they do not."""
        mark = len(self._learnt)
        found = self._difference(foretold, got, path)
        if found is not None:
            self._unlearn(mark)
        return found

    def _unlearn(self, mark: int) -> None:
        while len(self._learnt) > mark:
            unknown = self._learnt.pop()
            self.taken.discard(unknown.value)
            unknown.value = None

    def _difference(self, foretold: Any, got: Any, path: str) -> str | None:
        if isinstance(foretold, Unknown):
            return self._meet(foretold, got, path)
        if isinstance(foretold, Check):
            return foretold.differs(self, got, path)
        if isinstance(foretold, Unordered) and isinstance(got, list):
            return self._pair(foretold, got, path)
        if isinstance(foretold, dict) and isinstance(got, dict):
            return self._fields(foretold, got, path)
        if isinstance(foretold, list) and isinstance(got, list):
            return self._items(foretold, got, path)
        same = type(foretold) is type(got) and foretold == got
        return None if same else f"{path}: {foretold!r} / {got!r}"

    def _meet(self, unknown: Unknown, got: Any, path: str) -> str | None:
        if unknown.value is not None:
            return None if unknown.value == got else f"{path}: {unknown} / {got!r}"
        if not unknown.fits(got) or (unknown.kind in UNIQUE and got in self.taken):
            return f"{path}: {unknown} / {got!r}, which is no such thing"
        unknown.value = got
        self._learnt.append(unknown)
        if unknown.kind in UNIQUE:
            self.taken.add(got)
        return None

    def _fields(self, foretold: dict[str, Any], got: dict[str, Any], path: str) -> str | None:
        if foretold.keys() != got.keys():
            return f"{path}: fields {sorted(foretold)} / {sorted(got)}"
        for name, value in foretold.items():
            if found := self._difference(value, got[name], f"{path}.{name}"):
                return found
        return None

    def _items(self, foretold: list[Any], got: list[Any], path: str) -> str | None:
        for place, (one, other) in enumerate(zip(foretold, got, strict=False)):
            if found := self._difference(one, other, f"{path}[{place}]"):
                return found
        if len(foretold) != len(got):
            return f"{path}: {len(foretold)} items / {len(got)}"
        return None

    def _pair(self, foretold: list[Any], got: list[Any], path: str) -> str | None:
        if len(foretold) != len(got):
            return f"{path}: {plain(list(foretold))} / {got}"
        left = list(got)
        for one in sorted(foretold, key=lambda item: "<" in repr(item)):
            for place, other in enumerate(left):
                if self.difference(one, other, path) is None:
                    del left[place]
                    break
            else:
                return f"{path}: {plain(one)!r} is not in {left!r}"
        return None
