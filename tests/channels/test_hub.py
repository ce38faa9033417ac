from __future__ import annotations

import pytest

from server import errors
from server.channels import hub as hub_module
from server.channels import room as room_module
from server.channels.hub import EVERY_SPHERE
from server.channels.outcome import Hidden, Publication
from server.domain.facts import Seat
from server.protocol.close import Close
from server.protocol.codec import JSON
from server.protocol.events import ManagerEntered, ManagerLeft, SphereForgotten
from server.protocol.scalars import Bequest, MemberRole, Parting, SphereRole
from server.protocol.views import MemberView
from tests.channels.listeners import (
    ANA,
    BOB,
    CAROL,
    OTHER_SPHERE,
    SPHERE,
    CountingEncoding,
    Ear,
    Node,
    Plug,
    departure,
    entry,
    everybody,
    joined,
    left,
    member,
    posted,
    said,
)


@pytest.fixture
def node() -> Node:
    """Return a hub on which nobody listens."""
    return Node()


# -- hearing


def test_a_subscriber_hears_every_event_above_its_head_in_order(node: Node) -> None:
    ana = node.listen(Ear(ANA), head=3)

    node.publish(said(posted(4)), said(posted(5), posted(6)))
    node.publish(said(posted(7)))

    assert ana.heard() == [4, 5, 6, 7]


def test_what_a_sphere_says_is_heard_in_that_sphere_alone(node: Node) -> None:
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB), sphere=OTHER_SPHERE)

    node.publish(said(posted(1), posted(1, sphere=OTHER_SPHERE)))

    assert (ana.heard(), ana.heard(OTHER_SPHERE)) == ([1], [])
    assert (bob.heard(), bob.heard(OTHER_SPHERE)) == ([], [1])


def test_a_sphere_that_nobody_listens_to_costs_nothing(node: Node) -> None:
    node.publish(said(posted(1)), departure(2, ANA))

    assert node.holds == 0
    assert node.turns.waiting == []


def test_one_turn_of_one_sphere_is_one_write(node: Node) -> None:
    hot, cold = node.listen(Ear(ANA)), node.listen(Ear(BOB, hot=False))

    for seq in range(1, 33):
        node.hub.deliver(said(posted(seq)))
    before = len(hot.blobs), len(cold.blobs)
    node.turns.take()

    assert before == (0, 0)
    assert (len(hot.blobs), len(cold.blobs)) == (1, 1)
    assert hot.heard() == cold.heard() == list(range(1, 33))


def test_a_lone_event_leaves_in_the_same_turn_of_the_loop(node: Node) -> None:
    ana = node.listen(Ear(ANA))

    node.hub.deliver(said(posted(1)))

    assert len(node.turns.waiting) == 1
    node.turns.take()
    assert ana.heard() == [1]
    assert node.turns.waiting == []


def test_many_spheres_share_one_call_at_the_end_of_the_turn(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.listen(ana, sphere=OTHER_SPHERE)

    for seq in (1, 2):
        node.hub.deliver(said(posted(seq), posted(seq, sphere=OTHER_SPHERE)))

    assert len(node.turns.waiting) == 1
    node.turns.take()
    assert (ana.heard(), ana.heard(OTHER_SPHERE)) == ([1, 2], [1, 2])


def test_a_burst_is_handed_on_before_it_fills_an_outbox(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    body = "x" * 10_000

    for seq in range(1, 21):
        node.hub.deliver(said(posted(seq, body=body)))
    node.turns.take()

    assert ana.heard() == list(range(1, 21))
    assert max(map(len, ana.blobs)) <= hub_module.TURN_BYTES_MAX + 11_000


def test_an_event_is_encoded_once_for_each_encoding_however_many_listen(node: Node) -> None:
    counting = CountingEncoding()
    readers = [node.listen(Ear(ANA, counting, hot=n % 2 == 0)) for n in range(50)]
    packed = [node.listen(Ear(BOB)) for _ in range(50)]

    node.publish(said(posted(1)), said(posted(2)))

    assert set(counting.times.values()) <= {1, 2}  # once for the hot, once for the slow
    assert all(reader.heard() == [1, 2] for reader in [*readers, *packed])
    assert len({id(reader.blobs[0]) for reader in packed}) == 1


def test_both_encodings_say_the_same(node: Node) -> None:
    packed, text = node.listen(Ear(ANA)), node.listen(Ear(BOB, JSON))

    node.publish(said(posted(1, body="«é» 🦎")), said(joined(2, CAROL)))

    assert packed.events == text.events


def test_a_reader_changes_between_the_short_cut_and_the_outbox_without_losing_a_frame(
    node: Node,
) -> None:
    ana = node.listen(Ear(ANA))

    for seq in range(1, 9):
        node.hub.deliver(said(posted(seq)))
        if seq % 3 == 0:
            ana.congested = not ana.congested
            node.hub.congestion_changed(iter([SPHERE, "unknown".ljust(26, "a")]))
        node.turns.take()

    assert ana.heard() == list(range(1, 9))


# -- the first wall: subscribing


def test_events_that_come_during_the_read_follow_the_snapshot(node: Node) -> None:
    ana = Ear(ANA)
    node.hub.greet(ana, hidden=False)
    with node.hub.subscribing(SPHERE, ana) as watch:
        node.publish(said(posted(4)), said(posted(5)))

        node.hub.subscribe(watch, head=4, roster=everybody())

    node.publish(said(posted(6)))
    assert ana.heard() == [5, 6]


def test_what_the_snapshot_held_already_is_not_said_again(node: Node) -> None:
    node.listen(Ear(BOB), head=3)
    ana = node.listen(Ear(ANA), head=6)

    node.publish(said(posted(4), posted(5), posted(6), posted(7)))

    assert ana.heard() == [7]


def test_a_reader_who_left_while_the_store_was_read_gets_nothing(node: Node) -> None:
    ana = Ear(ANA)
    node.hub.greet(ana, hidden=False)
    with node.hub.subscribing(SPHERE, ana) as watch:
        node.publish(departure(4, ANA))

        with pytest.raises(errors.NotFound):
            node.hub.check_reading(watch)
        with pytest.raises(errors.NotFound):
            node.hub.subscribe(watch, head=3, roster=everybody())

    node.publish(said(posted(5)))
    assert ana.heard() == []
    node.hub.dismiss(ana, iter(()))
    assert node.holds == 0


def test_a_departure_voids_what_that_member_reads_of_that_sphere_and_of_all(node: Node) -> None:
    ana, bob = Ear(ANA), Ear(BOB)
    with (
        node.hub.reading(SPHERE, ana) as page,
        node.hub.reading(EVERY_SPHERE, ana) as listing,
        node.hub.reading(OTHER_SPHERE, ana) as elsewhere,
        node.hub.reading(SPHERE, bob) as other,
    ):
        node.publish(departure(4, ANA))

        assert (page.void, elsewhere.void, other.void) == (True, False, False)
        assert listing.outdated
        assert not elsewhere.outdated
        with pytest.raises(errors.NotFound):
            node.hub.check_reading(page)
        node.hub.check_reading(elsewhere)
        node.hub.check_reading(other)


def test_a_page_that_may_hold_erased_words_is_read_again(node: Node) -> None:
    with (
        node.hub.reading(SPHERE, Ear(BOB)) as page,
        node.hub.reading(OTHER_SPHERE, Ear(BOB)) as elsewhere,
    ):
        node.publish(said(posted(3)))
        before = page.outdated
        node.publish(departure(4, ANA))

        assert (before, page.outdated, elsewhere.outdated) == (False, True, False)


def test_a_reader_whom_the_roster_does_not_know_gets_no_page(node: Node) -> None:
    node.listen(Ear(ANA), roster={ANA.id: Seat(horizon=1)})

    with node.hub.reading(SPHERE, Ear(BOB)) as page, pytest.raises(errors.NotFound):
        node.hub.check_reading(page)


def test_more_events_than_can_be_kept_make_the_reader_come_back(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "KEPT_ENTRIES_MAX", 3)
    with node.hub.subscribing(SPHERE, Ear(ANA)) as watch:
        for seq in range(1, 5):
            node.publish(said(posted(seq)))

        with pytest.raises(errors.Busy) as refused:
            node.hub.subscribe(watch, head=0, roster=everybody())

    assert refused.value.retry_after_ms
    assert node.holds == 0


# -- the second wall: handing over


def test_after_a_departure_nothing_is_handed_to_any_device_of_the_leaver(node: Node) -> None:
    phone, laptop = node.listen(Ear(ANA)), node.listen(Ear(ANA, JSON, hot=False))
    bob = node.listen(Ear(BOB))

    node.hub.deliver(said(posted(1)))
    node.hub.deliver(departure(2, ANA))
    node.hub.deliver(said(posted(3)))
    node.turns.take()

    assert phone.heard() == laptop.heard() == [1]
    assert phone.forgotten == laptop.forgotten == [SPHERE]
    assert bob.heard() == [1, 2, 3]
    assert bob.forgotten == []


def test_the_wall_of_subscriptions_holds_by_itself(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    control_alone = Publication(departures=((SPHERE, ANA.id),))

    node.publish(said(posted(1)), control_alone, said(posted(2)))
    node.publish(said(posted(3)))

    assert ana.heard() == [1]


def test_the_wall_of_the_roster_holds_by_itself(node: Node) -> None:
    ana, slow = node.listen(Ear(ANA)), node.listen(Ear(ANA, hot=False))

    node.publish(said(posted(1)), said(left(2, ANA)), said(posted(3)))
    node.publish(said(posted(4)))

    assert ana.heard() == slow.heard() == [1]


def test_the_wall_of_the_roster_holds_for_a_manager_too(node: Node) -> None:
    boss = member("max", MemberRole.MANAGER)
    shown = MemberView(member=boss.id, name="Max", role=SphereRole.ADMINISTRATOR, entered=True)
    out = entry(
        ManagerLeft(sphere=SPHERE, seq=4, at=1, member=boss.id, how=Parting.LEFT, kept=Bequest.NONE)
    )
    node.listen(Ear(ANA), head=1)
    node.publish(said(entry(ManagerEntered(sphere=SPHERE, seq=2, at=1, member=shown))))
    manager = node.listen(Ear(boss), head=2)

    node.publish(said(posted(3)), said(out), said(posted(5)))

    assert manager.heard() == [3]


def test_nobody_hears_who_is_not_on_the_roster_whatever_they_subscribed_to(node: Node) -> None:
    node.hub.greet(ana := Ear(ANA), hidden=False)
    with node.hub.subscribing(SPHERE, ana) as watch:
        node.hub.subscribe(watch, head=1, roster={BOB.id: Seat(horizon=1)})

    node.publish(said(posted(2)))

    assert ana.heard() == []


def test_who_joins_while_others_listen_is_heard_and_hears(node: Node) -> None:
    ana = node.listen(Ear(ANA), roster={ANA.id: Seat(horizon=1)}, head=1)
    node.publish(said(joined(2, BOB)))
    bob = node.listen(Ear(BOB), head=2, roster={ANA.id: Seat(horizon=1), BOB.id: Seat(horizon=2)})

    node.publish(said(posted(3)))

    assert (ana.heard(), bob.heard()) == ([2, 3], [3])


def test_a_departure_and_a_return_leave_the_old_subscription_dead(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.listen(Ear(BOB))

    node.publish(departure(1, ANA), said(joined(2, ANA)), said(posted(3)))

    assert ana.heard() == []


def test_unsubscribing_ends_at_once_and_loses_nothing_that_was_said(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.hub.deliver(said(posted(1)))

    node.hub.unsubscribe(SPHERE, ana)

    node.publish(said(posted(2)))
    node.hub.unsubscribe(SPHERE, ana)
    assert ana.heard() == [1]


def test_a_connection_that_is_dismissed_leaves_nothing_behind(node: Node) -> None:
    ears = [node.listen(Ear(who)) for who in (ANA, ANA, BOB)]
    for ear in ears:
        node.listen(ear, sphere=OTHER_SPHERE)

    for ear in ears:
        node.hub.dismiss(ear, iter([SPHERE, OTHER_SPHERE]))
        ear.closed = True

    node.publish(said(posted(9), posted(9, sphere=OTHER_SPHERE)))
    assert node.holds == 0


def test_a_connection_that_is_dismissed_by_its_own_write_harms_nobody(node: Node) -> None:
    ana, bob, carol = (node.listen(Ear(who, hot=False)) for who in (ANA, BOB, CAROL))

    def overflow(parcel: object) -> None:
        node.hub.dismiss(bob, iter([SPHERE]))

    bob.send = overflow  # type: ignore[method-assign]  # an outbox that is full

    node.publish(said(posted(1)))
    node.publish(said(posted(2)))

    assert ana.heard() == carol.heard() == [1, 2]
    assert bob.heard() == []


# -- notices and bots


def test_a_notice_reaches_every_device_of_its_member_and_no_other(node: Node) -> None:
    phone, laptop, bob = Ear(ANA), Ear(ANA), Ear(BOB)
    for ear in (phone, laptop, bob):
        node.hub.greet(ear, hidden=False)
    notice = SphereForgotten(sphere=SPHERE)

    node.hub.deliver(Publication(notices=((ANA.id, notice), (CAROL.id, notice))))

    assert (phone.told, laptop.told, bob.told) == ([notice], [notice], [])


def test_a_managers_devices_hear_of_the_entry_after_every_member_did(node: Node) -> None:
    boss = member("max", MemberRole.MANAGER)
    members = [node.listen(Ear(who, hot=hot)) for who in (ANA, BOB) for hot in (True, False)]
    manager = Ear(boss)
    node.hub.greet(manager, hidden=False)
    heard_before: list[list[int]] = []
    manager.on_notice = lambda: heard_before.extend(ear.heard() for ear in members)
    shown = MemberView(member=boss.id, name="Max", role=SphereRole.ADMINISTRATOR, entered=True)
    entered = entry(ManagerEntered(sphere=SPHERE, seq=1, at=1, member=shown))

    node.hub.deliver(
        Publication(entries=(entered,), notices=((boss.id, SphereForgotten(sphere=SPHERE)),))
    )

    assert heard_before == [[1]] * 4


def test_a_sphere_that_hides_is_forgotten_by_those_who_could_see_it(node: Node) -> None:
    outsider, insider = Ear(member("dan")), Ear(ANA)
    visitor = Ear(member("vera", MemberRole.VISITOR))
    manager = Ear(member("max", MemberRole.MANAGER))
    foreigner = Ear(member("eve", of="p" * 26))
    for ear in (outsider, insider, visitor, manager, foreigner):
        node.hub.greet(ear, hidden=False)
    hidden = Hidden(
        organisation=ANA.organisation, sphere=SPHERE, inside=frozenset({ANA.id, BOB.id})
    )

    node.hub.deliver(Publication(hidden=(hidden,)))

    notice = SphereForgotten(sphere=SPHERE)
    assert [ear.told for ear in (outsider, manager)] == [[notice], [notice]]
    assert [ear.told for ear in (insider, visitor, foreigner)] == [[], [], []]


def test_a_bot_whose_connector_died_is_closed_with_4504(node: Node) -> None:
    dead, second, living = Plug(), Plug(), Plug()
    node.hub.plug("dead", dead)
    node.hub.plug("dead", second)
    node.hub.plug("living", living)

    node.hub.deliver(Publication(revoked=("dead", "unknown")))

    assert dead.closes == second.closes == [Close.CONNECTOR_REVOKED]
    assert living.closes == []
    for connector, plug in (("dead", dead), ("dead", second), ("living", living)):
        node.hub.unplug(connector, plug)
    assert node.holds == 0


def test_control_comes_before_content_in_one_publication(node: Node) -> None:
    ana = node.listen(Ear(ANA))

    node.publish(Publication(departures=((SPHERE, ANA.id),), entries=(posted(1), left(2, ANA))))

    assert ana.heard() == []
