"""What leaving leaves: the rows of the database, and the law «what a client holds = what is there».

A walk of one member through arrivals, posts, bequests, departures and withdrawals, watched by a
member who hears every event, and by one who only comes back now and then: after each step, what
both hold by folding what they were told must be what the store would tell a newcomer to the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.channels import arrivals, departures
from server.channels.outcome import Limits, Outcome, Request
from server.channels.posts import BotDraft, Draft, commit_posts
from server.domain.facts import Member, Seat, Sphere
from server.protocol import codec, commands
from server.protocol.scalars import Bequest
from storage import connectors, spheres, timeline
from storage.database import Transaction
from tests.channels.desk import seq_of
from tests.house import Resident
from tests.storage.shelf import Shelf

WORDS = "the heron flies at dusk"
NOW = 1_800_000_000_000


class Scene(Shelf):
    """A shelf with an organisation and a sphere in it."""

    ana: Resident
    bob: Resident
    sphere: str

    def furnish(self) -> None:
        """Make Ana, who administers a sphere, and Bob, who is outside."""
        run = self.runner.run
        acme = run(self.house.organisation())
        self.ana = run(self.house.resident(acme, "Ana"))
        self.bob = run(self.house.resident(acme, "Bob"))
        self.sphere = run(self.house.sphere(self.ana))

    def now(self, tx: Transaction) -> Sphere:
        """Return the sphere as it stands."""
        found = spheres.get(tx, self.sphere)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Return one scene for all examples: each is undone."""
    opened = Scene(tmp_path_factory.mktemp("departures"))
    opened.furnish()
    yield opened
    opened.close()


def _request(member: Member, command: Any) -> Request[Any]:
    return Request(command=command, member=member, now=NOW, limits=Limits())


Timeline = dict[int, tuple[str, str]]


class Walk:
    """Bob's walk in one transaction, and what two clients of Ana's hold of it."""

    def __init__(self, tx: Transaction, scene: Scene) -> None:
        self.tx = tx
        self.scene = scene
        self.inside = False
        self.left_something = False
        self.live: Timeline = {}
        self.returning: Timeline = {}
        self.last = 1
        self.count = 0

    def page(self, after: int = 0) -> Timeline:
        """Return every message of the timeline, as the store tells it."""
        contents, _ = timeline.page(
            self.tx, self.scene.now(self.tx), Seat(horizon=1), after=after, before=None, limit=500
        )
        events: list[Any] = [codec.restore(content) for content in contents]
        return {event.seq: (event.author, event.body) for event in events if hasattr(event, "body")}

    def hear(self, outcome: Outcome) -> None:
        """Fold what was published, as protocol.md says."""
        for entry in outcome.publication.entries:
            event: Any = entry.event
            match type(event).__name__:
                case "MessagePosted":
                    self.live[event.seq] = event.author, event.body
                case "MemberLeft" if event.kept is not Bequest.NAMED:
                    self._forget(self.live, event.member, event.seq, again=True)
                case "BequestWithdrawn":
                    self._forget(self.live, event.author, event.before, again=False)

    def _forget(self, held: Timeline, author: str, before: int, *, again: bool) -> None:
        gone = [seq for seq, (who, _) in held.items() if who == author and seq < before]
        for seq in gone:
            del held[seq]
        if again:
            there = self.page()
            held |= {seq: there[seq] for seq in gone if seq in there}

    def come_back(self) -> None:
        """Let the client that was away resume: purges first, then what is new."""
        for purge in timeline.purges(self.tx, self.scene.sphere, Seat(horizon=1), after=self.last):
            self._forget(self.returning, purge.author, purge.before, again=True)
        self.returning |= self.page(after=self.last)
        head = self.tx.exec_driver_sql(
            "SELECT head FROM sphere WHERE id = ?", (self.scene.sphere,)
        ).scalar()
        assert isinstance(head, int)
        self.last = head

    def step(self, act: str) -> None:
        """Take one step of Bob's."""
        bob, sphere = self.scene.bob.member, self.scene.sphere
        match act:
            case "come" if not self.inside:
                self._invite()
                self.hear(arrivals.join(self.tx, _request(bob, commands.Join(id=1, sphere=sphere))))
                self.inside = True
            case "post" if self.inside:
                self.count += 1
                self._post(self.scene.bob, f"{WORDS} {self.count}")
            case "leave" if self.inside:
                asked = commands.Leave(id=1, sphere=sphere)
                self.hear(departures.leave(self.tx, _request(bob, asked)))
                self.inside = False
            case "none" | "named" | "anonymous":
                self._bequeath(Bequest(act))

    def _invite(self) -> None:
        asked = commands.Invite(id=1, sphere=self.scene.sphere, member=self.scene.bob.id)
        arrivals.invite(self.tx, _request(self.scene.ana.member, asked))

    def _post(self, author: Resident, body: str) -> None:
        draft = Draft(
            id=1, sphere=self.scene.sphere, author=author.id, revision=1,
            client_id=f"client-of-walk-{self.count:04}", body=body,
        )  # fmt: skip
        (outcome,) = commit_posts(self.tx, [draft], NOW)
        assert isinstance(outcome, Outcome)
        self.hear(outcome)

    def _bequeath(self, form: Bequest) -> None:
        asked = commands.Bequeath(id=1, sphere=self.scene.sphere, form=form)
        try:
            self.hear(departures.bequeath(self.tx, _request(self.scene.bob.member, asked)))
        except errors.NotFound:
            assert not self.inside


STEPS = ["come", "post", "post", "leave", "none", "named", "anonymous"]


@given(st.lists(st.sampled_from(STEPS), max_size=24), st.integers(1, 4))
def test_what_clients_hold_is_what_is_there_whatever_is_left_bequeathed_and_withdrawn(
    scene: Scene, steps: list[str], away: int
) -> None:
    def walk(tx: Transaction) -> None:
        bob = Walk(tx, scene)
        for number, act in enumerate(steps):
            bob.step(act)
            assert bob.live == bob.page(), steps[: number + 1]
            if number % away == 0:
                bob.come_back()
                assert bob.returning == bob.page(), steps[: number + 1]

    scene.within(walk)


@pytest.mark.parametrize(
    "steps",
    [
        "come post anonymous leave come post named leave none",
        "come post named leave come post anonymous leave none",
        "come post anonymous leave come post anonymous leave none",
        "come post named leave come post none leave",
        "come post anonymous leave come post none",
    ],
)
def test_every_order_of_bequests_can_be_withdrawn_wholly(scene: Scene, steps: str) -> None:
    def walk(tx: Transaction) -> None:
        bob = Walk(tx, scene)
        for act in steps.split():
            bob.step(act)
        said = [body for _, body in bob.page().values()]

        assert said == ([f"{WORDS} 2"] if bob.inside else [])
        assert bob.live == bob.page()

    scene.within(walk)


def _cells(tx: Transaction) -> Iterator[tuple[str, str, Any]]:
    """Yield every value of every column of every table."""
    names = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type='table'").scalars().all()
    for table in names:
        result = tx.exec_driver_sql(f'SELECT * FROM "{table}"')  # noqa: S608  # a table's name
        columns = list(result.keys())
        for row in result:
            yield from ((table, column, value) for column, value in zip(columns, row, strict=True))


def _holding(tx: Transaction, words: str) -> set[str]:
    """Return the columns in which ``words`` stand."""
    return {
        f"{table}.{column}"
        for table, column, value in _cells(tx)
        if words.encode() in (value if isinstance(value, bytes) else str(value).encode())
    }


def test_after_a_departure_no_column_holds_a_word_or_a_client_id_and_only_the_exit_names_the_leaver(
    scene: Scene,
) -> None:
    def walk(tx: Transaction) -> None:
        bob = Walk(tx, scene)
        for act in ["come", "post", "post", "leave"]:
            bob.step(act)

        assert _holding(tx, WORDS) == set()
        assert _holding(tx, "client-of-walk") == set()
        named = {"member.id", "event.content", "purge.author", "journal.record"}
        assert _holding(tx, scene.bob.id) == named
        about = tx.exec_driver_sql(
            "SELECT count(*) FROM author_key WHERE author = ?", (scene.bob.id,)
        )
        assert about.scalar() == 0
        assert _kinds(tx, scene) == ["Erased", "Erased", "Erased", "MemberLeft"]
        bare = "SELECT count(*) FROM event WHERE seq > 1 AND author IS NULL AND alias IS NULL"
        assert tx.exec_driver_sql(f"{bare} AND receipt IS NULL").scalar() == 4

    scene.within(walk)


def test_what_is_kept_anonymously_names_nobody_on_the_wire(scene: Scene) -> None:
    def walk(tx: Transaction) -> None:
        bob = Walk(tx, scene)
        for act in ["come", "post", "anonymous", "leave", "come", "post", "anonymous", "leave"]:
            bob.step(act)
        authors = {author for author, _ in bob.page().values()}

        arrived_wrote_left = ["Erased", "MessagePosted", "MemberLeft"]
        assert _kinds(tx, scene) == arrived_wrote_left * 2
        assert len(bob.page()) == 2
        assert scene.bob.id not in authors
        assert len(authors) == 2, "two stays cannot be linked"
        assert not any(author in _people(tx) for author in authors)

    scene.within(walk)


def _kinds(tx: Transaction, scene: Scene) -> list[str]:
    """Return what stands at each place after Ana's arrival."""
    contents, _ = timeline.page(tx, scene.now(tx), Seat(horizon=1), after=1, before=None, limit=99)
    return [type(codec.restore(content)).__name__ for content in contents]


def _people(tx: Transaction) -> set[str]:
    return set(tx.exec_driver_sql("SELECT id FROM member").scalars())


def test_a_certificate_counts_what_was_cleared(scene: Scene) -> None:
    def walk(tx: Transaction) -> None:
        bob = Walk(tx, scene)
        for act in ["come", "post", "post", "post"]:
            bob.step(act)
        connectors.install(
            tx, digest=b"d" * 32, sphere_id=scene.sphere, name="Builds", by=scene.bob.id, now=NOW
        )
        asked = commands.Leave(id=1, sphere=scene.sphere)
        outcome = departures.leave(tx, _request(scene.bob.member, asked))
        certificate = outcome.reply.certificate  # type: ignore[union-attr]  # of a leave

        assert outcome.erased
        assert (certificate.messages_erased, certificate.messages_kept) == (3, 0)
        assert certificate.connectors_revoked == len(outcome.publication.revoked) == 1
        assert outcome.publication.departures == ((scene.sphere, scene.bob.id),)

    scene.within(walk)


def test_the_last_one_out_leaves_no_row_of_the_sphere(scene: Scene) -> None:
    def walk(tx: Transaction) -> None:
        bob = Walk(tx, scene)
        for act in ["come", "post", "named", "leave"]:
            bob.step(act)
        asked = commands.Leave(id=1, sphere=scene.sphere)

        outcome = departures.leave(tx, _request(scene.ana.member, asked))

        assert outcome.publication.entries == ()
        assert _holding(tx, scene.sphere) == set()
        assert _holding(tx, WORDS) == set()

    scene.within(walk)


def test_a_client_id_names_one_message_of_one_author_in_one_sphere(scene: Scene) -> None:
    def walk(tx: Transaction) -> None:
        Walk(tx, scene).step("come")

        def post(author: Resident, body: str, client_id: str = "client-id") -> Any:
            draft = Draft(
                id=1, sphere=scene.sphere, author=author.id, revision=1, client_id=client_id,
                body=body,
            )  # fmt: skip
            return commit_posts(tx, [draft], NOW)[0]

        first, again = post(scene.bob, "hello"), post(scene.bob, "hello")
        other, reused = post(scene.ana, "hello"), post(scene.bob, "goodbye")

        assert seq_of(first) == seq_of(again) == 3
        assert again.publication.entries == ()
        assert seq_of(other) == 4
        assert isinstance(reused, errors.ClientIdReused)

    scene.within(walk)


def test_a_post_from_outside_is_not_found_even_with_a_known_client_id(scene: Scene) -> None:
    def walk(tx: Transaction) -> None:
        bob = Walk(tx, scene)
        draft = Draft(
            id=1, sphere=scene.sphere, author=scene.bob.id, revision=1, client_id="client-id",
            body="hello",
        )  # fmt: skip
        for act in ["come", "named"]:
            bob.step(act)
        seq_of(commit_posts(tx, [draft], NOW)[0])
        bob.step("leave")

        assert isinstance(commit_posts(tx, [draft], NOW)[0], errors.NotFound)

    scene.within(walk)


def test_a_bots_post_is_answered_alike_stored_or_known_and_never_with_a_number(
    scene: Scene,
) -> None:
    def walk(tx: Transaction) -> None:
        made = connectors.install(
            tx, digest=b"d" * 32, sphere_id=scene.sphere, name="Builds", by=scene.ana.id, now=NOW
        )
        draft = BotDraft(id=7, connector=made.id, client_id="client-id", body="green")

        first, again = commit_posts(tx, [draft], NOW) + commit_posts(tx, [draft], NOW)
        connectors.revoke(tx, scene.sphere, made.id)
        dead = commit_posts(tx, [draft], NOW)[0]

        assert isinstance(first, Outcome)
        assert isinstance(again, Outcome)
        assert first.reply == again.reply
        assert (len(first.publication.entries), len(again.publication.entries)) == (1, 0)
        assert isinstance(dead, errors.NotAuthenticated)

    scene.within(walk)


def test_an_example_leaves_no_trace(scene: Scene) -> None:
    before = scene.rows()

    scene.within(lambda tx: Walk(tx, scene).step("come"))

    assert scene.rows() == before
