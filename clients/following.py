"""Following: one sphere, or one private thread, that this client shows, and whom it tells.

Joins the timeline (what to show), the roster (how people are called) and the settings (where a
post would go). No I/O: the session feeds it, a listener prints. Invariant: the listener hears of a
purge before anything that comes after it, and of each event once, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol, cast

from clients.failures import Failure, forgotten
from clients.roster import Roster
from clients.timeline import Ask, Output, Purge, Timeline, purges_of
from clients.wire import Frame, Sphere

_SETTINGS = ("name", "audience", "history", "listed", "revision")


class Listener(Protocol):
    """Whoever shows a sphere."""

    def show(self, following: Following, event: Frame) -> None:
        """Show ``event``; the roster is still as it was before it."""

    def purge(self, following: Following, purge: Purge) -> None:
        """Forget what ``purge`` covers."""

    def forget(self, following: Following) -> None:
        """Forget all that was shown of the sphere: another stay begins."""

    def signal(self, following: Following, signal: Frame) -> None:
        """Show something that is true for a moment."""

    def gone(self, following: Following, failure: Failure | None) -> None:
        """Forget the sphere: it is not there any more, refused by ``failure`` if by any."""


class Following:
    """A sphere, as far as this client has shown it.

    ``after`` is the last seq already shown; ``back`` is how much to show of what came before, when
    there is none. ``begun`` is done once the server has accepted the subscription.
    """

    def __init__(
        self, sphere: str, listener: Listener, *, after: int | None = None, back: int = 0
    ) -> None:
        self.id = sphere
        self.listener = listener
        self.roster = Roster()
        self.present: set[str] = set()
        self.timeline = Timeline(after)
        self.subscribed = False
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._back = back
        self._sphere: Sphere | None = None

    @property
    def place(self) -> Frame:
        """Return the fields of a command that name it."""
        return {"sphere": self.id}

    @property
    def sphere(self) -> Sphere:
        """Return the sphere's settings as they were last shown, once it has begun."""
        if self._sphere is None:
            raise RuntimeError("a sphere has no settings before it is subscribed to")
        return self._sphere

    def renew(self) -> None:
        """Wait for another subscription: this sphere was left aside for a while."""
        self.suspend()
        if self.begun.done():
            self.begun = asyncio.get_running_loop().create_future()

    def begin(self, subscribed: Frame) -> None:
        """Take the answer to a subscription."""
        fresh = cast("Sphere", subscribed["sphere"])
        back = self._restart(fresh)
        self._sphere = fresh
        self.roster.reset(subscribed)
        self.present = set(subscribed.get("present", ()))
        self._begin(fresh["head"], subscribed, back)

    def _begin(self, head: int, subscribed: Frame, back: int) -> None:
        self.subscribed = True
        self._deliver(self.timeline.begin(head, purges_of(subscribed), back=back))
        if not self.begun.done():
            self.begun.set_result(None)

    def suspend(self) -> None:
        """Hold events back: the connection is gone."""
        self.subscribed = False
        self.timeline.suspend()

    def hear(self, event: Frame) -> None:
        """Take a live event."""
        self._deliver(self.timeline.hear(event))

    def signal(self, signal: Frame) -> None:
        """Take what happens here and is not written down."""
        if signal["type"] == "presence":
            came, went = signal.get("came", ()), signal.get("went", ())
            self.present = (self.present | set(came)) - set(went)
        self.listener.signal(self, signal)

    def take(self, ask: Ask, page: Frame) -> None:
        """Take a page of history."""
        self._deliver(self.timeline.take(ask, page["events"], more=page["more"]))

    def end(self, failure: Failure | None) -> None:
        """Tell that the sphere is gone: to whoever waits for it to begin, or to the listener."""
        if not self.begun.done():
            self.begun.set_exception(failure or forgotten())
        else:
            self.listener.gone(self, failure)

    def _restart(self, fresh: Sphere) -> int:
        """Begin anew when this is another stay or an older store; return how far back to go."""
        another = self._sphere is not None and self._sphere["horizon"] != fresh["horizon"]
        older = (self.timeline.shown or 0) > fresh["head"]
        if not another and not older:
            return self._back
        self.timeline = Timeline()
        self.listener.forget(self)
        return fresh["head"] - fresh["horizon"] + 1 if another else self._back

    def _deliver(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Purge):
                self.listener.purge(self, output)
            else:
                self._change(output)
                self.listener.show(self, output)
                self._note(output)

    def _note(self, event: Frame) -> None:
        self.roster.apply(event)

    def _change(self, event: Frame) -> None:
        # A replayed change may be older than the settings that came with the subscription.
        if event["type"] == "sphere_changed" and event["revision"] >= self.sphere["revision"]:
            changed = {key: event[key] for key in _SETTINGS}
            self._sphere = cast("Sphere", {**self.sphere, **changed})


class Thread(Following):
    """A private thread; ``home`` follows the sphere that it is in, for its name and its people."""

    def __init__(self, view: Frame, home: Following, listener: Listener, *, back: int = 0) -> None:
        super().__init__(view["thread"], listener, back=back)
        self.home = home
        self.members: list[str] = view["members"]
        self.roster = home.roster

    @property
    def place(self) -> Frame:
        """Return the fields of a command that name it."""
        return {"sphere": self.home.id, "thread": self.id}

    @property
    def sphere(self) -> Sphere:
        """Return the settings of the sphere that it is in."""
        return self.home.sphere

    def begin(self, listening: Frame) -> None:
        """Take the answer to a subscription."""
        view = listening["thread"]
        self.members = view["members"]
        older = (self.timeline.shown or 0) > view["head"]
        if older:
            self.timeline = Timeline()
            self.listener.forget(self)
        self.roster.remember(listening["former"])
        self._begin(view["head"], listening, self._back)

    def _change(self, event: Frame) -> None:
        if event["type"] in {"member_left", "manager_left"}:
            self.members = [member for member in self.members if member != event["member"]]

    def _note(self, event: Frame) -> None:
        """Leave the people of the sphere as they are: its own timeline tells of them."""
