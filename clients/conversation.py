"""Conversation: somebody talking in one sphere after another.

What becomes of a line, and what the screen shows; a terminal reads and paints, a session sends and
hears, and ``slash_orders`` knows what each order does. Invariants: a line goes to the sphere that
its prompt named, as the prompt showed it, or nowhere; what the server says to forget leaves the
screen.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from clients import rendering
from clients.failures import Failure, Misuse, Refused
from clients.following import Following
from clients.safe_text import safe_line, safe_name
from clients.session import Session
from clients.slash import Share, parse_line
from clients.timeline import Purge
from clients.transcript import Entry, Said, Shown, Transcript
from clients.wire import Frame, Sphere, check_body, draw_client_id

#: Events shown of what came before, on arriving in a sphere: a screenful.
BACK: Final = 20
#: Seconds to wait for an acknowledgement before the prompt comes back without it.
_ATTENTION: Final = 3.0
#: Messages refused late that are kept for ``/again``.
_REFUSED_MAX: Final = 32
_FORGOTTEN: Final = "A sphere is not there for you any more: what it showed is off the screen"


class Terminal(Protocol):
    """What reads lines and paints them."""

    async def read(self, prompt: Callable[[], str]) -> str:
        """Return a line. Raises EOFError when there are no more.

        ``prompt`` is asked again only while nothing is typed, so that a line begun under one
        prompt ends under it.
        """

    def write(self, lines: Iterable[str]) -> None:
        """Paint lines above the prompt."""

    def repaint(self, lines: Iterable[str]) -> None:
        """Take everything off the screen, and paint these lines."""

    def refresh(self) -> None:
        """Ask for the prompt again, if nothing is typed."""

    def forget_typed(self) -> None:
        """Forget the lines typed before, which can be had back with a key."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message, and the destination that its author was shown."""

    destination: Mapping[str, Any]
    body: str
    client_id: str


Order = Callable[["Conversation", str], Awaitable[None]]


class Conversation:
    """Where somebody is, what is on the screen, and what was refused.

    ``orders`` maps the name of a slash order to what it does.
    """

    def __init__(self, session: Session, terminal: Terminal, orders: Mapping[str, Order]) -> None:
        self.session = session
        self.over = False
        self.refused: list[Draft] = []
        self._terminal = terminal
        self._orders = orders
        self._transcript = Transcript()
        self._here: Following | None = None
        self._aside: dict[str, Following] = {}
        self._shown: Sphere | None = None
        self._day = ""
        self._expected: frozenset[str] = frozenset()

    async def run(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Talk until ``/quit`` or the end of the input; raise what ends the session."""
        self.say(f"You are {safe_name(self.session.welcome['name'])}; /help lists what there is")
        await self._attempt(begin)
        while not self.over:
            try:
                line = await self._read(self._prompt)
            except EOFError:
                return
            await self._attempt(self._obeying(line, self._shown))

    def say(self, *sentences: str) -> None:
        """Show something that this client says by itself."""
        self.paint([rendering.announce(safe_line(sentence)) for sentence in sentences])

    def paint(self, lines: Iterable[str]) -> None:
        """Show lines that belong to no timeline."""
        sphere = None if self._here is None else self._here.id
        for line in lines:
            self._add(Said(line, sphere), [line])

    def paint_secret(self, line: str) -> None:
        """Show a line this once: it does not come back when the screen is painted anew."""
        self._terminal.write([line])

    @property
    def here(self) -> Following:
        """Return the sphere where this conversation is. Raises Misuse when it is nowhere."""
        if self._here is None:
            raise Misuse("You are in no sphere. Go to one with /in SPHERE.")
        return self._here

    async def go(self, view: Frame) -> None:
        """Go to a sphere, from where this conversation was the last time. Raises Refused."""
        await self._go_away()
        sphere = view["sphere"]
        line = rendering.announce(f"In {rendering.destination(view)}")
        self._add(Said(line, sphere), [line])
        self._day = ""
        following = self._aside.pop(sphere, None) or Following(sphere, self, back=BACK)
        await self.session.follow(following)
        self._here = following

    def quit_sphere(self, sphere: str) -> None:
        """Take off the screen a sphere that was just left."""
        if self._here is not None and self._here.id == sphere:
            self.session.drop(self._here)
            self._here = None
        self._wipe(sphere)

    async def agrees(self, question: str) -> bool:
        """Ask a question; only a clear yes is one."""
        try:
            answer = await self._read(lambda: f"{question} [y/N] ")
        except EOFError:
            return False
        return answer.strip().casefold() in {"y", "yes"}

    async def ask_again(self, draft: Draft, present: Mapping[str, Any]) -> None:
        """Show where a message would go now, and share it there if its author agrees."""
        self.say(f"It would now go to {rendering.destination(present)}")
        if await self.agrees(f"{rendering.prompt(present).removesuffix('> ')}?"):
            await self._share(Draft(present, draft.body, draft.client_id))
        else:
            self.say("Not shared")

    @contextmanager
    def expecting(self, *notices: str) -> Iterator[None]:
        """Say nothing of these notices within: they tell this person what they just did."""
        before, self._expected = self._expected, frozenset(notices)
        try:
            yield
        finally:
            self._expected = before

    def notice(self, frame: Frame) -> None:
        """Take a notice of the server."""
        say = _NOTICES.get(frame["type"])
        if say is not None and frame["type"] not in self._expected:
            self.say(say(frame))
        if frame["type"] == "sphere_forgotten":
            self._wipe(frame["sphere"])

    def show(self, following: Following, event: Frame) -> None:
        """Show an event of the sphere where this conversation is."""
        today = rendering.day(event["at"])
        if today != self._day:
            self._day = today
            self.paint([rendering.announce(today)])
        self._add(Shown(event, following.roster), rendering.render(event, following.roster))
        if event["type"] == "sphere_changed":
            self._terminal.refresh()

    def purge(self, _following: Following, purge: Purge) -> None:
        """Take what is to be forgotten off the screen."""
        if self._transcript.purge(purge):
            self._terminal.repaint(self._transcript.lines())

    def forget(self, following: Following) -> None:
        """Take all of a sphere off the screen: another stay begins."""
        self._wipe(following.id)

    def gone(self, following: Following, failure: Failure | None) -> None:
        """Take a sphere that is not there any more off the screen."""
        if self._here is following:
            self._here = None
        self._wipe(following.id)
        if failure is not None:
            # Without one, a notice says so.
            self.say(_FORGOTTEN if failure.code == "not_found" else failure.message)
        self._terminal.refresh()

    def _add(self, entry: Entry, lines: list[str]) -> None:
        self._transcript.add(entry)
        self._terminal.write(lines)

    def _prompt(self) -> str:
        self._shown = None if self._here is None else self._here.sphere
        return "Cloison> " if self._shown is None else rendering.prompt(self._shown)

    def _obeying(self, line: str, shown: Sphere | None) -> Callable[[], Awaitable[None]]:
        async def obey() -> None:
            meaning = parse_line(line)
            if isinstance(meaning, Share):
                if shown is None:
                    raise Misuse(
                        "You are in no sphere: nothing was shared. /in SPHERE goes to one."
                    )
                await self._share(Draft(shown, check_body(meaning.body), draw_client_id()))
            elif meaning is not None:
                await self._orders[meaning.name](self, meaning.argument)

        return obey

    async def _attempt(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except Failure as failure:
            if self.session.ended.done():
                raise
            # What is a command elsewhere is typed with a slash here.
            self.say(re.sub("`([a-z]+)`", r"/\1", failure.message))

    async def _share(self, draft: Draft) -> None:
        where = draft.destination
        fate = await self.session.share(
            where["sphere"], where["revision"], draft.body, draft.client_id
        )
        await asyncio.wait({fate}, timeout=_ATTENTION)
        if fate.done():
            await self._settle(draft, fate)
        else:
            self.say("Not acknowledged yet: it is sent again as soon as there is a connection")
            fate.add_done_callback(lambda late: self._settle_late(draft, late))

    async def _settle(self, draft: Draft, fate: asyncio.Future[Frame]) -> None:
        failure = fate.exception()
        if isinstance(failure, Refused) and failure.destination is not None:
            self.say("This sphere changed since you saw it: nothing was sent")
            await self.ask_again(draft, failure.destination)
        elif failure is not None:
            raise failure

    def _settle_late(self, draft: Draft, fate: asyncio.Future[Frame]) -> None:
        failure = fate.exception()
        if isinstance(failure, Failure):
            self.say(failure.message, f"Not shared: «{draft.body}»; /again looks at it again")
            self.refused = [*self.refused, draft][-_REFUSED_MAX:]

    async def _read(self, prompt: Callable[[], str]) -> str:
        reading = asyncio.ensure_future(self._terminal.read(prompt))
        try:
            ends = {reading, self.session.ended}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait({reading})
        if reading.cancelled():
            self.session.ended.result()
        return reading.result()

    async def _go_away(self) -> None:
        if self._here is None:
            return
        left, self._here = self._here, None
        self._aside[left.id] = left
        await self.session.unfollow(left)

    def keep_only(self, spheres: Container[str]) -> None:
        """Forget the spheres that are not there for me any more, after I was away."""
        for sphere in [sphere for sphere in self._aside if sphere not in spheres]:
            self._wipe(sphere)

    def _wipe(self, sphere: str) -> None:
        self._aside.pop(sphere, None)
        self._terminal.forget_typed()
        if self._transcript.forget(sphere):
            self._terminal.repaint(self._transcript.lines())


def _added(frame: Frame) -> str:
    name = safe_name(frame["sphere"]["name"])
    return f"You are in «{name}»: /in {name} goes there"


def _forgotten(_frame: Frame) -> str:
    return _FORGOTTEN


def _invited(frame: Frame) -> str:
    by, name = (safe_name(frame["invitation"][key]) for key in ("by", "name"))
    return f"{by} invites you to «{name}»: /join {name}"


_NOTICES: Final[dict[str, Callable[[Frame], str]]] = {
    "sphere_added": _added,
    "sphere_forgotten": _forgotten,
    "invited": _invited,
}
