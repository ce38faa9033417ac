"""The model itself: what it allows, said in examples, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.catalogue import Catalogue
from tests.oracle.follower import Follower, unlike
from tests.oracle.model.people import Connection, Frame, Member, Organisation, Session
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules import COMMANDS
from tests.oracle.unknown import Comparison, Unknown, Unordered, plain


class Town:
    """A world with Ana, Bob, Cleo and Max, who is a manager, each on one line."""

    def __init__(self) -> None:
        self.world = World(now=1)
        organisation = Organisation("o", "acme")
        for key, name in enumerate(("ana", "bob", "cleo", "max")):
            role = "manager" if name == "max" else "member"
            member = Member(name, organisation, name.title(), role, f"{name}@example.org")
            session = Session(key, member, f"token of {name}", Unknown("id"), 1)
            self.world.members.append(member)
            self.world.connections[key] = Connection(key, session)

    def line(self, name: str) -> Connection:
        return next(one for one in self.world.living() if one.member.id == name)

    def does(self, who: str, kind: str, /, **asked: Any) -> Frame:
        return COMMANDS[kind](self.world, self.line(who), asked)

    def refuses(self, who: str, kind: str, /, **asked: Any) -> str:
        with pytest.raises(Refusal) as refused:
            self.does(who, kind, **asked)
        return refused.value.code

    def found(self, *inside: str, **settings: Any) -> str:
        self.does(inside[0], "create", name="Design")
        sphere = self.world.spheres[-1]
        sphere.id.value = f"sphere{len(self.world.spheres)}"
        if settings:
            self.does(inside[0], "configure", sphere=sphere.id.value, revision=1, **settings)
        for name in inside[1:]:
            self.does(inside[0], "invite", sphere=sphere.id.value, member=name)
            self.does(name, "join", sphere=sphere.id.value)
        return str(sphere.id.value)

    def posts(self, name: str, sphere: str, body: str) -> None:
        revision = self.world.spheres[-1].revision
        self.does(name, "post", sphere=sphere, revision=revision, client_id=body, body=body)

    def reads(self, name: str, sphere: str) -> list[tuple[int, str]]:
        page = self.does(name, "history", sphere=sphere, after=0)
        return [(one["seq"], one.get("body", one["type"])) for one in page["events"]]

    def heard(self, name: str) -> list[str]:
        return [told.frame["type"] for told in self.line(name).told]


def test_a_newcomer_sees_from_their_arrival_on() -> None:
    town = Town()
    sphere = town.found("ana")
    town.posts("ana", sphere, "before")

    town.does("ana", "invite", sphere=sphere, member="bob")
    town.does("bob", "join", sphere=sphere)
    town.posts("ana", sphere, "after")

    assert town.reads("bob", sphere) == [(3, "member_joined"), (4, "after")]


def test_a_newcomer_sees_what_was_written_while_history_was_visible_but_a_manager_does_not() -> (
    None
):
    town = Town()
    sphere = town.found("ana", history="visible")
    town.posts("ana", sphere, "for newcomers")

    town.does("ana", "invite", sphere=sphere, member="bob")
    town.does("bob", "join", sphere=sphere)
    town.does("max", "enter", sphere=sphere)

    assert (3, "for newcomers") in town.reads("bob", sphere)
    assert town.reads("max", sphere) == [(5, "manager_entered")]


_ASKED: dict[str, Frame] = {
    "history": {},
    "subscribe": {},
    "leave": {},
    "join": {},
    "decline": {},
    "post": {"revision": 1, "client_id": "12345678", "body": "x"},
    "configure": {"revision": 9},
}


def test_what_becomes_of_a_message_is_told_to_whom_it_was_for_and_history_says_it_as_it_is() -> (
    None
):
    town = Town()
    sphere = town.found("ana")
    town.posts("ana", sphere, "befor")
    town.does("ana", "invite", sphere=sphere, member="bob")
    town.does("bob", "join", sphere=sphere)
    for name in ("ana", "bob"):
        town.does(name, "subscribe", sphere=sphere)

    town.does("ana", "edit", sphere=sphere, revision=1, message=2, body="before")
    town.does("ana", "edit", sphere=sphere, revision=1, message=2, body="before")
    town.does("ana", "react", sphere=sphere, message=2, reaction="x")

    assert town.heard("ana")[-2:] == ["message_edited", "reaction_added"]
    assert town.heard("bob")[-2:] == ["erased", "erased"]
    assert town.reads("ana", sphere)[1] == (2, "before")
    assert town.refuses("bob", "react", sphere=sphere, message=2, reaction="x") == "not_found"


def test_a_deletion_takes_what_hangs_on_the_message_and_leaves_the_answers() -> None:
    town = Town()
    sphere = town.found("ana", "bob")
    town.posts("ana", sphere, "gone")
    town.does("bob", "react", sphere=sphere, message=3, reaction="x")
    asked = {"revision": 1, "client_id": "12345678", "body": "answer", "reply_to": 3}
    town.does("bob", "post", sphere=sphere, **asked)

    town.does("ana", "delete", sphere=sphere, message=3)

    assert town.reads("bob", sphere) == [
        (2, "member_joined"), (3, "erased"), (4, "erased"), (5, "answer"), (6, "message_deleted"),
    ]  # fmt: skip
    assert town.does("bob", "history", sphere=sphere)["events"][3]["reply_to"] == 3
    assert town.does("bob", "subscribe", sphere=sphere, after=5)["purges"] == [
        {"author": "ana", "before": 4, "message": 3}
    ]
    assert (
        town.refuses("ana", "edit", sphere=sphere, revision=1, message=3, body="x") == "not_found"
    )


def test_who_leaves_takes_along_their_reactions_and_what_others_hung_on_their_messages() -> None:
    town = Town()
    sphere = town.found("ana", "bob")
    town.posts("ana", sphere, "of ana")
    town.posts("bob", sphere, "of bob")
    town.does("bob", "react", sphere=sphere, message=3, reaction="x")
    town.does("ana", "react", sphere=sphere, message=4, reaction="x")

    town.does("bob", "leave", sphere=sphere)

    assert [kind for _, kind in town.reads("ana", sphere)[3:6]] == ["erased"] * 3


def test_outside_every_answer_is_the_same() -> None:
    town = Town()
    sphere = town.found("ana")

    refused = {
        town.refuses("bob", kind, sphere=one, **more)
        for one in (sphere, "nowhere")
        for kind, more in _ASKED.items()
    }

    assert refused == {"not_found"}


def test_who_leaves_takes_everything_along_and_the_others_are_told() -> None:
    town = Town()
    sphere = town.found("ana", "bob")
    town.does("ana", "subscribe", sphere=sphere)
    town.posts("bob", sphere, "gone")

    left = town.does("bob", "leave", sphere=sphere)

    assert left["certificate"]["messages_erased"] == 1
    assert town.reads("ana", sphere) == [
        (1, "member_joined"),
        (2, "erased"),
        (3, "erased"),
        (4, "member_left"),
    ]
    assert town.heard("ana")[-2:] == ["message_posted", "member_left"]
    assert town.refuses("bob", "history", sphere=sphere) == "not_found"


def test_who_comes_back_is_told_what_to_forget() -> None:
    town = Town()
    sphere = town.found("ana", "bob")
    town.posts("bob", sphere, "gone")
    town.does("bob", "leave", sphere=sphere)

    subscribed = town.does("ana", "subscribe", sphere=sphere, after=3)

    assert subscribed["purges"] == [{"author": "bob", "before": 4}]
    assert town.does("ana", "subscribe", sphere=sphere, after=4)["purges"] == []


def test_an_anonymous_bequest_keeps_the_words_under_an_author_that_names_nobody() -> None:
    town = Town()
    sphere = town.found("ana", "bob")
    town.posts("bob", sphere, "kept")
    town.does("bob", "bequeath", sphere=sphere, form="anonymous")

    town.does("bob", "leave", sphere=sphere)

    page = town.does("ana", "history", sphere=sphere)["events"]
    kept = next(one for one in page if one.get("body") == "kept")
    assert isinstance(kept["author"], Unknown)
    assert "bob" not in repr(page[:-1])


def test_the_last_administrator_is_succeeded_by_who_has_been_there_longest() -> None:
    town = Town()
    sphere = town.found("ana", "bob", "cleo")
    town.does("max", "enter", sphere=sphere)

    town.does("ana", "leave", sphere=sphere)

    assert town.does("bob", "subscribe", sphere=sphere)["sphere"]["role"] == "administrator"
    assert town.does("cleo", "subscribe", sphere=sphere)["sphere"]["role"] == "member"


def test_an_unknown_is_learnt_once_and_never_a_known_id() -> None:
    unknown = Unknown("id")
    known = "a" * 26
    comparison = Comparison({known})

    assert comparison.difference({"author": unknown}, {"author": known})
    assert comparison.difference({"author": unknown}, {"author": "b" * 26}) is None
    assert comparison.difference({"author": unknown}, {"author": "c" * 26})
    assert plain([unknown]) == ["b" * 26]


def test_what_was_learnt_from_a_frame_that_differs_is_unlearnt() -> None:
    unknown = Unknown("id")

    assert Comparison(set()).difference([unknown, 1], ["b" * 26, 2])
    assert unknown.value is None


def test_a_list_without_an_order_is_compared_without_one() -> None:
    comparison = Comparison(set())
    unknown = Unknown("id")

    assert (
        comparison.difference(Unordered([{"a": unknown}, {"a": 1}]), [{"a": 1}, {"a": "b" * 26}])
        is None
    )
    assert comparison.difference(Unordered([1, 2]), [1, 1])
    assert comparison.difference(Unordered([1]), [1, 1])


def _message(seq: int, author: str = "ana") -> Frame:
    return {"type": "message_posted", "sphere": "s", "seq": seq, "at": 1, "author": author}


def _snapshot(head: int, *, purges: list[Frame] | None = None) -> Frame:
    sphere = dict.fromkeys(("name", "audience", "history", "listed", "revision"), 1)
    return {
        "purges": purges or [],
        "sphere": sphere | {"horizon": 1, "head": head},
        "members": [{"member": "ana", "name": "Ana", "role": "member"}],
        "former": [],
        "connectors": [],
        "reads": [],
    }


def test_a_follower_merges_by_seq_and_waits_at_a_hole() -> None:
    follower = Follower()
    follower.start(_snapshot(1))

    for seq in (3, 2, 2, 5):
        follower.take(_message(seq))

    assert sorted(follower.events) == [2, 3]
    assert follower.waits


def test_a_follower_revises_what_it_holds_of_a_message() -> None:
    follower = Follower()
    follower.start(_snapshot(1))
    place = {"sphere": "s", "at": 9}
    about = {"message": 2, "by": "bob", "reaction": "x"}

    follower.take({**_message(2), "body": "befor"})
    follower.take({"type": "message_edited", "seq": 3, "author": "ana", "message": 2,
                   "body": "before", **place})  # fmt: skip
    follower.take({"type": "reaction_added", "seq": 4, **place, **about})
    assert follower.events[2]["body"] == "before"
    assert follower.events[2]["edited_at"] == 9

    follower.take({"type": "reaction_removed", "seq": 5, **place, **about})
    assert follower.events[4] == {"type": "gone"}

    follower.take({"type": "message_deleted", "seq": 6, "message": 2, **place})
    assert {seq for seq, one in follower.events.items() if one["type"] == "gone"} == {2, 3, 4, 5}


def test_a_catalogue_is_kept_fresh_by_notices() -> None:
    listed = {"spheres": [{"sphere": "s"}], "threads": [], "private": "accept"}
    held = Catalogue(listed)

    held.take({"type": "thread_added", "thread": {"thread": "t", "sphere": "s"}})
    held.take({"type": "sphere_added", "sphere": {"sphere": "other"}})
    held.take({"type": "sphere_forgotten", "sphere": "s"})

    fresh = {**listed, "spheres": [{"sphere": "other"}]}
    assert held.differs(Catalogue(fresh)) is None
    assert held.differs(Catalogue(listed)) is not None


def test_a_follower_forgets_before_it_replays() -> None:
    follower = Follower()
    follower.start(_snapshot(1))
    follower.take(_message(2))

    follower.start(_snapshot(3, purges=[{"author": "ana", "before": 3}]))
    fresh = Follower()
    fresh.start(_snapshot(3))
    fresh.take_page([{"type": "erased", "seq": 2}, _message(3)], past=True)

    assert unlike(follower, fresh) is not None
    follower.take_page([_message(3)], past=False)
    assert unlike(follower, fresh) is None
