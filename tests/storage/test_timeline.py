from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from server.domain.facts import Seat, Sphere
from server.domain.visibility import may_member_see
from server.protocol import codec
from server.protocol.events import MessagePosted
from server.protocol.scalars import Audience, History
from storage import spheres, timeline
from storage.database import Transaction
from storage.schema import event
from storage.timeline import About
from tests.storage.shelf import Shelf, shelf

AUTHORS = ["a" * 26, "b" * 26]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[Shelf]:
    """Return one database for all examples: each is undone."""
    with shelf(tmp_path_factory.mktemp("timeline")) as opened:
        yield opened


def _sphere(tx: Transaction) -> Sphere:
    organisation = tx.exec_driver_sql("SELECT id FROM organisation").scalar_one_or_none()
    assert organisation is not None
    return spheres.create(tx, organisation=organisation, name="Design team", now=1)


@pytest.fixture(autouse=True)
def _tenant(store: Shelf) -> None:
    if not store.rows()["organisation"]:
        store.runner.run(store.house.organisation())


class Told(msgspec.Struct):
    """One event as the model has it."""

    seq: int
    body: str
    stamp: int
    size: int


settings_ = st.tuples(st.sampled_from(Audience), st.sampled_from(History))
stories = st.lists(
    st.tuples(st.integers(0, 400), settings_, st.sampled_from([None, *AUTHORS])), max_size=25
)
bounds = st.none() | st.integers(0, 28)


def _tell(tx: Transaction, story: list[tuple[int, Any, str | None]]) -> tuple[Sphere, list[Told]]:
    sphere = _sphere(tx)
    model = []
    for length, (audience, history), author in story:
        to = msgspec.structs.replace(sphere, audience=audience, history=history)
        body = "x" * (length + 1)

        def build(seq: int, body: str = body) -> MessagePosted:
            return MessagePosted(sphere=sphere.id, seq=seq, at=5, author=AUTHORS[0], body=body)

        entry = timeline.append(tx, to, build, author=author)
        at = event.c.sphere == sphere.id, event.c.seq == entry.event.seq
        stored = tx.execute(select(event.c.stamp, func.length(event.c.content)).where(*at)).one()
        model.append(Told(entry.event.seq, body, stored[0], stored[1]))
    return sphere, model


@given(
    story=stories,
    horizon=st.integers(1, 27),
    entered=st.booleans(),
    after=bounds,
    before=bounds,
    limit=st.integers(1, 12),
    bytes_max=st.sampled_from([300, 1_000, 1_048_576]),
)
def test_a_page_is_what_the_rule_allows_in_order_within_its_bounds(
    store: Shelf,
    story: list[tuple[int, Any, str | None]],
    horizon: int,
    entered: bool,  # noqa: FBT001  # drawn
    after: int | None,
    before: int | None,
    limit: int,
    bytes_max: int,
) -> None:
    def check(tx: Transaction) -> None:
        sphere, model = _tell(tx, story)
        contents, more = timeline.page(
            tx,
            sphere,
            Seat(horizon=horizon, entered=entered),
            after=after,
            before=before,
            limit=limit,
        )

        wanted = [
            told
            for told in model
            if may_member_see(told.seq, told.stamp, horizon, entered=entered)
            and (after is None or told.seq > after)
            and (before is None or told.seq < before)
        ]
        if before is not None:
            wanted.reverse()
        page: list[Told] = []
        for told in wanted[:limit]:
            if page and sum(one.size for one in page) + told.size > bytes_max:
                break
            page.append(told)
        rising = sorted(page, key=lambda told: told.seq)
        events: list[Any] = [codec.restore(content) for content in contents]
        assert [(event.seq, event.body) for event in events] == [
            (told.seq, told.body) for told in rising
        ]
        assert more is (len(page) < len(wanted))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "PAGE_BYTES_MAX", bytes_max)
        store.within(check)


@given(story=stories)
def test_seq_rises_by_one_and_the_head_is_the_last_one(
    store: Shelf, story: list[tuple[int, Any, str | None]]
) -> None:
    def check(tx: Transaction) -> None:
        sphere, model = _tell(tx, story)
        found = spheres.get(tx, sphere.id)

        assert [told.seq for told in model] == list(range(1, len(story) + 1))
        assert found is not None
        assert found.head == len(story)

    store.within(check)


@given(story=stories)
def test_the_stamp_is_that_of_the_settings_at_the_time(
    store: Shelf, story: list[tuple[int, Any, str | None]]
) -> None:
    def check(tx: Transaction) -> None:
        _, model = _tell(tx, story)

        assert [told.stamp for told in model] == [
            (history is History.VISIBLE) + 2 * (audience is Audience.PUBLIC)
            for _, (audience, history), _ in story
        ]

    store.within(check)


@given(
    marks=st.lists(st.tuples(st.sampled_from(AUTHORS), st.integers(1, 20)), max_size=8),
    horizon=st.integers(1, 12),
    after=st.integers(0, 12),
)
def test_who_comes_back_learns_of_the_purges_since_then_and_of_none_before_their_time(
    store: Shelf, marks: list[tuple[str, int]], horizon: int, after: int
) -> None:
    def check(tx: Transaction) -> None:
        sphere = _sphere(tx)
        for seq, (author, before) in enumerate(marks, start=1):
            timeline.record_purge(tx, sphere.id, seq=seq, author=author, before=before)

        found = timeline.purges(tx, sphere.id, Seat(horizon=horizon), after=after)

        assert [(purge.author, purge.before) for purge in found] == [
            mark for seq, mark in enumerate(marks, start=1) if seq > after and seq >= horizon
        ]

    store.within(check)


def test_what_is_about_earlier_events_is_veiled_to_who_may_see_none_of_them(store: Shelf) -> None:
    def check(tx: Transaction) -> None:
        sphere = _sphere(tx)
        timeline.append(
            tx,
            sphere,
            lambda seq: MessagePosted(
                sphere=sphere.id, seq=seq, at=5, author=AUTHORS[0], body="about the past"
            ),
            about=About(seq=4),
        )
        kinds = [
            type(codec.restore(content)).__name__
            for horizon in (1, 4, 5)
            for content in timeline.page(
                tx, sphere, Seat(horizon=horizon), after=None, before=None, limit=9
            )[0]
        ]

        assert kinds == ["MessagePosted"]  # at seq 1: within the first horizon alone

    store.within(check)
