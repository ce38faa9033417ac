"""Public: a sphere that is read without an account, as far as this client has shown it.

No I/O: the messages of a page and what the server tells come in, what to print comes out.
Invariant: what the server says is gone is told before anything that comes after it, and is not held
any more; a message is shown once, and once more when it changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from clients.rendering import announce, moment
from clients.safe_text import safe_lines, safe_name
from clients.wire import Frame

#: Messages that are held, to know which of them are gone after an interruption: one page.
HELD_MAX: Final = 500

#: What is printed: a record for scripts, and lines for a person.
Output = tuple[Frame, list[str]]


class Public:
    """The messages of one sphere that were shown and are not gone."""

    def __init__(self) -> None:
        self._held: dict[str, Frame] = {}
        self._since: int | None = None

    def renew(self, page: Sequence[Frame], *, whole: bool, now: int) -> Iterator[Output]:
        """Take the last messages, as far back as they are wanted; ``whole``: none is before them.

        What was held and is not among them was erased meanwhile, or is too far back to know.
        """
        edge = 0 if whole or not page else page[0]["at"]
        present = {message["message"] for message in page}
        gone = [one for one in self._held.values() if one["message"] not in present]
        for message in gone:
            del self._held[message["message"]]
        if any(message["at"] < edge for message in gone):
            beyond = f"What was said before {moment(edge)} is too far back to know: forget it"
            yield {"type": "forget", "before": edge}, [announce(beyond)]
        for message in gone:
            if message["at"] >= edge:
                yield _forgotten(message)
        if self._since is None:
            self._since = page[0]["at"] if page else now
        for message in page:
            if message["at"] >= self._since:
                yield from self.hear(message)

    def hear(self, frame: Frame) -> Iterator[Output]:
        """Take what the server tells."""
        if frame["type"] == "message":
            yield from self._take(frame)
        elif frame["type"] == "message_changed":
            yield from self._change(frame)
        elif frame["type"] == "forgotten" and "message" in frame:
            if frame["message"] in self._held:
                yield _forgotten(self._held.pop(frame["message"]))
        elif frame["type"] == "forgotten":
            yield self._forget_author(frame)
        elif frame["type"] == "author_renamed":
            yield self._rename(frame)
        elif frame["type"] == "sphere_renamed":
            name = safe_name(frame["name"])
            yield frame, [announce(f"The sphere is called «{name}» from now on")]

    def _take(self, message: Frame) -> Iterator[Output]:
        before = self._held.get(message["message"])
        self._held[message["message"]] = message
        if len(self._held) > HELD_MAX:
            del self._held[next(iter(self._held))]
        if before is None:
            yield message, said(message)
        elif before["body"] != message["body"]:
            changed = announce(f"{_who(message)} changed a message of {moment(message['at'])}")
            yield message, [changed, *said(message)]

    def _change(self, frame: Frame) -> Iterator[Output]:
        before = self._held.get(frame["message"])
        if before is not None:
            after = {"body": frame["body"], "edited_at": frame["edited_at"]}
            yield from self._take(before | after)

    def _forget_author(self, frame: Frame) -> Output:
        gone = [one for one in self._held.values() if one["author"] == frame["author"]]
        for one in gone:
            del self._held[one["message"]]
        who = _who(gone[-1]) if gone else "somebody"
        return frame, [announce(f"What {who} wrote is erased: forget it")]

    def _rename(self, frame: Frame) -> Output:
        theirs = [one for one in self._held.values() if one["author"] == frame["author"]]
        was = _who(theirs[-1]) if theirs else "Somebody"
        for one in theirs:
            self._held[one["message"]] = one | {"name": frame["name"]}
        return frame, [announce(f"{was} is called {safe_name(frame['name'])} from now on")]


def lasting(frames: Sequence[Frame]) -> list[Frame]:
    """Return what was told in one go, without the messages that later frames of it take back."""
    gone: set[str] = set()
    kept: list[Frame] = []
    for frame in reversed(frames):
        if frame["type"] == "forgotten":
            gone |= {frame[key] for key in ("message", "author") if key in frame}
        elif frame["type"] == "message" and gone & {frame["message"], frame["author"]}:
            continue
        kept.append(frame)
    return kept[::-1]


def said(message: Frame) -> list[str]:
    """Return a message as lines."""
    first, *rest = safe_lines(message["body"])
    return [
        f"{moment(message['at'])} {_who(message)}: {first}",
        *(f"      | {one}" for one in rest),
    ]


def _forgotten(gone: Frame) -> Output:
    sentence = f"A message of {_who(gone)}, of {moment(gone['at'])}, is gone: forget it"
    return {"type": "forgotten", "message": gone["message"]}, [announce(sentence)]


def _who(message: Frame) -> str:
    name = message.get("name")
    if not message.get("bot"):
        return "a former member" if name is None else safe_name(name)
    label = message.get("label")
    calling_itself = f" calling itself «{safe_name(label)}»" if label else ""
    return f"[bot {safe_name(name or '')}{calling_itself}]"
