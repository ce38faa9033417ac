"""Files on their way, as the hub's half of the two walls sees them, without the store's half."""

from __future__ import annotations

from typing import Any

import pytest

from server import errors
from server.channels.outcome import Publication
from server.domain.facts import Seat
from server.protocol.events import (
    BequestWithdrawn,
    ManagerLeft,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    TimelineEvent,
)
from server.protocol.scalars import Bequest, Parting
from tests.channels.listeners import ANA, BOB, CAROL, OTHER_SPHERE, SPHERE, Ear, Node, entry, said

GONE: Any = {"sphere": SPHERE, "seq": 9, "at": 1, "member": BOB.id, "how": Parting.LEFT}


class Passing:
    """A file on its way, that remembers what became of it."""

    def __init__(self, reader: str) -> None:
        self.reader = reader
        self.outdated = False
        self.cuts = 0

    def cut(self) -> None:
        self.cuts += 1


def test_a_departure_cuts_what_goes_to_who_left_and_from_there_alone() -> None:
    hub = Node().hub
    mine, others, elsewhere = Passing(ANA.id), Passing(BOB.id), Passing(ANA.id)
    with (
        hub.passages.passing(SPHERE, mine),
        hub.passages.passing(SPHERE, others),
        hub.passages.passing(OTHER_SPHERE, elsewhere),
    ):
        hub.deliver(Publication(departures=((SPHERE, ANA.id),)))

        assert [one.cuts for one in (mine, others, elsewhere)] == [1, 0, 0]
    hub.deliver(Publication(departures=((SPHERE, ANA.id),)))
    assert mine.cuts == 1


@pytest.mark.parametrize(
    ("event", "asked"),
    [
        (MessageDeleted(sphere=SPHERE, seq=9, at=1, message=3), True),
        (MemberLeft(**GONE, kept=Bequest.NONE), True),
        (ManagerLeft(**GONE, kept=Bequest.NONE), True),
        (BequestWithdrawn(sphere=SPHERE, seq=9, at=1, author=BOB.id, before=3), True),
        (MessageEdited(sphere=SPHERE, seq=9, at=1, author=BOB.id, message=3, body="x"), False),
    ],
)
def test_after_what_erases_files_the_store_is_asked_again(
    event: TimelineEvent,
    asked: bool,  # noqa: FBT001  # what is expected
) -> None:
    hub = Node().hub
    passing, elsewhere = Passing(ANA.id), Passing(ANA.id)
    with hub.passages.passing(SPHERE, passing), hub.passages.passing(OTHER_SPHERE, elsewhere):
        hub.deliver(said(entry(event)))

    assert (passing.outdated, elsewhere.outdated) == (asked, False)


def test_whom_the_roster_does_not_know_is_given_nothing() -> None:
    node = Node()
    node.hub.check_known(SPHERE, CAROL.id)  # nobody listens here: the store alone knows
    node.listen(Ear(ANA), head=3, roster={ANA.id: Seat(horizon=1)})

    node.hub.check_known(SPHERE, ANA.id)
    with pytest.raises(errors.NotFound):
        node.hub.check_known(SPHERE, CAROL.id)
