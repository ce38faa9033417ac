"""What edits, deletions and references leave in the store, and what is being read meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from server import errors
from server.channels import messages, reactions
from server.channels.outcome import Limits, Outcome, Request
from server.channels.posts import Draft, commit_posts
from server.protocol import commands
from server.protocol.events import (
    MessageDeleted,
    MessageEdited,
    PrivateEdited,
    ReactionAdded,
    ReactionRemoved,
    TimelineEvent,
)
from storage.database import Transaction
from tests.channels.listeners import ANA, SPHERE, Ear, Node, entry, said
from tests.house import Resident
from tests.storage.shelf import Shelf

NOW = 1_800_000_000_000
AT: dict[str, Any] = {"sphere": SPHERE, "seq": 9, "at": 1}
BY: dict[str, Any] = {"by": ANA.id, "message": 3, "reaction": "+1"}
OF: dict[str, Any] = {"author": ANA.id, "message": 3}
EVENTS: list[tuple[TimelineEvent, bool]] = [
    (MessageEdited(**AT, **OF, body="otherwise"), True),
    (PrivateEdited(**AT, **OF, scheme="plain", sealed=b"otherwise"), True),
    (MessageDeleted(**AT, message=3), True),
    (ReactionRemoved(**AT, **BY), True),
    (ReactionAdded(**AT, **BY), False),
]


class Scene(Shelf):
    """A shelf with two spheres in it: Ana is in both, Bob in the first."""

    ana: Resident
    bob: Resident
    here: str
    there: str

    def furnish(self) -> None:
        """Make them."""
        run = self.runner.run
        acme = run(self.house.organisation())
        self.ana = run(self.house.resident(acme, "Ana"))
        self.bob = run(self.house.resident(acme, "Bob"))
        self.here = run(self.house.sphere(self.ana, self.bob))
        self.there = run(self.house.sphere(self.ana))

    def draft(self, sphere: str, number: int, **fields: Any) -> Draft:
        """Return a message of Ana's."""
        return Draft(
            id=1, sphere=sphere, author=self.ana.id, revision=1, client_id=f"client-{number:04}",
            body="hello", **fields,
        )  # fmt: skip

    def request(self, command: Any) -> Request[Any]:
        """Return what Ana asks."""
        return Request(command=command, member=self.ana.member, now=NOW, limits=Limits())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Return one scene for all tests: each is undone."""
    opened = Scene(tmp_path_factory.mktemp("messages"))
    opened.furnish()
    yield opened
    opened.close()


@pytest.mark.parametrize(("event", "erases"), EVENTS)
def test_what_was_read_before_something_of_it_was_erased_is_read_again(
    event: TimelineEvent,
    erases: bool,  # noqa: FBT001  # a parameter
) -> None:
    node, ear = Node(), Ear(ANA)
    node.hub.greet(ear, hidden=False)
    with node.hub.reading(SPHERE, ear) as page:
        node.publish(said(entry(event)))

        assert page.outdated is erases


def test_who_is_mentioned_in_one_sphere_of_a_batch_is_not_inside_another_of_it(
    scene: Scene,
) -> None:
    def check(tx: Transaction) -> None:
        mentions = (scene.bob.id,)
        drafts = [
            scene.draft(scene.here, 1, mentions=mentions),
            scene.draft(scene.there, 2, mentions=mentions),
            scene.draft(scene.here, 3, reply_to=1),
        ]

        inside, outside, to_an_arrival = commit_posts(tx, drafts, NOW)

        assert isinstance(inside, Outcome)
        assert isinstance(outside, errors.InvalidField)
        assert isinstance(to_an_arrival, errors.NotFound)

    scene.within(check)


def test_the_place_of_what_was_deleted_says_nothing_of_what_it_was_about(scene: Scene) -> None:
    def check(tx: Transaction) -> None:
        commit_posts(tx, [scene.draft(scene.here, 1)], NOW)
        commit_posts(tx, [scene.draft(scene.here, 2, reply_to=3)], NOW)
        where: dict[str, Any] = {"id": 1, "sphere": scene.here, "message": 4}
        reactions.react(tx, scene.request(commands.React(**where, reaction="+1")))
        messages.edit(tx, scene.request(commands.Edit(**where, revision=1, body="otherwise")))

        messages.delete(tx, scene.request(commands.Delete(**where)))

        rows = tx.exec_driver_sql(
            "SELECT seq, kind, concerns, concerns_stamp, author, receipt FROM event"
            " WHERE sphere = ? AND seq BETWEEN 4 AND 6 ORDER BY seq",
            (scene.here,),
        ).all()
        assert [tuple(row)[:4] for row in rows] == [(seq, 0, None, 0) for seq in (4, 5, 6)]
        assert rows[0].author == scene.ana.id, "so that it is not posted again"
        assert [tuple(row)[4:] for row in rows[1:]] == [(None, None)] * 2

    scene.within(check)
