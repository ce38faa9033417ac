"""Conversation: somebody talking in one sphere after another.

What becomes of a line, and what the screen shows; a terminal reads and paints, a session sends and
hears, and ``slash_orders`` knows what each order does. Invariants: a line goes to the sphere that
its prompt named, as the prompt showed it, or nowhere; what the server says to forget leaves the
screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from clients import journal, rendering
from clients.failures import Failure, Misuse, Refused
from clients.following import Following, Thread
from clients.safe_text import safe_line, safe_name
from clients.session import Session
from clients.slash import Share, parse_line
from clients.timeline import EDITS, Purge
from clients.transcript import Entry, Said, Shown, Transcript
from clients.typists import Typists
from clients.wire import Frame, Sphere, check_body, draw_client_id

#: Events shown of what came before, on arriving in a sphere: a screenful.
BACK: Final = 20
#: Seconds to wait for an acknowledgement before the prompt comes back without it.
_ATTENTION: Final = 3.0
#: Seconds after which what is on the screen counts as read: many events make one mark.
_READ_AFTER: Final = 1.0
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

    def on_change(self, typed: Callable[[str], None]) -> None:
        """Call ``typed`` with what the line holds, each time that it changes, where that shows."""

    def status(self, words: str) -> None:
        """Show a few words below the line until others replace them, where there is room."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message, and the destination that its author was shown.

    ``more``: the message that it answers, whom it mentions, its files, the private thread that it
    is for.
    """

    destination: Mapping[str, Any]
    body: str
    client_id: str
    more: Mapping[str, Any] = field(default_factory=dict)


Order = Callable[["Conversation", str], Awaitable[None]]


class Quiet:
    """A listener of the sphere that a private thread is in: its people count, not what they say."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def show(self, _following: Following, _event: Frame) -> None:
        """Ask for the prompt again: a name in it may be another."""
        self._changed()

    def purge(self, _following: Following, _purge: Purge) -> None:
        """Hold nothing that could be forgotten."""

    def forget(self, _following: Following) -> None:
        """Hold nothing that could be forgotten."""

    def signal(self, _following: Following, _signal: Frame) -> None:
        """Show nothing: it is of the sphere, not of the thread."""

    def gone(self, _following: Following, _failure: Failure | None) -> None:
        """Leave it to the thread, which is gone too."""


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
        self._journals: dict[tuple[str, int], journal.Head] = {}
        self._day = ""
        self._expected: frozenset[str] = frozenset()
        self._typists = Typists(terminal.status)
        self._asking = False  #: what is typed answers a question, and is for nobody else
        self._marking: asyncio.TimerHandle | None = None
        self._telling: set[asyncio.Future[None]] = set()
        terminal.on_change(self._typed)

    async def run(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Talk until ``/quit`` or the end of the input; raise what ends the session."""
        self.say(f"You are {safe_name(self.session.welcome['name'])}; /help lists what there is")
        await self._attempt(begin)
        try:
            await self._listen()
        finally:
            if self._marking is not None:
                self._marking.cancel()

    async def _listen(self) -> None:
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
        place = {} if self._here is None else self._here.place
        for line in lines:
            self._add(Said(line, place.get("sphere"), place.get("thread")), [line])

    def paint_secret(self, line: str) -> None:
        """Show a line this once: it does not come back when the screen is painted anew."""
        self._terminal.write([line])

    @property
    def here(self) -> Following:
        """Return the sphere or thread where this conversation is. Raises Misuse when nowhere."""
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

    async def go_private(self, view: Frame) -> None:
        """Go to a private thread. Raises Refused."""
        await self._go_away()
        home = Following(view["sphere"], Quiet(self._terminal.refresh))
        await self.session.follow(home)
        thread = self._aside.pop(view["thread"], None)
        if not isinstance(thread, Thread):
            thread = Thread(view, home, self, back=BACK)
        thread.home, thread.roster = home, home.roster
        self._day = ""
        await self.session.follow(thread)
        self._here = thread
        self.say(rendering.private_prompt(home.sphere, self._others(thread)).removesuffix("> "))

    def _others(self, thread: Thread) -> list[str]:
        me = self.session.welcome["member"]
        return [thread.roster.name(member) for member in thread.members if member != me]

    def quit_place(self, place: str) -> None:
        """Take off the screen a sphere, or a thread, that was just left."""
        here = self._here
        if here is not None and place in here.place.values():
            self.session.drop(here)
            if isinstance(here, Thread):
                self.session.drop(here.home)
            self._here = None
        self._wipe(place)

    async def journal(self) -> list[dict[str, Any]]:
        """Return what the journal of this sphere says, beyond what it was known to say already.

        The first time, all that there is for me. Raises Broken when it does not hold.
        """
        sphere = self.here.place["sphere"]
        stay = sphere, self.here.sphere["horizon"]
        said, self._journals[stay] = await journal.read(
            self.session, sphere, self._journals.get(stay)
        )
        return said

    async def agrees(self, question: str) -> bool:
        """Ask a question; only a clear yes is one."""
        self._asking = True
        try:
            answer = await self._read(lambda: f"{question} [y/N] ")
        except EOFError:
            return False
        finally:
            self._asking = False
        return answer.strip().casefold() in {"y", "yes"}

    async def ask_again(self, draft: Draft, present: Mapping[str, Any]) -> None:
        """Show where a message would go now, and share it there if its author agrees."""
        self.say(f"It would now go to {rendering.destination(present)}")
        if await self.agrees(f"{rendering.prompt(present).removesuffix('> ')}?"):
            await self._share(replace(draft, destination=present))
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
        if frame["type"] in {"sphere_forgotten", "thread_forgotten"}:
            self._wipe(frame.get("thread") or frame["sphere"])

    def show(self, following: Following, event: Frame) -> None:
        """Show an event of the place where this conversation is; an edit, where the message is."""
        if event["type"] in EDITS and self._transcript.edit(event):
            self._terminal.repaint(self._transcript.lines())
            return
        if following is self._here:
            self._mark_soon()
        self._drop_typist(following, event)
        today = rendering.day(event["at"])
        if today != self._day:
            self._day = today
            self.paint([rendering.announce(today)])
        self._add(Shown(event, following.roster), rendering.render(event, following.roster))
        if event["type"] == "sphere_changed":
            self._terminal.refresh()

    def _drop_typist(self, following: Following, event: Frame) -> None:
        """Show no more that somebody types who has said it, or is gone."""
        gone = event["type"] in {"member_left", "manager_left"}
        who = event["member"] if gone else event.get("author")
        if who is not None:
            self._typists.drop(following.roster.name(who))

    def purge(self, _following: Following, purge: Purge) -> None:
        """Take what is to be forgotten off the screen."""
        if self._transcript.purge(purge):
            self._terminal.repaint(self._transcript.lines())

    def forget(self, following: Following) -> None:
        """Take all of a sphere off the screen: another stay begins."""
        self._wipe(following.id)

    def signal(self, following: Following, signal: Frame) -> None:
        """Show who types, for as long as it is worth saying."""
        if signal["type"] == "typing" and following is self._here:
            self._typists.note(following.roster.name(signal["member"]))

    def _typed(self, text: str) -> None:
        """Tell the others that this person types a message, now and then."""
        if self._here is None or self._asking or not text or text.startswith("/"):
            return
        if not self._typists.may_tell():
            return
        self._tell_aside("typing", **self._here.place)

    async def _tell(self, kind: str, **fields: Any) -> None:
        with contextlib.suppress(Failure):  # it is worth no word that it could not be told
            if self.session.connected:
                await self.session.request(kind, **fields)

    def _tell_aside(self, kind: str, **fields: Any) -> None:
        telling = asyncio.ensure_future(self._tell(kind, **fields))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    def _mark_soon(self) -> None:
        """Note for the other devices how far was read, once a few events have come."""
        if self._marking is None:
            loop = asyncio.get_running_loop()
            self._marking = loop.call_later(_READ_AFTER, self._mark)

    def _mark(self) -> None:
        self._marking = None
        if self._here is not None and self._here.timeline.shown:
            self._tell_aside("mark_read", **self._here.place, seq=self._here.timeline.shown)

    def gone(self, following: Following, failure: Failure | None) -> None:
        """Take a sphere that is not there any more off the screen."""
        if self._here is following:
            self._here = None
            if isinstance(following, Thread):
                self.session.drop(following.home)
        self._wipe(following.id)
        if failure is not None:
            # Without one, a notice says so.
            self.say(_FORGOTTEN if failure.code == "not_found" else failure.message)
        self._terminal.refresh()

    def _add(self, entry: Entry, lines: list[str]) -> None:
        self._transcript.add(entry)
        self._terminal.write(lines)

    def _prompt(self) -> str:
        here = self._here
        self._shown = None if here is None else here.sphere
        if isinstance(here, Thread):
            return rendering.private_prompt(here.sphere, self._others(here))
        return "Cloison> " if self._shown is None else rendering.prompt(self._shown)

    def _obeying(self, line: str, shown: Sphere | None) -> Callable[[], Awaitable[None]]:
        async def obey() -> None:
            meaning = parse_line(line)
            if isinstance(meaning, Share):
                if shown is None:
                    raise Misuse(
                        "You are in no sphere: nothing was shared. /in SPHERE goes to one."
                    )
                await self.share(meaning.body, shown)
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

    async def share(
        self,
        body: str,
        shown: Mapping[str, Any] | None = None,
        reply_to: int | None = None,
        attachments: list[str] | None = None,
    ) -> None:
        """Share a message where this conversation is, as it was ``shown``. Raises Misuse."""
        here = self.here
        shown = here.sphere if shown is None else shown
        mentioned = here.roster.mentioned(body)
        more: Frame = {"reply_to": reply_to, "attachments": attachments}
        if isinstance(here, Thread):
            mentioned = [member for member in mentioned if member in here.members]
            more["thread"] = here.id
        more["mentions"] = mentioned or None
        given = {name: value for name, value in more.items() if value is not None}
        await self._share(Draft(shown, check_body(body), draw_client_id(), given))

    async def _share(self, draft: Draft) -> None:
        where = draft.destination
        fate = await self.session.share(
            where["sphere"], where["revision"], draft.body, draft.client_id, **draft.more
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
        self._typists.clear()
        self._aside[left.id] = left
        await self.session.unfollow(left)
        if isinstance(left, Thread):
            await self.session.unfollow(left.home)

    def keep_only(self, places: Container[str]) -> None:
        """Forget the spheres and threads that are not there for me any more, after I was away."""
        for place in [place for place in self._aside if place not in places]:
            self._wipe(place)

    def _wipe(self, place: str) -> None:
        kept = {key: one for key, one in self._aside.items() if place not in one.place.values()}
        self._aside = kept
        self._terminal.forget_typed()
        if self._transcript.forget(place):
            self._terminal.repaint(self._transcript.lines())


def _added(frame: Frame) -> str:
    name = safe_name(frame["sphere"]["name"])
    return f"You are in «{name}»: /in {name} goes there"


def _forgotten(_frame: Frame) -> str:
    return _FORGOTTEN


def _invited(frame: Frame) -> str:
    by, name = (safe_name(frame["invitation"][key]) for key in ("by", "name"))
    return f"{by} invites you to «{name}»: /join {name}"


def _thread_added(frame: Frame) -> str:
    count = len(frame["thread"]["members"])
    return f"A private thread of {count} people begins: /spheres lists it, /in goes there"


def _asked(frame: Frame) -> str:
    name = safe_name(frame["name"])
    return f"{name} asks to be let into a sphere of yours: /requests there, then /admit {name}"


_NOTICES: Final[dict[str, Callable[[Frame], str]]] = {
    "sphere_added": _added,
    "sphere_forgotten": _forgotten,
    "invited": _invited,
    "thread_added": _thread_added,
    "asked": _asked,
}
