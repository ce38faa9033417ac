"""Gallery: who reads a public sphere without an account, and the law as it holds for them.

A reader holds what the pages held, changed by what is told since: exactly what is public, but for
what they were told to forget and have not read anew. Invariant: a reader is closed with 4505 as
soon as the sphere is not public any more, and with nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from tests.oracle.deviation import Deviation
from tests.oracle.line import Line
from tests.oracle.model.people import Frame
from tests.oracle.model.sphere import Event, Sphere
from tests.oracle.rules.readers import is_public, public
from tests.oracle.rules.vocabulary import Draw
from tests.oracle.settling import PATIENCE_S
from tests.oracle.unknown import Anything, plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

#: What a reader is closed with when the sphere is not public any more.
NOT_PUBLIC = 4505


class Reader:
    """Somebody who reads, and what they hold."""

    def __init__(self, line: Line, known: set[str]) -> None:
        self.line = line
        self.known = known  #: ids of messages and authors that some reader was ever shown
        self.name = ""
        self.held: dict[str, Frame] = {}  #: by message, in order

    def take(self, frame: Frame) -> None:
        """Take what is told, as protocol.md says."""
        kind = frame["type"]
        for name in {"message", "author"} & (frame.keys() if kind != "message" else set()):
            if not isinstance(frame[name], str) or frame[name] not in self.known:
                raise Deviation(f"a reader is told of what is not for readers: {frame}")
        self.known |= {frame["message"], frame["author"]} if kind == "message" else set()
        if kind == "message":
            self.held[frame["message"]] = frame
        elif kind == "message_changed":
            said = {"body": frame["body"], "edited_at": frame["edited_at"]}
            self._change("message", frame["message"], said)
        elif kind == "author_renamed":
            self._change("author", frame["author"], {"name": frame["name"]})
        elif kind == "sphere_renamed":
            self.name = frame["name"]
        elif kind == "forgotten":
            gone = {frame.get("message"), frame.get("author")} - {None}
            self.held = {
                key: one for key, one in self.held.items() if not gone & {key, one["author"]}
            }
        else:
            raise Deviation(f"a reader is told {frame}")

    def _change(self, by: str, value: str, said: Frame) -> None:
        for key, one in self.held.items():
            if one[by] == value:
                self.held[key] = {**one, **said}


class Gallery:
    """Every reader of a walk."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._readers: dict[int, Reader] = {}
        self._known: set[str] = set()
        self._keys = itertools.count(1)

    async def come(self, sphere_id: str, encoding: str, *, stays: bool) -> None:
        """Say hello as a reader; read all there is, and stay if asked to."""
        walk = self._walk
        line = Line(walk.ground.url, "", encoding=encoding)
        line.token = None
        await line.connect("/v1/read")
        greeting = await line.answer(await line.send("hello", sphere=sphere_id))
        sphere = walk.world.sphere(sphere_id)
        if sphere is None or sphere.audience != "public":
            await line.close()
            refused = greeting.pop("error", None), greeting["type"]
            walk.expect("what is not public is not there", refused[1] == "error")
            walk.expect("in the same words", walk.constant("no public sphere", refused[0]))
            return
        told = {"type": "reading", "id": 1, "sphere": sphere.id, "name": sphere.name}
        found = walk.compared(told | {"ends_at": Anything(int), "now": Anything(int)}, greeting)
        walk.expect(f"a public sphere is read: {found}", found is None)
        key, reader = next(self._keys), Reader(line, self._known)
        reader.name = sphere.name
        self._readers[key] = reader
        walk.world.readers[key] = (sphere_id, sphere.shut)
        await self.read_anew(key)
        if not stays:
            await self.go(key)

    async def read_anew(self, key: int) -> None:
        """Replace what a reader holds by what the pages hold, which is what is public."""
        reader, walk = self._readers.get(key), self._walk
        if reader is None:
            return
        sphere = self._sphere(key)
        reader.held = {}
        limit = walk.rng.choice([1, 3, 500, 500])
        asked: Frame = {}
        while True:
            page = await reader.line.answer(await reader.line.send("history", limit=limit, **asked))
            walk.expect(f"a reader is shown a page: {page}", page["type"] == "page")
            reader.held = {one["message"]: one for one in page["messages"]} | reader.held
            if not page["more"]:
                break
            asked = {"before": page["messages"][0]["message"]}
        for one in reader.held.values():
            reader.known |= {one["message"], one["author"]}
        reader.line.take()
        shown = [public(sphere, event) for event in sphere.events if is_public(event)]
        found = walk.compared(shown, [*reader.held.values()])
        walk.expect(f"with what was sent while it was public, and no more: {found}", found is None)
        await self._read_upwards(reader)
        walk.counts["read: in public"] += 1
        walk.counts["read: messages"] += len(shown)

    async def _read_upwards(self, reader: Reader) -> None:
        """Ask for a page from some message on, and for one from an id that was never given."""
        walk, held = self._walk, [*reader.held.values()]
        if not held:
            return
        place, limit = walk.rng.randrange(len(held)), walk.rng.choice([1, 2, 500])
        above = held[place + 1 :]
        asked = {"after": held[place]["message"], "limit": limit}
        page = await reader.line.answer(await reader.line.send("history", **asked))
        told = {"type": "page", "messages": above[:limit], "more": len(above) > limit}
        found = walk.compared(told | {"id": page["id"]}, page)
        walk.expect(f"a page goes up from a message: {found}", found is None)
        strange = Draw(walk.world, walk.rng).stranger()
        refused = await reader.line.answer(await reader.line.send("history", before=strange))
        refused.pop("id")
        walk.expect(f"an id that was never given: {refused}", refused["type"] == "error")
        walk.expect("is refused in the same words", walk.constant("no such message", refused))
        reader.line.take()

    async def go(self, key: int) -> None:
        """Have a reader go."""
        self._walk.world.readers.pop(key, None)
        if (reader := self._readers.pop(key, None)) is not None:
            await reader.line.close()

    async def settle(self) -> None:
        """Hold every reader to the law. Raises Deviation."""
        for key, reader in tuple(self._readers.items()):
            reason = await self._differs(key, reader)
            if reason:
                raise Deviation(f"a reader of {self._sphere(key)}: {reason}")
            if reader.line.close_code is not None:
                await self.go(key)

    async def _differs(self, key: int, reader: Reader) -> str | None:
        """Return how what a reader holds is not what is public, or None, within a bound."""
        reason = None
        for patience in PATIENCE_S:
            await asyncio.sleep(patience)
            if reader.line.close_code is None and not self._is_shut(key):
                await reader.line.settled()
            for frame in reader.line.take():
                self._walk.counts[f"read: {frame['type']}"] += 1
                reader.take(frame)
            reason = self._compare(key, reader)
            if reason is None:
                break
        return reason

    def _compare(self, key: int, reader: Reader) -> str | None:
        closed, must = reader.line.close_code, self._is_shut(key)
        if must or closed is not None:
            return None if must and closed == NOT_PUBLIC else f"closed with {closed}: {must}"
        sphere = self._sphere(key)
        if reader.name != sphere.name:
            return f"the name is {reader.name}, not {sphere.name}"
        left = dict(reader.held)
        for event in filter(is_public, sphere.events):
            foretold = public(sphere, event)
            got = left.pop(self._id_of(sphere, event, left), None)
            if got is None and event.unread:
                continue
            if found := self._walk.compared(_named(sphere, event, foretold, got), got):
                return found
        return f"holds what is not for readers: {left}" if left else None

    def _id_of(self, sphere: Sphere, event: Event, left: dict[str, Frame]) -> str:
        """Return the id of a message for readers: a new one is the first that nobody knew."""
        known = plain(sphere.public_ids[event.seq])
        if isinstance(known, str):
            return known
        new = [one for one in left if one not in self._walk.world.taken]
        if event.unread:  # whether it is held is open: by its words
            new = [one for one in new if left[one]["body"] == event.fields["body"]]
        return next(iter(new), "")

    def _sphere(self, key: int) -> Sphere:
        sphere_id = self._walk.world.readers[key][0]
        return next(one for one in self._walk.world.spheres if plain(one.id) == sphere_id)

    def _is_shut(self, key: int) -> bool:
        sphere = self._sphere(key)
        return sphere.dissolved or sphere.shut != self._walk.world.readers[key][1]

    async def empty(self) -> None:
        """Have every reader go."""
        for key in tuple(self._readers):
            await self.go(key)


def _named(sphere: Sphere, event: Event, foretold: Frame, got: Frame | None) -> Frame:
    """Return a message under the name that a reader may hold: of who came back, the former one."""
    former = sphere.left_as.get(event.author)
    if got is not None and former is not None and got.get("name") == former and "name" in foretold:
        return {**foretold, "name": former}
    return foretold
