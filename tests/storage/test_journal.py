"""The journal is written where events are, and every kind of event is decided on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from server.domain.facts import Sphere
from server.protocol import events
from server.protocol.scalars import SphereRole
from server.protocol.views import MemberView
from storage import journal, spheres, timeline
from storage.database import Transaction
from storage.schema import sphere as spheres_table
from tests.storage.shelf import Shelf, shelf

MEMBER = "m" * 26
#: After these nobody else may read, and no other settings hold. A new kind of event must be put
#: here, or into ``journal.RECORDED``.
UNRECORDED = {
    "bequest_withdrawn",
    "connector_posted",
    "erased",
    "member_renamed",
    "message_deleted",
    "message_edited",
    "message_posted",
    "reaction_added",
    "reaction_removed",
    # A private thread has no journal: there is nobody to show it to who was not told.
    "private_edited",
    "private_posted",
    "thread_started",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Shelf]:
    """Return a database with an organisation."""
    with shelf(tmp_path) as opened:
        opened.runner.run(opened.house.organisation())
        yield opened


def made(tx: Transaction, parent: str | None = None) -> Sphere:
    """Return a new sphere, or a private thread of one."""
    organisation = tx.exec_driver_sql("SELECT id FROM organisation").scalar_one()
    sphere = spheres.create(tx, organisation=organisation, name="Design team", now=1)
    if parent is None:
        return sphere
    tx.execute(spheres_table.update().where(spheres_table.c.id == sphere.id).values(parent=parent))
    return msgspec.structs.replace(sphere, parent=parent)


def arrive(tx: Transaction, to: Sphere) -> None:
    """Append an arrival."""
    shown = MemberView(member=MEMBER, name="Ana", role=SphereRole.MEMBER, entered=False)
    timeline.append(
        tx,
        to,
        lambda seq: events.MemberJoined(
            sphere=to.home, thread=to.thread, seq=seq, at=1, member=shown
        ),
    )


def test_every_kind_of_event_is_decided_on() -> None:
    every = {str(kind.__struct_config__.tag) for kind in get_args(events.AnyTimelineEvent)}
    recorded = {str(kind.__struct_config__.tag) for kind in journal.RECORDED}

    assert recorded | UNRECORDED == every
    assert not recorded & UNRECORDED


def test_whatever_appends_an_arrival_records_it(store: Shelf) -> None:
    def act(tx: Transaction) -> tuple[int, int]:
        sphere = made(tx)
        arrive(tx, sphere)
        before = journal.head(tx, sphere.id).seq
        timeline.append(
            tx,
            sphere,
            lambda seq: events.MemberRenamed(
                sphere=sphere.id, seq=seq, at=1, member=MEMBER, name="Anna"
            ),
        )
        return before, journal.head(tx, sphere.id).seq

    assert store.within(act) == (1, 1)


def test_a_private_thread_has_no_journal(store: Shelf) -> None:
    def act(tx: Transaction) -> tuple[int, int]:
        sphere = made(tx)
        thread = made(tx, parent=sphere.id)
        arrive(tx, thread)
        return journal.head(tx, sphere.id).seq, journal.head(tx, thread.id).seq

    assert store.within(act) == (0, 0)


def test_two_spheres_have_two_chains(store: Shelf) -> None:
    def act(tx: Transaction) -> list[str]:
        chains = [made(tx), made(tx)]
        for one in (*chains, *chains):
            arrive(tx, one)
        return [journal.page(tx, one.id, above=0, limit=9)[0] for one in chains]

    assert store.within(act) == ["0" * 64, "0" * 64]


def test_a_record_is_gone_with_its_event_when_the_transaction_fails(store: Shelf) -> None:
    def act(tx: Transaction) -> None:
        arrive(tx, made(tx))

    store.within(act)

    assert store.rows()["journal"] == store.rows()["event"] == []
