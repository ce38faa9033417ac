"""The law of a conversation: what a client holds by folding what it is told = what is there.

Three members and a manager post, answer, edit, delete, react, come, go, bequeath and withdraw in
any order, while the history setting changes. After each step everybody who is inside holds, live
and when they come back now and then, what the store would tell whoever reads the timeline for the
first time with the same seat; and nobody was ever told of a message that they could never see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server import errors
from server.channels import arrivals, departures, messages, reactions, spheres
from server.channels.outcome import Limits, Outcome, Request
from server.channels.posts import Draft, commit_posts
from server.domain.facts import Seat, Sphere
from server.domain.visibility import Stamp
from server.protocol import commands
from server.protocol.scalars import Bequest, History, MemberRole
from storage import spheres as sphere_store
from storage import stays, timeline
from storage.database import Transaction
from tests.channels.holding import Frame, Held
from tests.channels.listeners import Ear, Node
from tests.house import Resident
from tests.storage.shelf import Shelf

NOW = 1_800_000_000_000
NAMES = ("ana", "bob", "carol", "max")
ACTS = (
    *("come", "come", "leave", "post", "post", "reply", "edit", "edit", "delete", "react", "react"),
    *("unreact", "none", "named", "anonymous", "show", "hide", "return"),
)
Step = tuple[str, str, int]


class Scene(Shelf):
    """A shelf with an organisation and a sphere in it."""

    people: dict[str, Resident]
    sphere: str

    def furnish(self) -> None:
        """Make the people, and a sphere that Ana administers."""
        run = self.runner.run
        acme = run(self.house.organisation())
        self.people = {
            name: run(
                self.house.resident(
                    acme,
                    name.title(),
                    MemberRole.MANAGER if name == "max" else MemberRole.MEMBER,
                )
            )
            for name in NAMES
        }
        self.sphere = run(self.house.sphere(self.people["ana"]))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Return one scene for all examples: each is undone."""
    opened = Scene(tmp_path_factory.mktemp("law"))
    opened.furnish()
    yield opened
    opened.close()


class Client:
    """Somebody inside: a device that hears everything, and one that comes back now and then."""

    def __init__(self, talk: Talk, who: Resident, seat: Seat) -> None:
        self.talk = talk
        self.seat = seat
        self.ear = Ear(who.member)
        self.taken = 0
        self.live = self.fresh()
        self.returning = self.fresh()
        self.last = talk.head

    def page(self) -> list[Frame]:
        """Return all that one may see, as the store tells it."""
        return self.talk.page(self.seat)

    def fresh(self) -> Held:
        """Return what somebody holds who reads it all for the first time."""
        held = Held(self.page)
        held.hear(self.page())
        return held

    def hear(self) -> None:
        """Take what the hub handed over since."""
        events = self.ear.events
        self.live.hear(events[self.taken :])
        self.taken = len(events)

    def come_back(self) -> None:
        """Resume: purges first, then what is new."""
        talk = self.talk
        purges = timeline.purges(talk.tx, talk.scene.sphere, self.seat, after=self.last)
        told = [msgspec.to_builtins(purge) for purge in purges]
        talk.check_secret(self.seat, told)
        self.returning.forget(told)
        self.returning.hear(event for event in self.page() if event["seq"] > self.last)
        self.last = talk.head


class Talk:
    """What happens in one transaction, and who holds what of it."""

    def __init__(self, tx: Transaction, scene: Scene) -> None:
        self.tx = tx
        self.scene = scene
        self.node = Node()
        self.stamps: dict[int, int] = {}  #: of every message that was ever written
        self.authors: dict[int, str] = {}
        self.clients: dict[str, Client] = {}
        self.count = 0
        self._let_in("ana")

    @property
    def head(self) -> int:
        """Return the last seq."""
        return self.sphere.head

    @property
    def sphere(self) -> Sphere:
        """Return the sphere as it stands."""
        found = sphere_store.get(self.tx, self.scene.sphere)
        assert found is not None
        return found

    def page(self, seat: Seat) -> list[Frame]:
        """Return all that who has this seat may see."""
        contents, more = timeline.page(
            self.tx, self.sphere, seat, after=None, before=None, limit=500
        )
        assert not more
        events = [msgpack.unpackb(content) for content in contents]
        self.check_secret(seat, events)
        return events

    def check_secret(self, seat: Seat, told: list[Frame]) -> None:
        """Check that nothing tells of a message that who has this seat could never see."""
        for frame in told:
            for seq in (frame.get("message"), frame.get("reply_to")):
                if seq is not None and seq < seat.horizon:
                    assert self.stamps[seq] & Stamp.NEWCOMERS, frame
                    assert not seat.entered, frame

    def step(self, step: Step) -> None:
        """Take one step, and publish what came of it."""
        name, act, n = step
        try:
            outcome = self._act(name, act, n)
        except (errors.NotFound, errors.Full):
            return
        if outcome is None:
            return
        for _, gone in outcome.publication.departures:
            self.clients = {
                who: client for who, client in self.clients.items() if client.ear.member.id != gone
            }
        self.node.publish(outcome.publication)
        for client in self.clients.values():
            client.hear()
            self.check_secret(client.seat, client.ear.events)
        if act == "come":
            self._let_in(name)

    def check(self) -> None:
        """Check the law for everybody inside."""
        for name, client in self.clients.items():
            assert client.live == client.fresh(), name

    def _act(  # noqa: PLR0911  # one an act
        self, name: str, act: str, n: int
    ) -> Outcome | None:
        inside = name in self.clients
        where: dict[str, Any] = {"id": 1, "sphere": self.scene.sphere}
        at = self._choose(name if act in {"edit", "delete"} else None, n)
        match act:
            case "come" if not inside and self.clients:
                return self._come(name, where)
            case "post" | "reply" if inside:
                return self._post(name, at if act == "reply" else None)
            case "edit":
                self.count += 1
                asked: Any = commands.Edit(
                    **where, revision=self.sphere.revision, message=at, body=f"edit {self.count}"
                )
                return messages.edit(self.tx, self._request(name, asked))
            case "delete":
                return messages.delete(
                    self.tx, self._request(name, commands.Delete(**where, message=at))
                )
            case "react" | "unreact":
                asked = commands.React(
                    **where, message=at, reaction="abc"[n % 2], on=act == "react"
                )
                return reactions.react(self.tx, self._request(name, asked))
            case "leave" if inside and len(self.clients) > 1:
                return departures.leave(self.tx, self._request(name, commands.Leave(**where)))
            case "none" | "named" | "anonymous":
                asked = commands.Bequeath(**where, form=Bequest(act))
                return departures.bequeath(self.tx, self._request(name, asked))
            case "show" | "hide":
                return self._configure(where, History.VISIBLE if act == "show" else History.HIDDEN)
            case "return" if inside:
                client = self.clients[name]
                client.come_back()
                assert client.returning == client.fresh(), name
        return None

    def _choose(self, author: str | None, n: int) -> int:
        """Return the place of one of the messages that were ever written, by somebody or at all."""
        places = [seq for seq, who in self.authors.items() if author in {None, who}]
        return places[n % len(places)] if places else 1

    def _come(self, name: str, where: dict[str, Any]) -> Outcome:
        if name == "max":
            return arrivals.enter(self.tx, self._request(name, commands.Enter(**where)))
        asked = commands.Invite(**where, member=self.scene.people[name].id)
        arrivals.invite(self.tx, self._request(self._host(), asked))
        return arrivals.join(self.tx, self._request(name, commands.Join(**where)))

    def _configure(self, where: dict[str, Any], history: History) -> Outcome:
        asked = commands.Configure(**where, revision=self.sphere.revision, history=history)
        return spheres.configure(self.tx, self._request(self._host(), asked))

    def _host(self) -> str:
        """Return somebody who administers."""
        inside = {stay.member for stay in stays.of_sphere(self.tx, self.scene.sphere)
                  if stay.role == "administrator"}  # fmt: skip
        return next(name for name in NAMES if self.scene.people[name].id in inside)

    def _post(self, name: str, reply_to: int | None) -> Outcome:
        self.count += 1
        draft = Draft(
            id=1,
            sphere=self.scene.sphere,
            author=self.scene.people[name].id,
            revision=self.sphere.revision,
            client_id=f"client-{self.count:06}",
            body=f"message {self.count}",
            reply_to=reply_to,
        )
        (outcome,) = commit_posts(self.tx, [draft], NOW)
        if isinstance(outcome, errors.Refusal):
            raise outcome
        (entry,) = outcome.publication.entries
        self.stamps[entry.event.seq] = entry.stamp
        self.authors[entry.event.seq] = name
        return outcome

    def _let_in(self, name: str) -> None:
        _, roster = stays.views(self.tx, self.scene.sphere)
        who = self.scene.people[name]
        client = self.clients[name] = Client(self, who, roster[who.id])
        self.node.listen(client.ear, roster=roster, head=self.head, sphere=self.scene.sphere)

    def _request(self, name: str, command: Any) -> Request[Any]:
        return Request(
            command=command,
            member=self.scene.people[name].member,
            now=NOW,
            limits=Limits(reactions_per_message_max=1),
        )


def _steps(story: str) -> list[Step]:
    words = (line.split() for line in story.split(","))
    return [(name, act, int(n)) for name, act, n in words]


BOTH_LEFT_SOMETHING = (
    "bob come 0, bob post 0, bob edit 0, ana react 0, bob react 0, bob anonymous 0, bob leave 0,"
    "ana return 0, bob come 0, bob post 0, ana return 0, bob none 0"
)
A_REPLY_TO_WHAT_NEWCOMERS_MAY_NOT_SEE = (
    "ana post 0, ana show 0, ana reply 0, carol come 0, ana react 0, ana react 1, carol react 1,"
    "carol react 0, ana edit 0, ana edit 1, ana reply 0, ana delete 0, ana delete 1, carol return 0"
)
A_MANAGER_ENTERS_AND_HEARS_NOTHING_OF_BEFORE = (
    "ana show 0, ana post 0, max come 0, bob come 0, ana edit 0, bob react 0, ana reply 0,"
    "ana delete 0, max return 0, bob return 0"
)
A_REACTION_OF_AN_EARLIER_STAY = (
    "ana show 0, ana post 0, bob come 0, bob react 0, bob named 0, bob leave 0, bob come 0,"
    "bob react 0, bob unreact 0, ana return 0, bob none 0"
)
A_DELETION_WHILE_AWAY = (
    "bob come 0, bob post 0, ana react 0, ana return 0, bob edit 0, bob delete 0, ana return 0"
)


@example(_steps(BOTH_LEFT_SOMETHING))
@example(_steps(A_REPLY_TO_WHAT_NEWCOMERS_MAY_NOT_SEE))
@example(_steps(A_MANAGER_ENTERS_AND_HEARS_NOTHING_OF_BEFORE))
@example(_steps(A_REACTION_OF_AN_EARLIER_STAY))
@example(_steps(A_DELETION_WHILE_AWAY))
@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(ACTS), st.integers(0, 9)),
        min_size=10,
        max_size=40,
    )
)
def test_what_everybody_holds_is_what_is_there_and_nothing_tells_of_what_they_may_not_see(
    scene: Scene, steps: list[Step]
) -> None:
    def talk(tx: Transaction) -> None:
        held = Talk(tx, scene)
        for step in steps:
            held.step(step)
            held.check()

    scene.within(talk)
