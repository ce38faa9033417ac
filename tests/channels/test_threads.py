"""Private threads between the hub and the sockets, and in one transaction of the store."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.event import listen

from server import errors
from server.channels import departures, reading, threads
from server.channels.outcome import Limits, Outcome, Request
from server.channels.posts import PrivateDraft, commit_posts
from server.domain.facts import Seat
from server.protocol import commands
from server.protocol.codec import JSON, MSGPACK, Encoding
from server.protocol.events import MemberLeft, PrivatePosted, ThreadStarted
from server.protocol.scalars import Bequest, Parting
from storage import schema, sealing, spheres, stays
from storage import threads as stored
from storage.database import Transaction
from storage.timeline import Entry
from tests.channels.listeners import ANA, BOB, CAROL, SPHERE, Ear, Node, entry, joined, said
from tests.house import Resident
from tests.storage.shelf import Shelf

THREAD = "h" * 26
NOW = 1_800_000_000_000
TWO = {who.id: Seat(horizon=1) for who in (ANA, BOB)}


def whispered(seq: int) -> Entry:
    """Return a private message at ``seq``."""
    return entry(
        PrivatePosted(
            sphere=SPHERE, thread=THREAD, seq=seq, at=1, author=ANA.id, scheme="plain", sealed=b"x"
        )
    )


def began(seq: int = 1) -> Entry:
    """Return the beginning of a thread between Ana and Bob."""
    return entry(
        ThreadStarted(
            sphere=SPHERE, thread=THREAD, seq=seq, at=1, by=ANA.id, members=[ANA.id, BOB.id]
        )
    )


def parted(seq: int) -> Entry:
    """Return Bob's departure from the thread."""
    return entry(
        MemberLeft(
            sphere=SPHERE, thread=THREAD, seq=seq, at=1, member=BOB.id, how=Parting.LEFT,
            kept=Bequest.NONE,
        )
    )  # fmt: skip


@pytest.mark.parametrize("way", ["fast", "slow"])
@pytest.mark.parametrize("encoding", [MSGPACK, JSON])
def test_what_is_said_in_a_thread_goes_to_nobody_who_listens_to_the_sphere_alone(
    encoding: Encoding, way: str
) -> None:
    node = Node()
    inside = node.listen(Ear(BOB, encoding, hot=way == "fast"), sphere=THREAD, roster=TWO)
    both = node.listen(Ear(CAROL, encoding, hot=way == "fast"))

    node.publish(said(began()), said(whispered(2)), said(joined(1, CAROL)), said(whispered(3)))

    assert [event["type"] for event in both.events] == ["member_joined"]
    assert [event["seq"] for event in inside.events] == [1, 2, 3]


def test_the_roster_of_a_thread_is_that_of_its_participants_and_not_of_the_sphere() -> None:
    node = Node()
    node.listen(Ear(CAROL))
    stray = node.listen(Ear(CAROL), sphere=THREAD, roster=TWO)  # as if the first wall were down
    node.listen(Ear(ANA), sphere=THREAD, roster=TWO)

    node.publish(said(whispered(1)), said(whispered(2)))

    assert stray.events == []


def test_the_beginning_of_a_thread_is_its_roster() -> None:
    node = Node()
    wide = {who.id: Seat(horizon=1) for who in (ANA, BOB, CAROL)}
    stray = node.listen(Ear(CAROL), sphere=THREAD, roster=wide)
    ana = node.listen(Ear(ANA), sphere=THREAD, roster=wide)

    node.publish(said(began(), whispered(2)))

    assert stray.events == []
    assert [event["seq"] for event in ana.events] == [1, 2]


def test_who_left_a_thread_hears_nothing_more_of_it_by_the_event_alone() -> None:
    node = Node()
    bob = node.listen(Ear(BOB), sphere=THREAD, roster=TWO)
    ana = node.listen(Ear(ANA), sphere=THREAD, roster=TWO)

    node.publish(said(whispered(1), parted(2), whispered(3)))  # no control: the second wall alone

    assert [event["seq"] for event in bob.events] == [1]
    assert [event["seq"] for event in ana.events] == [1, 2, 3]


def test_a_page_of_a_thread_is_read_again_when_something_of_it_was_erased_and_no_other() -> None:
    node = Node()
    ear = Ear(ANA)
    node.hub.greet(ear, hidden=False)
    with node.hub.reading(THREAD, ear) as mine, node.hub.reading(SPHERE, ear) as whole:
        node.publish(said(parted(2)))

        assert (mine.outdated, whole.outdated) == (True, False)


class Scene(Shelf):
    """A shelf with a sphere of three, and a thread between the first two."""

    def furnish(self) -> None:
        """Make them."""
        run = self.runner.run
        acme = run(self.house.organisation())
        self.ana, self.bob, self.carol = [
            run(self.house.resident(acme, name)) for name in ("Ana", "Bob", "Carol")
        ]
        self.sphere = run(self.house.sphere(self.ana, self.bob, self.carol))
        self.other = run(self.house.sphere(self.ana, self.bob, name="Other"))
        self.thread = self.keep(lambda tx: converse(tx, self.ana, self.sphere, self.bob))
        self.keep(lambda tx: self.whisper(tx, self.bob))

    def whisper(self, tx: Transaction, author: Resident, sphere: str | None = None) -> object:
        """Post to the thread, in a transaction of the writer's."""
        draft = PrivateDraft(
            id=1, sphere=sphere or self.sphere, thread=self.thread, author=author.id, revision=1,
            client_id=f"client-of-{author.member.name}", scheme="plain", sealed=b"words",
        )  # fmt: skip
        (outcome,) = commit_posts(tx, [draft], NOW)
        return outcome


def request(who: Resident, command: commands.Command, **limits: int) -> Request[commands.Command]:
    """Return a command as an action gets it."""
    return Request(command=command, member=who.member, now=NOW, limits=Limits(**limits))


def converse(tx: Transaction, who: Resident, sphere: str, *others: Resident) -> str:
    """Begin a thread; return its id."""
    asked = commands.Converse(
        id=1, sphere=sphere, revision=1, members=[other.id for other in others]
    )
    outcome = threads.converse(tx, request(who, asked))  # type: ignore[arg-type]  # of its command
    thread: str = outcome.reply.thread.thread  # type: ignore[union-attr]  # of its reply
    return thread


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Return one scene for all: each test's transaction is undone."""
    opened = Scene(tmp_path_factory.mktemp("threads"))
    opened.furnish()
    yield opened
    opened.close()


def test_whoever_asks_for_spheres_is_shown_no_thread(scene: Scene) -> None:
    def ask(tx: Transaction) -> None:
        # As if something had opened and listed it: it is a thread all the same.
        tx.exec_driver_sql(
            "UPDATE sphere SET audience = 'open', listed = 1 WHERE id = ?", (scene.thread,)
        )
        ana, carol = scene.ana.member, scene.carol.member

        assert spheres.get(tx, scene.thread) is None
        assert spheres.standing(tx, scene.thread, ana.id) is None
        assert spheres.open_to(tx, carol, limit=9) == []
        assert {sphere.id for sphere, _ in spheres.of_member(tx, ana.id)} == {
            scene.sphere, scene.other
        }  # fmt: skip
        assert {one.sphere for one in spheres.of_organisation(tx, ana.organisation)} == {
            scene.sphere, scene.other
        }  # fmt: skip
        assert stays.count_of_member(tx, ana.id) == 2

    scene.within(ask)


def test_a_thread_is_found_under_its_own_sphere_alone(scene: Scene) -> None:
    def ask(tx: Transaction) -> None:
        found = stored.standing(tx, scene.sphere, scene.thread, scene.ana.id)
        outside = stored.standing(tx, scene.sphere, scene.thread, scene.carol.id)

        assert found is not None
        assert found.home == spheres.get(tx, scene.sphere)
        assert (found.sphere.id, found.sphere.parent) == (scene.thread, scene.sphere)
        assert outside is None
        assert stored.standing(tx, scene.other, scene.thread, scene.ana.id) is None
        assert stored.standing(tx, scene.sphere, scene.sphere, scene.ana.id) is None
        assert stored.standing(tx, scene.thread, scene.thread, scene.ana.id) is None

    scene.within(ask)


def test_who_listens_to_a_thread_is_let_in_with_its_participants_as_the_roster(
    scene: Scene,
) -> None:
    asked = commands.Subscribe(id=1, sphere=scene.sphere, thread=scene.thread)

    found = scene.within(lambda tx: reading.snapshot(tx, request(scene.ana, asked)))  # type: ignore[arg-type]  # of its command

    assert found.roster == {who.id: Seat(horizon=1) for who in (scene.ana, scene.bob)}
    assert found.head == 2


def test_no_stamp_of_the_sphere_is_on_what_is_said_in_its_threads(scene: Scene) -> None:
    def say(tx: Transaction) -> object:
        tx.exec_driver_sql(
            "UPDATE sphere SET audience = 'public', history = 'visible' WHERE id = ?",
            (scene.sphere,),
        )
        scene.whisper(tx, scene.ana)
        return tx.exec_driver_sql(
            "SELECT max(stamp) FROM event WHERE sphere = ?", (scene.thread,)
        ).scalar()

    assert scene.within(say) == 0


def test_a_post_is_taken_from_participants_under_the_right_sphere_alone(scene: Scene) -> None:
    mine = scene.within(lambda tx: scene.whisper(tx, scene.ana))
    theirs = scene.within(lambda tx: scene.whisper(tx, scene.carol))
    elsewhere = scene.within(lambda tx: scene.whisper(tx, scene.bob, scene.other))

    assert isinstance(mine, Outcome)
    assert isinstance(theirs, errors.NotFound)
    assert isinstance(elsewhere, errors.NotFound)


@pytest.mark.parametrize("left", ["the thread", "the sphere"])
def test_a_departure_is_one_transaction_with_those_from_threads(scene: Scene, left: str) -> None:
    before = scene.rows()
    chosen = scene.thread if left == "the thread" else None
    asked = commands.Leave(id=1, sphere=scene.sphere, thread=chosen)

    def leave(tx: Transaction) -> tuple[list[str], list[bytes]]:
        outcome = departures.leave(tx, request(scene.bob, asked))  # type: ignore[arg-type]  # of its command
        # The first wall: the hub drops who listened, and voids what was being read.
        assert (scene.thread, scene.bob.id) in outcome.publication.departures
        return [one.member for one in stays.of_sphere(tx, scene.thread)], sealing.doomed(tx)

    stay, doomed = scene.within(leave)

    assert stay == [scene.ana.id]
    assert len(doomed) == (1 if chosen else 2)  # their key in each timeline that they wrote on
    assert scene.rows() == before  # undone as a whole, as a crash would


def test_nothing_of_a_thread_outlives_its_last_participant_or_its_sphere(scene: Scene) -> None:
    def end(tx: Transaction) -> tuple[int, int]:
        for who in (scene.bob, scene.ana):
            asked = commands.Leave(id=1, sphere=scene.sphere, thread=scene.thread)
            departures.leave(tx, request(who, asked))  # type: ignore[arg-type]  # of its command
        return _remains(tx, scene.thread), len(sealing.doomed(tx))

    def dissolve(tx: Transaction) -> tuple[int, int]:
        stored.dissolve_all(tx, scene.sphere)
        return _remains(tx, scene.thread), len(sealing.doomed(tx))

    assert scene.within(end) == (0, 1)
    assert scene.within(dissolve) == (0, 1)


def _remains(tx: Transaction, thread: str) -> int:
    """Return how many rows name a thread."""
    places = [schema.sphere.c.id] + [
        table.c.sphere for table in (schema.event, schema.stay, schema.author_key, schema.purge)
    ]
    return sum(
        tx.execute(select(func.count()).where(place == thread)).scalar_one() for place in places
    )


def test_a_draft_is_what_it_says_and_where(scene: Scene) -> None:
    draft = PrivateDraft(
        id=1, sphere=scene.sphere, thread=scene.thread, author=scene.ana.id, revision=1,
        client_id="client-0001", scheme="plain", sealed=b"words",
    )  # fmt: skip
    event = draft.event(2, NOW)

    assert draft.is_same(event)
    assert not draft.is_same(msgspec.structs.replace(event, scheme="mls-1"))
    assert not draft.is_same(msgspec.structs.replace(event, sealed=b"other"))
    assert not draft.is_same(None)
    assert event.timeline == scene.thread


def test_to_find_a_thread_asks_the_store_as_often_for_many_as_for_two(scene: Scene) -> None:
    def asked(tx: Transaction, *others: str) -> int:
        """Return how many statements it takes to find the thread that there is."""
        request = Request(
            command=commands.Converse(id=1, sphere=scene.sphere, revision=1, members=list(others)),
            member=scene.ana.member,
            now=NOW,
            limits=Limits(),
        )
        first = threads.converse(tx, request).reply
        seen: list[str] = []
        listen(tx, "before_cursor_execute", lambda *told: seen.append(told[2]))
        assert threads.converse(tx, request).reply == first
        return len(seen)

    def ask(tx: Transaction) -> None:
        two = asked(tx, scene.bob.id)
        assert asked(tx, scene.bob.id, scene.carol.id) == two

    scene.within(ask)
