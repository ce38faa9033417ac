"""Walk: random people on a real server, each frame compared with what the model allows.

One command at a time, each waiting for its reply; or several at once (``races``). After some
steps every line is settled (``settling``): what came is compared, and the devices (``clients``)
process it. Invariant: a deviation names the step after which it was found, and ends the walk.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from server.administration import wishes
from tests.oracle.clients import Clients
from tests.oracle.crowd import Crowd
from tests.oracle.deviation import Deviation
from tests.oracle.gallery import Gallery
from tests.oracle.ground import Ground
from tests.oracle.lanes import timeline_of
from tests.oracle.leaning import GATHERING, GATHERING_STEPS, leaning
from tests.oracle.model.people import Frame
from tests.oracle.model.sphere import may_see
from tests.oracle.model.world import World
from tests.oracle.races import race
from tests.oracle.replies import perform
from tests.oracle.rules import DEEDS, STEPS
from tests.oracle.rules.vocabulary import Command, Deed, Draw, Step
from tests.oracle.settling import Heard, settle
from tests.oracle.unknown import Comparison, plain

#: Steps between two comparisons of everything.
SETTLE_EVERY = 10
#: Of the steps, those that are several commands at once.
RACES = 0.04
#: Of the steps, those after which somebody's state is compared with a fresh one.
LAWS = 0.03
#: Of the steps, those with which a client begins to follow a sphere, or resumes.
FOLLOWINGS = 0.05
#: Of the steps, those at which the server is killed, where it can be.
CRASHES = 0.01
#: Of the commands, those that somebody else tries than who would; of these, from outside.
TRESPASSES = 0.08
OUTSIDE = 0.8
#: Who connects at the beginning.
FIRST = 7
#: Steps that a trace shows.
TRACE_MAX = 40


class Walk:
    """One world, and the lines into it."""

    def __init__(self, ground: Ground, world: World, rng: Random) -> None:
        self.ground = ground
        self.world = world
        self.rng = rng
        self.crowd = Crowd(self)
        self.clients = Clients(self)
        self.gallery = Gallery(self)
        self.trace: deque[str] = deque(maxlen=TRACE_MAX)
        self.on_crash: Callable[[Walk], Awaitable[None]] | None = None
        self.steps = 0
        self.counts: Counter[str] = Counter()  #: of each command and its answer, of each event
        self._constants: dict[str, Any] = {}
        self._unsettled = 0
        self._leaning = leaning(rng)

    # -- the walk

    async def run(self, steps: int) -> None:
        """Take so many steps, and compare everything at the end. Raises Deviation."""
        until = self.steps + steps
        for member in self.rng.sample(self.world.members, FIRST):
            await self.take(Deed("connect", {"member": member.id}))
        while self.steps < until:
            await self.step()
        await self.settle()
        await self.clients.check_all()

    async def step(self) -> None:
        """Take one step."""
        chance = self.rng.random()
        if self.on_crash is not None and self.rng.random() < CRASHES:
            await self.on_crash(self)
        elif chance < RACES:
            await race(self)
        elif chance < RACES + LAWS:
            await self.clients.check_one()
        elif chance < RACES + LAWS + FOLLOWINGS:
            await self.clients.follow_something()
        else:
            await self.take(self.draw())
        if self._unsettled >= SETTLE_EVERY:
            await self.settle()

    def draw(self) -> Step:
        """Draw something that may be tried now."""
        draw = Draw(self.world, self.rng)
        weights = GATHERING if self.steps < GATHERING_STEPS else self._leaning
        while True:
            (_, propose) = self.rng.choices(STEPS, weights)[0]
            if (step := propose(draw)) is not None:
                return step if self.rng.random() >= TRESPASSES else self._trespass(step)

    def _trespass(self, step: Step) -> Step:
        """Have somebody else try it: mostly who is outside of where it goes."""
        if not isinstance(step, Command) or "sphere" not in step.fields:
            return step
        living, timeline = self.world.living(), self.world.timeline(step.fields)
        outside = [
            one for one in living if timeline is not None and one.member not in timeline.stays
        ]
        other = self.rng.choice(outside if outside and self.rng.random() < OUTSIDE else living)
        return step._replace(connection=other.key)

    async def take(self, step: Step) -> Frame | None:
        """Take a step: a command and its reply, or a deed."""
        self.tick(1)
        if isinstance(step, Command):
            return await self.command(step)
        self.note(f"{step.name} {plain(step.fields)}")
        await DEEDS[step.name](self, step.fields)
        return None

    def tick(self, milliseconds: int) -> None:
        """Let time pass."""
        if self.world.now is not None:
            self.world.now += milliseconds
            self.ground.tick(milliseconds)

    # -- commands

    async def command(self, step: Command) -> Frame:
        """Send a command, and compare its reply."""
        me = self.world.connections[step.connection]
        self.note(f"{me} {step.kind} {step.fields}")
        request = await self.send(step)
        try:
            got = await self.crowd.lines[me.key].answer(request)
        except (ConnectionError, TimeoutError) as gone:
            raise Deviation(f"{me} had no reply to {step.kind}: {gone}") from None
        self.count(step, got)
        foretold = perform(self.world, step, request)
        if found := self.comparison().difference(foretold, got):
            raise Deviation(f"the reply to {step.kind} of {me}: foretold / got: {found}")
        await self.wonder()
        return got

    async def send(self, step: Command) -> int:
        """Send a command; return its id."""
        if step.kind in {"subscribe", "unsubscribe"}:  # what is followed is followed no more
            session = self.world.connections[step.connection].session.key
            self.clients.shelve(step.connection, timeline_of(step.fields), session)
        return await self.crowd.lines[step.connection].send(step.kind, **step.fields)

    async def wonder(self) -> None:
        """Have somebody read what bears a name of nobody, so that the model knows it."""
        for sphere in self.world.timelines():
            for event in sphere.events:
                if event.alias is None or event.alias.value is not None or event.erased:
                    continue
                for me in self.world.living():
                    stay = sphere.stays.get(me.member)
                    if stay is not None and may_see(stay, event):
                        asked = {**plain(sphere.place), "after": event.seq - 1, "limit": 1}
                        await self.command(Command(me.key, "history", asked))
                        return

    async def wish(self, kind: str, **asked: Any) -> None:
        """Ask something as the operator does."""
        await self.ground.wish(getattr(wishes, kind)(**asked))

    # -- comparing

    async def settle(self) -> None:
        """Compare everything that came on every line. Raises Deviation."""
        self.settled(await settle(self))
        await self.crowd.bury()
        await self.gallery.settle()

    def settled(self, heard: Heard) -> None:
        """Let the devices process what came, now that it is found to be right."""
        self.clients.hear(heard)
        self._unsettled = 0

    def comparison(self) -> Comparison:
        """Return what compares with what is known by now."""
        return Comparison(self.world.taken)

    def compared(self, foretold: object, got: object) -> str | None:
        """Return where something that came over HTTP differs from what was foretold, or None."""
        return self.comparison().difference(foretold, got)

    def expect(self, what: str, holds: bool) -> None:  # noqa: FBT001  # reads as a sentence
        """Raise Deviation unless this holds."""
        if not holds:
            raise Deviation(what)

    def constant(self, what: str, value: object) -> bool:
        """Say whether this is the same value each time."""
        return bool(self._constants.setdefault(what, value) == value)

    # -- the account of it

    def note(self, line: str) -> None:
        """Count a step, and keep it for the trace."""
        self.steps += 1
        self._unsettled += 1
        self.trace.append(f"{self.steps:6} {line}")

    def count(self, step: Command, got: Frame) -> None:
        """Count an answer, and keep it for the trace."""
        self.trace[-1] += f" -> {_short(got)}"
        answer = got["error"]["code"] if got["type"] == "error" else got["type"]
        self.counts[f"{step.kind}: {answer}"] += 1


def _short(frame: Frame) -> str:
    if frame["type"] == "error":
        return str(frame["error"]["code"])
    return f"{frame['type']} {frame.get('seq', '')}".strip()
