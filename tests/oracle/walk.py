"""Walk: random people on a real server, each frame compared with what the model allows.

One command at a time, each waiting for its reply; or several at once from different people, which
must then have happened in some order. After some steps every line is settled (a ping goes round
behind whatever was sent), and what came is compared: nothing too much, nothing too little, in
order. Invariant: a deviation names the step after which it was found, and ends the walk.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import pickle
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any

from server.administration import wishes
from tests.oracle.follower import Follower, unlike
from tests.oracle.ground import Ground
from tests.oracle.landed import SIGNALS
from tests.oracle.line import Line
from tests.oracle.model.people import Connection, Frame, Member, Session
from tests.oracle.model.sphere import may_see
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules import COMMANDS, DEEDS, STEPS
from tests.oracle.rules.signals import misplaced
from tests.oracle.rules.vocabulary import Command, Deed, Draw, Step
from tests.oracle.unknown import Anything, Comparison, Unknown, plain
from tests.people import call_http

#: Steps between two comparisons of everything.
SETTLE_EVERY = 8
#: Of the steps, those that are several commands at once.
RACES = 0.04
#: Of the steps, those after which somebody's state is compared with a fresh one.
LAWS = 0.03
#: Of the steps, those with which a client begins to follow a sphere, or resumes.
FOLLOWINGS = 0.05
#: Of the steps, those at which the server is killed, where it can be.
CRASHES = 0.01
#: Seconds to wait for a frame that must come, once the line is settled.
GRACE_S = 3.0
#: Steps that a trace shows.
TRACE_MAX = 40
#: What the reference says of a sphere that is not there for me: these bytes, and no others.
NOT_FOUND = {"code": "not_found", "message": "No such thing, or not for you.", "temporary": False}
#: Characters of a reason, where several are given.
REASON_MAX = 400
#: The first half of `subscribe`: the former subscription is over, the snapshot not yet taken.
ENDS = "subscribe: ends the former one"
#: What ends sessions: whoever asks something at that moment may have no reply.
ENDINGS = {"change_role", "disable", "dismiss", "end_session"}
TEMPORARY = {"too_fast", "busy"}
#: Replies that have their place among the events of a sphere.
IN_LANE = {
    "subscribed": lambda frame: frame["sphere"]["sphere"],
    "listening": lambda frame: frame["thread"]["thread"],
    "inside": lambda frame: frame["sphere"]["sphere"],
    "left": lambda frame: frame["certificate"].get("thread") or frame["certificate"]["sphere"],
}


class Deviation(Exception):  # it is not this program that is wrong
    """The server did what the model does not allow, or the model is wrong."""


class Walk:
    """One world, and the lines into it."""

    def __init__(self, ground: Ground, world: World, rng: Random) -> None:
        self.ground = ground
        self.world = world
        self.rng = rng
        self.lines: dict[int, Line] = {}
        self.trace: deque[str] = deque(maxlen=TRACE_MAX)
        self.on_crash: Callable[[Walk], Awaitable[None]] | None = None
        self.steps = 0
        self.counts: Counter[str] = Counter()  #: of each command and its answer, of each event
        self._keys = itertools.count(1)
        self._followers: dict[tuple[int, str], Follower] = {}  #: by connection and sphere
        self._shelf: dict[tuple[int, str], Follower] = {}  #: by session and sphere
        self._constants: dict[str, Any] = {}
        self._unsettled = 0

    # -- the walk

    async def run(self, steps: int) -> None:
        """Take so many steps, and compare everything at the end. Raises Deviation."""
        until = self.steps + steps
        for member in self.rng.sample(self.world.members, 7):
            await self.take(Deed("connect", {"member": member.id}))
        while self.steps < until:
            await self.step()
        await self.settle()
        for connection, sphere in tuple(self._followers):
            await self._check_law(connection, sphere)

    async def step(self) -> None:
        """Take one step."""
        chance = self.rng.random()
        if self.on_crash is not None and self.rng.random() < CRASHES:
            await self.on_crash(self)
        elif chance < RACES:
            await self._race()
        elif chance < RACES + LAWS:
            await self._law()
        elif chance < RACES + LAWS + FOLLOWINGS:
            await self._follow_something()
        else:
            await self.take(self._draw())
        if self._unsettled >= SETTLE_EVERY:
            await self.settle()

    def _draw(self) -> Step:
        draw = Draw(self.world, self.rng)
        weights = [weight for weight, _ in STEPS]
        while True:
            (_, propose) = self.rng.choices(STEPS, weights)[0]
            if (step := propose(draw)) is not None:
                return step

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

    def note(self, line: str) -> None:
        """Count a step, and keep it for the trace."""
        self.steps += 1
        self._unsettled += 1
        self.trace.append(f"{self.steps:6} {line}")

    def _count(self, step: Command, got: Frame) -> None:
        self.trace[-1] += f" -> {_short(got)}"
        answer = got["error"]["code"] if got["type"] == "error" else got["type"]
        self.counts[f"{step.kind}: {answer}"] += 1

    def expect(self, what: str, holds: bool) -> None:  # noqa: FBT001  # reads as a sentence
        """Raise Deviation unless this holds."""
        if not holds:
            raise Deviation(what)

    def constant(self, what: str, value: object) -> bool:
        """Say whether this is the same value each time."""
        return bool(self._constants.setdefault(what, value) == value)

    # -- commands

    async def command(self, step: Command) -> Frame:
        """Send a command, and compare its reply."""
        me = self.world.connections[step.connection]
        line = self.lines[me.key]
        self.note(f"{me} {step.kind} {step.fields}")
        request = await self.send(step)
        try:
            got = await line.answer(request)
        except (ConnectionError, TimeoutError) as gone:
            raise Deviation(f"{me} had no reply to {step.kind}: {gone}") from None
        self._count(step, got)
        foretold = perform(self.world, step, request)
        if found := self._comparison().difference(foretold, got):
            raise Deviation(f"the reply to {step.kind} of {me}: foretold / got: {found}")
        await self._wonder()
        return got

    async def _wonder(self) -> None:
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

    async def send(self, step: Command) -> int:
        """Send a command; return its id."""
        if step.kind in {"subscribe", "unsubscribe"}:  # what is followed is followed no more
            session = self.world.connections[step.connection].session.key
            self._shelve(step.connection, timeline_of(step.fields), session)
        return await self.lines[step.connection].send(step.kind, **step.fields)

    def _comparison(self) -> Comparison:
        return Comparison(self.world.taken)

    def compared(self, foretold: object, got: object) -> str | None:
        """Return where something that came over HTTP differs from what was foretold, or None."""
        return self._comparison().difference(foretold, got)

    async def _race(self) -> None:
        """Send several commands at once: they must have happened, in some order."""
        await self.settle()
        before = pickle.dumps(self.world)
        steps = self.draw_race()
        sent = [(step, await self.send(step)) for step in steps]
        for step, request in sent:
            self.note(
                f"at once: {self.world.connections[step.connection]} {step.kind} {step.fields}"
            )
            try:
                got = await self.lines[step.connection].answer(request)
            except (ConnectionError, TimeoutError) as gone:
                raise Deviation(f"no reply to {step.kind}: {gone}") from None
            self._count(step, got)
        await self._pings()
        heard = {key: line.take() for key, line in self.lines.items()}
        reasons = []
        for order in _orders(sent):
            self.world = pickle.loads(before)  # noqa: S301  # our own, of a moment ago
            for step, request in order:
                me = self.world.connections[step.connection]
                if step.kind == ENDS:
                    me.hears.discard(self.world.timeline(step.fields))
                else:
                    me.replies[request] = perform(self.world, step, request)
            reason = self._compare(heard, replies=True)
            if reason is None:
                self.follow_on(heard)
                self._unsettled = 0
                await self._wonder()
                return
            reasons.append(f"{[step.kind for step, _ in order]}: {reason[:REASON_MAX]}")
        raise Deviation("\n  ".join(["no order of these explains it:", *sorted(set(reasons))]))

    def draw_race(self) -> list[Command]:
        """Draw some commands of different lines, to be sent at once."""
        steps: list[Command] = []
        for _ in range(40):
            step = self._draw()
            if not isinstance(step, Command) or step.kind in ENDINGS:
                continue
            if step.connection not in [one.connection for one in steps]:
                steps.append(step)
            if len(steps) == 3:
                break
        return steps

    # -- lines

    async def sign_in(self, member: Member) -> Session | None:
        """Open a session of somebody, where one can be had."""
        self.tick(1)
        token = await self._token(member)
        if token is None:
            return None
        session = Session(
            key=next(self._keys),
            member=member,
            token=token,
            id=Unknown("id"),
            began_at=self.world.moment(),
        )
        self.world.sessions.append(session)
        return session

    async def _token(self, member: Member) -> str | None:
        """Return a new session's token: by a password, where there is one."""
        if not member.password:
            return await self.ground.token(member.id)
        claim = {"organisation": member.organisation.handle, "address": member.address}
        asked = {**claim, "password": member.password}
        status, body = await self.call_http("POST", "/v1/sign-in", body=asked)
        self.expect(f"a password opens a session: {body!r}", status == 200)
        answer = json.loads(body)
        member.id = member.id or answer["member"]
        self.world.taken.add(member.id)
        self.expect("as its member", answer["member"] == member.id)
        return str(answer["token"])

    async def open(self, session: Session) -> Connection:
        """Open a line of a session."""
        encoding = "json" if self.rng.random() < 0.25 else "msgpack"
        line = Line(self.ground.url, session.token, encoding=encoding)
        await line.connect()
        got = await line.answer(await line.send("hello", token=session.token))
        self.expect(f"a session is welcome: {got}", got["type"] == "welcome")
        self.expect("as its member", got["member"] == session.member.id)
        self.expect("under their name", got["name"] == session.member.name)
        self.expect("with their role", got["role"] == session.member.role)
        self.expect("visible or not, as chosen", got["visible"] == session.member.visible)
        line.take()
        connection = Connection(next(self._keys), session)
        self.world.connections[connection.key] = connection
        self.lines[connection.key] = line
        self.trace[-1] += f" -> {connection} ({encoding})"
        return connection

    async def close(self, key: int, *, rudely: bool = False) -> None:
        """Close a line; what its client held is put on the shelf of its session."""
        connection = self.world.connections.pop(key)
        line = self.lines.pop(key)
        if rudely and line.close_code is None:
            line.cut()
        await line.close()
        for one, sphere in [pair for pair in self._followers if pair[0] == key]:
            self._shelve(one, sphere, connection.session.key)

    def _shelve(self, connection: int, sphere: str, session: int) -> None:
        follower = self._followers.pop((connection, sphere), None)
        if follower is not None:
            self._shelf[session, sphere] = follower

    async def leave(self) -> None:
        """Close every line."""
        await asyncio.gather(*(line.close() for line in self.lines.values()))

    async def call_http(self, method: str, path: str, **more: Any) -> tuple[int, bytes]:
        """Make a request over HTTP; return its status and its body."""
        answered = await asyncio.to_thread(call_http, self.ground.url, method, path, **more)
        return answered[0], answered[2]

    async def wish(self, kind: str, **asked: Any) -> None:
        """Ask something as the operator does."""
        await self.ground.wish(getattr(wishes, kind)(**asked))

    # -- comparing what came

    async def settle(self) -> None:
        """Compare everything that came on every line. Raises Deviation."""
        await self._pings()
        heard: dict[int, list[Frame]] = {key: [] for key in self.lines}
        reason = ""
        for patience in (0, 0.01, 0.05, 0.2, GRACE_S):
            await asyncio.sleep(patience)
            for key, line in self.lines.items():
                heard[key] += line.take()
            before = pickle.dumps(self.world) if self._is_short(heard) else b""
            if before and patience != GRACE_S:
                continue
            reason = self._compare(heard) or ""
            break
        if reason:
            raise Deviation(reason)
        self.follow_on(heard)
        self._unsettled = 0
        await self._bury()

    def _is_short(self, heard: dict[int, list[Frame]]) -> bool:
        """Say whether fewer frames came than must."""
        return any(
            (
                len(connection.told) > sum(is_told(frame) for frame in heard[key])
                and connection.closed is None
            )
            or (connection.closed is not None and self.lines[key].close_code is None)
            for key, connection in self.world.connections.items()
        )

    async def _pings(self) -> None:
        waiting = [
            line.settled()
            for key, line in self.lines.items()
            if self.world.connections[key].closed is None and line.close_code is None
        ]
        try:
            await asyncio.gather(*waiting)
        except Exception as broken:
            raise Deviation(f"a line broke: {broken!r}") from broken

    def _compare(self, heard: dict[int, list[Frame]], *, replies: bool = False) -> str | None:
        """Return how what came differs from what was told in the model, or None."""
        comparison = self._comparison()
        for key, connection in self.world.connections.items():
            frames = heard[key]
            if replies:
                for frame in frames:
                    foretold = connection.replies.pop(frame.get("id", -1), None)
                    found = foretold and comparison.difference(foretold, frame)
                    if found:
                        return f"the reply to {connection}: foretold / got: {found}"
        for key, connection in self.world.connections.items():
            if found := self._compare_lanes(comparison, connection, heard[key]):
                return found
            for frame in heard[key]:
                if frame["type"] in SIGNALS and (why := misplaced(self.world, connection, frame)):
                    return f"{connection} got a signal, {why}: {frame}"
            connection.told.clear()
            connection.heard = set(connection.hears)
            code = self.lines[key].close_code
            if code != connection.closed:
                return f"{connection} is closed with {code}, not {connection.closed}"
        return None

    def _compare_lanes(
        self, comparison: Comparison, connection: Connection, frames: list[Frame]
    ) -> str | None:
        lanes: dict[str, list[Frame]] = {}
        for frame in filter(is_told, frames):
            lanes.setdefault(lane_of(frame), []).append(frame)
        foretold: dict[str, list[Frame]] = {}
        for told in connection.told:
            foretold.setdefault(str(plain(told.lane)), []).append(told.frame)
        for lane in [*foretold, *(one for one in lanes if one not in foretold)]:
            due, got = foretold.get(lane, []), lanes.get(lane, [])
            for one, other in zip(due, got, strict=False):
                if found := comparison.difference(one, other):
                    return (
                        f"{connection} in {lane}: foretold / got: {found}"
                        f"\n  foretold: {plain(due)}\n  got:      {got}"
                    )
            if len(due) > len(got) and connection.closed is None:
                return f"{connection} in {lane} never got {plain(due[len(got) :])}; got {got}"
            if len(got) > len(due):
                return f"{connection} in {lane} got too much: {got[len(due) :]}"
        return None

    async def _bury(self) -> None:
        """Put away the lines that the server closed."""
        for key, connection in tuple(self.world.connections.items()):
            if connection.closed is not None:
                await self.close(key)

    # -- the law: snapshot and events equal a fresh snapshot

    def follow_on(self, heard: dict[int, list[Frame]]) -> None:
        """Let every client that follows a sphere process what came."""
        for key, frames in heard.items():
            session = self.world.connections[key].session.key
            for frame in filter(is_told, frames):
                self.counts[f"heard: {frame['type']}"] += 1
                sphere = lane_of(frame)
                if frame["type"] in {"sphere_forgotten", "thread_forgotten", "left"}:
                    _forget(self._followers, key, sphere)
                    _forget(self._shelf, session, sphere)
                elif (follower := self._followers.get((key, sphere))) and "at" in frame:
                    follower.take(frame)

    async def _follow_something(self) -> None:
        """Let some client subscribe as protocol.md says: resume what it held, fill the gap."""
        draw = Draw(self.world, self.rng)
        me = draw.connection(inside=True)
        if me is None:
            await self.take(self._draw())
            return
        await self.follow(me.key, draw.timeline(me.member))

    async def follow(self, key: int, where: Frame) -> None:
        """Subscribe, resuming what is on the shelf; steps 2 to 9 of «subscribing and resuming»."""
        await self.settle()
        me = self.world.connections.get(key)
        if me is None:
            return
        sphere = timeline_of(where)
        self._shelve(key, sphere, me.session.key)
        follower = self._shelf.pop((me.session.key, sphere), None) or Follower()
        follower.where = where
        asked = where | ({} if follower.last is None else {"after": follower.last})
        got = await self.command(Command(key, "subscribe", asked))
        if got["type"] == "error":
            return
        horizon = got["sphere"]["horizon"] if got["type"] == "subscribed" else 1
        is_new = follower.last is None or follower.horizon != horizon
        follower.start(got)
        self._followers[key, sphere] = follower
        if is_new:
            await self._read_past(key, follower)
        while follower.behind:
            limit = self.rng.choice([1, 3, 500])
            gap: Frame = {**where, "after": follower.last, "limit": limit}
            page = await self.command(Command(key, "history", gap))
            follower.take_page(page["events"], past=False)
            self.expect("a gap is filled", bool(page["events"]))

    async def _read_past(self, key: int, follower: Follower) -> None:
        before = (follower.last or 0) + 1
        for _ in range(self.rng.randrange(4)):
            limit = self.rng.choice([1, 4, 500])
            asked = {**follower.where, "before": before, "limit": limit}
            page = await self.command(Command(key, "history", asked))
            follower.take_page(page["events"], past=True)
            if not page["more"]:
                return
            before = page["events"][0]["seq"]

    async def _law(self) -> None:
        if not self._followers:
            await self._follow_something()
            return
        await self.settle()
        if self._followers:
            await self._check_law(*self.rng.choice(list(self._followers)))

    async def _check_law(self, key: int, sphere: str) -> None:
        """Compare what a client holds with what another device is told afresh."""
        await self.settle()
        old, me = self._followers.get((key, sphere)), self.world.connections.get(key)
        if old is None or me is None:
            return
        self.note(f"the law: {me} in {sphere}")
        other = await self.open(me.session)
        fresh = Follower()
        fresh.start(await self.command(Command(other.key, "subscribe", old.where)))
        after, more = 0, True
        while more:
            asked = {**old.where, "after": after, "limit": self.rng.choice([7, 50, 500])}
            page = await self.command(Command(other.key, "history", asked))
            fresh.take_page(page["events"], past=True)
            more = page["more"]
            after = page["events"][-1]["seq"] if page["events"] else after
        await self.settle()
        await self.close(other.key)
        self.counts["law: compared"] += 1
        self.counts["law: of a thread"] += "thread" in old.where
        self.counts["law: former"] += len(fresh.former)
        if old.waits:
            raise Deviation(f"{me} in {sphere} has a hole: {old.last}, {sorted(old._held)}")
        if found := unlike(old, fresh):
            raise Deviation(
                f"snapshot and events are not a fresh snapshot, {me} in {sphere}: {found}"
            )


Sent = tuple[Command, int]


def _orders(sent: list[Sent]) -> Iterator[list[Sent]]:
    """Go through every order in which commands sent at once may have happened.

    `subscribe` is two acts: it ends the former subscription, then takes a snapshot.
    """
    acts = [*sent]
    acts += [(step._replace(kind=ENDS), one) for step, one in sent if step.kind == "subscribe"]
    for order in itertools.permutations(acts):
        places = {(step.kind == ENDS, request, step.connection): place
                  for place, (step, request) in enumerate(order)}  # fmt: skip
        if all(
            place < places[False, request, connection]
            for (is_end, request, connection), place in places.items()
            if is_end
        ):
            yield list(order)


def perform(world: World, step: Command, request: int) -> Frame:
    """Do a command in the model; return the reply that must come."""
    me = world.connections[step.connection]
    try:
        reply = COMMANDS[step.kind](world, me, step.fields) | {"id": request}
    except Refusal as refusal:
        return {"type": "error", "id": request, "error": _refusal(refusal)}
    if (lane := IN_LANE.get(reply["type"])) is not None:
        world.tell(me, lane(reply), reply)
    return reply


def _refusal(refusal: Refusal) -> Frame:
    if refusal.code == "not_found":
        return dict(NOT_FOUND)
    said = {"code": refusal.code, "message": Anything(str), "temporary": refusal.code in TEMPORARY}
    if refusal.code == "too_fast":
        said["retry_after_ms"] = Anything(int)
    return said | refusal.more


def is_told(frame: Frame) -> bool:
    """Say whether a frame has its place in a lane."""
    if frame["type"] in SIGNALS:
        return False
    return "id" not in frame or frame["type"] in IN_LANE


def timeline_of(asked: Frame) -> str:
    """Return the id of the timeline that a command names."""
    return str(asked.get("thread") or asked["sphere"])


def _forget(held: dict[tuple[int, str], Follower], key: int, timeline: str) -> None:
    """Forget a timeline, and with a sphere every thread of it."""
    for one in [one for one in held if one[0] == key]:
        if timeline in {one[1], held[one].where["sphere"]}:
            del held[one]


def lane_of(frame: Frame) -> str:
    """Return the sphere that a frame is about."""
    if "thread" in frame and frame["type"] != "listening":
        thread = frame["thread"]
        return str(thread["thread"] if isinstance(thread, dict) else thread)
    if (of_reply := IN_LANE.get(frame["type"])) is not None:
        return str(of_reply(frame))
    if "invitation" in frame:
        return str(frame["invitation"]["sphere"])
    sphere = frame.get("sphere") or ""
    return str(sphere["sphere"] if isinstance(sphere, dict) else sphere)


def _short(frame: Frame) -> str:
    if frame["type"] == "error":
        return str(frame["error"]["code"])
    return f"{frame['type']} {frame.get('seq', '')}".strip()
