"""What anyone may read of a sphere: the statements against the rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update

from server.domain.facts import Sphere, Stay
from server.domain.visibility import Stamp, may_reader_see, stamp_of
from server.protocol.events import ConnectorPosted, MessagePosted
from server.protocol.scalars import PAGE_BYTES_MAX, Audience, Bequest, History, SphereRole
from storage import departures, publicity, spheres, stays, timeline
from storage.database import Transaction
from storage.schema import event
from storage.schema import sphere as table
from storage.timeline import Kind
from tests import engines
from tests.storage.shelf import Shelf, shelf

AUTHORS = ["a" * 26, "b" * 26]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[Shelf]:
    """Return one database for all examples: each is undone."""
    with shelf(tmp_path_factory.mktemp("publicity")) as opened:
        opened.runner.run(opened.house.organisation())
        yield opened


def _sphere(tx: Transaction) -> Sphere:
    organisation = tx.exec_driver_sql("SELECT id FROM organisation").scalar_one()
    return spheres.create(tx, organisation=organisation, name="Design team", now=1)


class Told(msgspec.Struct):
    """One event as the model has it."""

    seq: int
    body: str | None  #: of a message that is there
    stamp: int
    size: int


stories = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.sampled_from(Audience),
        st.sampled_from(History),
        st.sampled_from(AUTHORS),
        st.sampled_from([Kind.MESSAGE, Kind.MESSAGE, Kind.NEWS, Kind.EDIT, Kind.REACTION]),
    ),
    max_size=25,
)
bounds = st.none() | st.integers(0, 28)


def _message(of: Sphere, author: str, length: int, seq: int) -> MessagePosted:
    return MessagePosted(sphere=of.id, seq=seq, at=1, author=author, body=f"{seq} " + "x" * length)


def _tell(tx: Transaction, story: list[Any]) -> tuple[Sphere, list[Told]]:
    sphere, told = _sphere(tx), []
    for length, audience, history, author, kind in story:
        to = msgspec.structs.replace(sphere, audience=audience, history=history)
        entry = timeline.append(
            tx,
            to,
            partial(_message, sphere, author, length),
            author=author,
            kind=kind,
        )
        event = entry.event
        assert isinstance(event, MessagePosted)
        told.append(
            Told(
                seq=event.seq,
                body=event.body if kind is Kind.MESSAGE else None,
                stamp=int(stamp_of(audience, history)),
                size=len(entry.content),
            )
        )
    return sphere, told


@given(story=stories, after=bounds, before=bounds, limit=st.integers(1, 30), gone=st.booleans())
def test_a_page_for_readers_holds_what_the_rule_allows(
    store: Shelf,
    story: list[Any],
    after: int | None,
    before: int | None,
    limit: int,
    gone: bool,  # noqa: FBT001  # drawn
) -> None:
    def ask(tx: Transaction) -> tuple[list[Told], list[str], bool]:
        sphere, told = _tell(tx, story)
        if gone:
            departures.erase(tx, sphere, AUTHORS[0])
        found, more = publicity.page(tx, sphere, after=after, before=before, limit=limit)
        return told, [one.event.body for one in found if isinstance(one.event, MessagePosted)], more

    told, bodies, more = store.within(ask)

    shown = [
        one.body
        for one, (_, _, _, author, _) in zip(told, story, strict=True)
        if may_reader_see(one.stamp)
        and one.body is not None
        and not (gone and author == AUTHORS[0])
        and (after is None or one.seq > after)
        and (before is None or one.seq < before)
    ]
    rising = after is not None and before is None
    assert bodies == (shown[:limit] if rising else shown[-limit:])
    assert more == (len(shown) > limit)


def test_a_page_is_cut_by_bytes_and_never_empty_for_that(store: Shelf) -> None:
    story = [(15_990, Audience.PUBLIC, History.HIDDEN, AUTHORS[0], Kind.MESSAGE)] * 80

    def ask(tx: Transaction) -> tuple[int, bool]:
        sphere, _ = _tell(tx, story)
        found, more = publicity.page(tx, sphere, after=None, before=None, limit=500)
        return len(found), more

    count, more = store.within(ask)

    assert more
    assert PAGE_BYTES_MAX // 16_200 <= count <= PAGE_BYTES_MAX // 16_000


@pytest.mark.parametrize("statements", [publicity._UPWARDS, publicity._DOWNWARDS])
def test_what_is_not_for_readers_is_not_even_passed_over(store: Shelf, statements: Any) -> None:
    explain = "EXPLAIN QUERY PLAN" if engines.is_sqlite() else "EXPLAIN"

    def ask(tx: Transaction) -> str:
        given = {"sphere": "s" * 26, "above": 0, "below": 9, "most": 3}
        plan = tx.execute(text(f"{explain} {statements[tx.dialect.name].text}"), given)
        return "\n".join(str(row[-1]) for row in plan)

    plan = store.within(ask)

    if engines.is_sqlite():
        assert "SEARCH e USING INDEX ix_event_sphere_seq (sphere=? AND seq>? AND seq<?)" in plan
        assert "TEMP B-TREE" not in plan
    else:
        assert re.search("Index Scan (Backward )?using ix_event_sphere_seq on event e", plan)
        assert "Sort" not in plan


def test_the_index_of_readers_means_the_kind_and_the_stamp_that_the_rules_name() -> None:
    assert f"e.kind = {int(Kind.MESSAGE)} " in publicity._FOUND
    assert f"(e.stamp & {int(Stamp.READERS)}) != 0" in publicity._FOUND
    assert f"b.form = '{Bequest.NAMED}'" in publicity._FOUND


def test_only_a_public_sphere_is_found(store: Shelf) -> None:
    def ask(tx: Transaction) -> dict[Audience, bool]:
        found = {}
        for audience in Audience:
            sphere = msgspec.structs.replace(_sphere(tx), audience=audience)
            spheres.change(tx, sphere)
            found[audience] = publicity.sphere_of(tx, sphere.id) is not None
        return found

    assert store.within(ask) == {
        Audience.CLOSED: False,
        Audience.OPEN: False,
        Audience.PUBLIC: True,
    }


def test_a_thread_that_were_public_by_some_fault_is_not_found(store: Shelf) -> None:
    def ask(tx: Transaction) -> list[bool]:
        sphere = msgspec.structs.replace(_sphere(tx), audience=Audience.PUBLIC)
        spheres.change(tx, sphere)
        found = [publicity.sphere_of(tx, sphere.id) is not None]
        tx.execute(update(table).where(table.c.id == sphere.id).values(parent="p" * 26))
        return [*found, publicity.sphere_of(tx, sphere.id) is not None]

    assert store.within(ask) == [True, False]


# -- names


def _left_behind(store: Shelf, form: Bequest) -> list[str | None]:
    """Return the names that readers see of somebody inside, then out, then back in.

    When they went they left this behind.
    """
    house, runner = store.house, store.runner
    organisation = store.read(
        lambda tx: tx.exec_driver_sql("SELECT id FROM organisation").scalar_one()
    )
    who = runner.run(house.resident(organisation, "Bob"))
    other = runner.run(house.resident(organisation, "Ana"))
    sphere_id = runner.run(house.sphere(other, who))

    def ask(tx: Transaction) -> list[str | None]:
        sphere = spheres.get(tx, sphere_id)
        assert sphere is not None
        sphere = msgspec.structs.replace(sphere, audience=Audience.PUBLIC)
        timeline.append(
            tx,
            sphere,
            lambda seq: MessagePosted(sphere=sphere_id, seq=seq, at=1, author=who.id, body="words"),
            author=who.id,
            kind=Kind.MESSAGE,
        )
        names = [_name(tx, sphere)]
        stays.bequeath(tx, sphere_id, who.id, form)
        stays.end(tx, sphere_id, who.id)
        if form is Bequest.ANONYMOUS:
            departures.anonymise(tx, sphere, who.id)
        names.append(_name(tx, sphere))
        again = Stay(member=who.id, role=SphereRole.MEMBER, entered=False, horizon=9)
        stays.begin(tx, sphere_id, again)
        return [*names, _name(tx, sphere)]

    return store.within(ask)


def _name(tx: Transaction, sphere: Sphere) -> str | None:
    (found,), _ = publicity.page(tx, sphere, after=None, before=None, limit=10)
    return found.name


def test_a_name_is_shown_of_who_is_inside_or_left_it_behind(store: Shelf) -> None:
    assert _left_behind(store, Bequest.NAMED) == ["Bob", "Bob", "Bob"]
    assert _left_behind(store, Bequest.ANONYMOUS) == ["Bob", None, None]


def test_words_that_were_left_behind_without_a_name_and_without_a_bequest_have_none(
    store: Shelf,
) -> None:
    inside, out, _ = _left_behind(store, Bequest.NONE)  # as if their erasure had been forgotten

    assert (inside, out) == ("Bob", None)


def test_what_a_bot_brought_is_found_like_any_message(store: Shelf) -> None:
    def ask(tx: Transaction) -> list[Any]:
        sphere = msgspec.structs.replace(_sphere(tx), audience=Audience.PUBLIC)
        timeline.append(
            tx,
            sphere,
            lambda seq: ConnectorPosted(
                sphere=sphere.id,
                seq=seq,
                at=1,
                connector="c" * 26,
                name="Builds",
                installed_by="a" * 26,
                body="green",
            ),
            author="c" * 26,
            kind=Kind.MESSAGE,
        )
        return publicity.page(tx, sphere, after=0, before=None, limit=10)[0]

    (found,) = store.within(ask)

    assert (found.event.body, found.name) == ("green", None)


def test_words_whose_key_is_destroyed_are_passed_over(store: Shelf) -> None:
    story = [(9, Audience.PUBLIC, History.HIDDEN, AUTHORS[0], Kind.MESSAGE)]

    def ask(tx: Transaction) -> list[Any]:
        sphere, _ = _tell(tx, story)
        tx.execute(update(event).where(event.c.sphere == sphere.id).values(content=bytes(60)))
        return publicity.page(tx, sphere, after=None, before=None, limit=10)[0]

    assert store.within(ask) == []
