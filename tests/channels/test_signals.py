"""Signals on one node: who is there, who types; through both walls, and bounded."""

from __future__ import annotations

from typing import Any

import pytest

from server.channels import appearances as appearances_module
from server.channels import attendance, beats
from server.channels.appearances import Appearances
from server.channels.outcome import Publication
from server.domain.facts import Member, Seat
from server.protocol.codec import JSON
from server.protocol.events import Appeared, ManagerEntered
from server.protocol.scalars import SphereRole
from server.protocol.signals import Presence, ReadShown, Typing
from server.protocol.views import MemberView
from tests.channels.listeners import (
    ANA,
    BOB,
    CAROL,
    OTHER_SPHERE,
    SPHERE,
    Ear,
    Node,
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
    """Return a hub on which nobody listens; a member is gone one beat after their last device."""
    return Node(presence_grace_s=0)


def came(*who: Member, sphere: str = SPHERE) -> dict[str, Any]:
    """Return the frame that says who came."""
    return {"type": "presence", "sphere": sphere, "came": [one.id for one in who]}


def went(*who: Member, sphere: str = SPHERE) -> dict[str, Any]:
    """Return the frame that says who went."""
    return {"type": "presence", "sphere": sphere, "went": [one.id for one in who]}


def appeared(who: Member, *, visible: bool) -> Publication:
    """Return what is published when somebody wishes to be seen, or not."""
    return Publication(appearances=((who.id, visible),))


def types(node: Node, who: Member, now: int = 0, *, sphere: str = SPHERE) -> None:
    """Let somebody type."""
    node.hub.type(sphere, Typing(sphere=sphere, member=who.id), now)


def crowd(count: int) -> tuple[list[Member], dict[str, Seat]]:
    """Return many members, and the roster that has them all inside."""
    everyone = [
        member(f"m{'abcdefghij'[n // 100]}{n % 100:02}".translate(DIGITS)) for n in range(count)
    ]
    return everyone, {one.id: Seat(horizon=1) for one in everyone}


DIGITS = str.maketrans("0123456789", "qrstuvwxyz")


# -- presence


def test_those_who_are_there_are_told_once_a_beat_and_the_newcomer_finds_them(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.beat()
    bob = node.listen(Ear(BOB, JSON))
    before = list(ana.signals())
    node.beat()

    assert bob.found == [ANA.id]
    assert before == [came(ANA)]
    assert ana.signals() == [came(ANA), came(BOB)]
    assert bob.signals() == [came(BOB)]


def test_who_came_since_the_last_beat_is_found_by_nobody_before_the_others_are_told(
    node: Node,
) -> None:
    node.listen(Ear(ANA))

    found = [node.listen(Ear(BOB)).found]
    node.beat()
    found.append(node.listen(Ear(CAROL)).found)

    assert found == [[], [ANA.id, BOB.id]]


def test_a_second_device_is_no_news_and_neither_is_its_going(node: Node) -> None:
    ana, phone = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.beat(3)
    laptop = node.listen(Ear(BOB))
    node.beat(3)
    node.hang_up(laptop)
    node.beat(3)

    assert ana.signals() == [came(ANA, BOB)]
    node.hang_up(phone)
    node.beat(3)
    assert ana.signals() == [came(ANA, BOB), went(BOB)]


def test_a_reconnection_within_the_grace_does_not_show() -> None:
    node = Node(presence_every_s=1, presence_grace_s=5)
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.beat()

    node.hang_up(bob)
    node.beat(5)
    again = node.listen(Ear(BOB))
    node.beat(10)

    assert ana.signals() == [came(ANA, BOB)]
    assert set(again.found) == {ANA.id, BOB.id}


def test_after_the_grace_a_member_is_gone_once() -> None:
    node = Node(presence_every_s=1, presence_grace_s=5)
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.beat()

    node.hang_up(bob)
    node.beat(5)
    before = len(ana.signals())
    node.beat()
    node.beat(9)

    assert before == 1
    assert ana.signals()[1:] == [went(BOB)]


def test_the_grace_is_never_shorter_than_the_setting_says() -> None:
    node = Node(presence_every_s=2, presence_grace_s=5)

    assert (node.hub._grace - 1) * 2 >= 5


def test_nothing_is_waited_for_when_there_is_nothing_to_tell(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.beat(2)

    assert node.later.waiting == []
    node.publish(said(posted(1)))
    assert node.later.waiting == []
    node.hang_up(ana)
    node.beat()
    assert (node.holds, node.later.waiting) == (0, [])


def test_the_time_between_two_beats_is_the_settings() -> None:
    node = Node(presence_every_s=7)
    node.listen(Ear(ANA))
    node.listen(Ear(BOB))

    assert [delay for delay, _ in node.later.waiting] == [7]


def test_a_sphere_says_nothing_of_another(node: Node) -> None:
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB), sphere=OTHER_SPHERE)
    node.beat(2)

    assert (ana.signals(), ana.signals(OTHER_SPHERE)) == ([came(ANA)], [])
    assert bob.signals(OTHER_SPHERE) == [came(BOB, sphere=OTHER_SPHERE)]


def test_where_nobody_attends_nobody_is_told_who_is_there(node: Node) -> None:
    ana = node.listen(Ear(ANA), attended=False)
    bob = node.listen(Ear(BOB), attended=False)
    node.hang_up(bob)
    node.beat(3)

    assert (ana.signals(), ana.found, bob.found) == ([], [], [])


def test_a_departure_is_the_end_of_a_members_presence_without_another_word(node: Node) -> None:
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.beat()
    told = len(bob.events)

    node.publish(departure(1, BOB))
    late = node.listen(
        Ear(CAROL), head=1, roster={ANA.id: Seat(horizon=1), CAROL.id: Seat(horizon=1)}
    )
    node.beat(3)

    assert late.found == [ANA.id]
    assert len(bob.events) == told
    assert ana.signals() == [came(ANA, BOB), came(CAROL)]


def test_somebody_who_left_before_they_were_told_of_is_never_told_of(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.beat()
    node.listen(Ear(BOB))

    node.publish(departure(1, BOB))
    node.beat(3)

    assert ana.signals() == [came(ANA)]


def test_whoever_leaves_and_comes_back_is_told_of_again(node: Node) -> None:
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.beat()

    node.publish(departure(1, BOB), said(joined(2, BOB)))
    node.listen(bob, head=2, roster=everybody() | {BOB.id: Seat(horizon=2)})
    node.beat()

    assert ana.signals() == [came(ANA, BOB), came(BOB)]


def test_a_snapshot_later_than_a_departure_leaves_out_who_left(node: Node) -> None:
    node.listen(Ear(ANA))
    node.listen(Ear(BOB))
    node.beat()
    gone = {ANA.id: Seat(horizon=1), CAROL.id: Seat(horizon=1)}
    back = gone | {BOB.id: Seat(horizon=6)}

    assert node.listen(Ear(CAROL), head=5, roster=gone).found == [ANA.id]
    assert node.listen(Ear(CAROL), head=6, roster=back).found == [ANA.id]
    assert node.listen(Ear(CAROL), head=5).found == [ANA.id, BOB.id]


def test_a_snapshot_earlier_than_an_arrival_finds_who_came_since(node: Node) -> None:
    node.listen(Ear(ANA), roster={ANA.id: Seat(horizon=1), BOB.id: Seat(horizon=1)})
    with node.hub.subscribing(SPHERE, bob := Ear(BOB)) as watch:
        node.publish(said(joined(5, CAROL)))
        node.listen(Ear(CAROL), head=5, roster=everybody() | {CAROL.id: Seat(horizon=5)})
        node.beat()
        earlier = {ANA.id: Seat(horizon=1), BOB.id: Seat(horizon=1)}
        found = node.hub.there(watch, head=4, roster=earlier)
        node.hub.subscribe(watch, head=4, roster=earlier)

    assert found == [ANA.id, CAROL.id]
    assert bob.heard() == [5]


def test_whose_snapshot_is_later_than_a_departure_is_told_by_a_signal(node: Node) -> None:
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    gone = {ANA.id: Seat(horizon=1), CAROL.id: Seat(horizon=1)}
    carol = node.listen(Ear(CAROL), head=1, roster=gone)
    node.beat()
    node.hang_up(bob)

    node.publish(departure(1, BOB))

    assert ana.heard() == [1]
    assert carol.heard() == []
    assert carol.signals()[-1] == went(BOB)


# -- a storm


def test_a_thousand_who_come_back_at_once_are_told_of_in_a_few_frames() -> None:
    node = Node(presence_members_max=1_000)
    everyone, roster = crowd(1_000)
    ears = [node.listen(Ear(one), roster=roster) for one in everyone]
    node.beat(20)

    told = [signal["came"] for signal in ears[0].signals()]
    assert [len(frame) for frame in told] == [attendance.NAMED_MAX] * 5
    assert {who for frame in told for who in frame} == set(roster)
    assert sum(len(ear.blobs) for ear in ears) == 5_000


def test_one_turn_of_the_loop_tells_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "WRITES_MAX", 10)
    node = Node()
    ana = Ear(ANA)
    places = [f"s{'abcdefghijklmnopqrstuvwxyz'[n]}".ljust(26, "s") for n in range(25)]
    for place in places:
        node.listen(ana, sphere=place)

    node.later.come()
    first = len(ana.blobs)
    while node.turns.waiting:
        node.turns.take()

    assert first == 10
    assert {event["sphere"] for event in ana.events} == set(places)
    assert len(ana.blobs) == 25


def test_a_sphere_that_closes_between_two_turns_is_told_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beats, "WRITES_MAX", 1)
    node = Node()
    ana = node.listen(Ear(ANA))
    bob = node.listen(Ear(BOB), sphere=OTHER_SPHERE)
    node.later.come()

    node.hang_up(ana)
    node.hang_up(bob)
    while node.turns.waiting:
        node.turns.take()

    assert bob.events == []
    assert node.holds == 0


def test_among_too_many_nobody_is_seen() -> None:
    node = Node(presence_members_max=2)
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.beat(2)

    assert (ana.found, bob.found, ana.signals()) == ([], [], [])


def test_when_a_sphere_grows_too_large_all_are_gone_and_when_it_shrinks_they_are_there() -> None:
    node = Node(presence_members_max=2)
    two = {ANA.id: Seat(horizon=1), BOB.id: Seat(horizon=1)}
    ana, bob = node.listen(Ear(ANA), roster=two), node.listen(Ear(BOB), roster=two)
    node.beat()

    node.publish(said(joined(3, CAROL)))
    node.beat()
    node.publish(departure(4, CAROL))
    node.beat()

    assert bob.signals() == ana.signals() == [came(ANA, BOB), went(ANA, BOB), came(ANA, BOB)]


# -- hiding


def test_who_hides_is_told_of_to_nobody_from_the_first_moment(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    bob = node.listen(Ear(BOB), hidden=True)
    node.beat()
    node.hang_up(bob)
    node.beat(3)

    assert ana.signals() == [came(ANA)]
    assert node.listen(Ear(CAROL)).found == [ANA.id]


def test_who_begins_to_hide_is_gone_and_no_snapshot_says_otherwise(node: Node) -> None:
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.beat()

    node.publish(appeared(BOB, visible=False))
    found = node.listen(Ear(CAROL)).found
    node.beat()
    node.publish(appeared(BOB, visible=True))
    node.beat()

    assert found == [ANA.id]
    assert [one for one in ana.signals() if BOB.id in str(one)] == [
        came(ANA, BOB),
        {"type": "presence", "sphere": SPHERE, "came": [CAROL.id], "went": [BOB.id]},
        came(BOB),
    ]
    assert bob.told == []


def test_who_hides_on_one_device_is_gone_where_another_was_a_moment_ago() -> None:
    node = Node(presence_grace_s=5)
    ana, laptop = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.listen(Ear(BOB), sphere=OTHER_SPHERE)
    node.beat()
    node.hang_up(laptop)

    node.publish(appeared(BOB, visible=False))

    assert node.listen(Ear(CAROL)).found == [ANA.id]
    node.beat()
    assert BOB.id in ana.signals()[-1]["went"]


def test_somebody_hidden_whose_device_is_gone_does_not_come_to_light_as_a_sphere_shrinks() -> None:
    node = Node(presence_members_max=2, presence_grace_s=5)
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB), hidden=True)
    node.hang_up(bob)

    node.publish(departure(2, CAROL))
    node.beat()

    assert ana.signals() == [came(ANA)]


def test_what_was_announced_outweighs_an_older_reading(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.publish(appeared(BOB, visible=False))

    node.listen(Ear(BOB), hidden=False)
    node.beat()

    assert ana.signals() == [came(ANA)]
    assert node.hub.is_hidden(BOB.id)
    assert not node.hub.is_seen(BOB.id)


def test_announcements_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appearances_module, "REMEMBERED_MAX", 2)
    known = Appearances()

    for name in ("ana", "bob", "carol"):
        known.change(name, hidden=True, connected=False)
    for name in ("ana", "bob", "carol"):
        known.greet(name, hidden=False)

    assert [known.is_hidden(name) for name in ("ana", "bob", "carol")] == [False, True, True]


def test_a_manager_cannot_hide_where_they_entered(node: Node) -> None:
    boss = member("boss")
    shown = MemberView(member=boss.id, name="Boss", role=SphereRole.ADMINISTRATOR, entered=True)
    ana = node.listen(Ear(ANA))
    node.publish(said(entry(ManagerEntered(sphere=SPHERE, seq=4, at=1, member=shown))))

    node.listen(
        Ear(boss),
        hidden=True,
        head=4,
        roster=everybody() | {boss.id: Seat(horizon=4, entered=True)},
    )
    node.publish(appeared(boss, visible=False))
    node.beat()

    assert ana.signals() == [came(ANA, boss)]


def test_in_the_directory_those_are_there_who_are_connected_and_do_not_hide(node: Node) -> None:
    node.hub.greet(Ear(ANA), hidden=False)
    node.hub.greet(Ear(BOB), hidden=True)

    assert [node.hub.is_seen(one.id) for one in (ANA, BOB, CAROL)] == [True, False, False]


# -- typing


def test_the_others_are_told_that_somebody_types_and_no_device_of_theirs_is(node: Node) -> None:
    ana, phone, laptop = node.listen(Ear(ANA)), node.listen(Ear(BOB)), node.listen(Ear(BOB, JSON))
    outside = node.listen(Ear(CAROL), sphere=OTHER_SPHERE)

    types(node, BOB)

    assert ana.signals() == [{"type": "typing", "sphere": SPHERE, "member": BOB.id}]
    assert (phone.signals(), laptop.signals(), outside.events) == ([], [], [])


def test_it_is_told_once_in_three_seconds_of_each_member_and_timeline(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.listen(ana, sphere=OTHER_SPHERE)

    for now in (0, 2_999, 3_000, 3_001):
        types(node, BOB, now)
    types(node, CAROL, 3_001)
    types(node, BOB, 3_001, sphere=OTHER_SPHERE)

    assert [one["member"] for one in ana.signals()] == [BOB.id, BOB.id, CAROL.id]
    assert [one["member"] for one in ana.signals(OTHER_SPHERE)] == [BOB.id]


def test_however_many_type_at_once_a_timeline_is_told_of_a_few_a_second() -> None:
    node = Node(typings_per_second=10)
    everyone, roster = crowd(100)
    ana = node.listen(Ear(ANA), roster=roster | everybody())

    for one in everyone:
        types(node, one, 1_000)
    first = len(ana.signals())
    for one in everyone:
        types(node, one, 2_000)

    assert (first, len(ana.signals())) == (10, 20)


def test_the_typing_of_somebody_who_is_out_goes_nowhere(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    node.listen(Ear(BOB))
    node.publish(departure(1, BOB))

    types(node, BOB)

    assert ana.signals() == []


def test_the_roster_alone_keeps_signals_from_who_is_out(node: Node) -> None:
    ana, bob = node.listen(Ear(ANA)), node.listen(Ear(BOB))
    node.publish(said(left(1, BOB)))  # the event without the control: Bob still subscribes
    told = len(bob.events)

    types(node, CAROL)
    node.listen(Ear(CAROL), head=1)
    node.beat(3)

    assert len(bob.events) == told
    assert ana.signals() == [
        {"type": "typing", "sphere": SPHERE, "member": CAROL.id},
        came(ANA, CAROL),
    ]


def test_typing_of_a_former_stay_does_not_silence_the_next_one(node: Node) -> None:
    ana = node.listen(Ear(ANA))
    types(node, BOB)
    node.publish(departure(1, BOB), said(joined(2, BOB)))

    types(node, BOB)

    assert len(ana.signals()) == 2


def test_a_reader_who_is_behind_does_without_typing_but_not_without_presence(node: Node) -> None:
    slow = node.listen(Ear(ANA, hot=False))
    types(node, BOB)
    node.listen(Ear(BOB))
    node.beat()

    assert slow.signals() == [came(ANA, BOB)]


def test_what_was_said_before_is_handed_on_before_a_signal(node: Node) -> None:
    ana = node.listen(Ear(ANA))

    node.hub.deliver(said(posted(1)))
    types(node, BOB)

    assert [event["type"] for event in ana.events] == ["message_posted", "typing"]


def test_a_signal_where_nobody_listens_costs_nothing(node: Node) -> None:
    types(node, ANA)
    node.hub.signal(SPHERE, Presence(sphere=SPHERE))

    assert (node.holds, node.later.waiting, node.turns.waiting) == (0, [], [])


def test_a_signal_about_an_event_is_not_for_those_who_came_later(node: Node) -> None:
    roster = {ANA.id: Seat(horizon=1), BOB.id: Seat(horizon=5), CAROL.id: Seat(horizon=1)}
    ana, bob, carol = (node.listen(Ear(who), roster=roster, head=6) for who in (ANA, BOB, CAROL))
    about = Typing(sphere=SPHERE, member=CAROL.id)

    node.hub.signal(SPHERE, about, about=4, sender=CAROL.id)
    early = len(bob.signals())
    node.hub.signal(SPHERE, about, about=5)

    assert (len(ana.signals()), early, len(bob.signals()), len(carol.signals())) == (2, 0, 1, 1)


def test_a_signal_is_encoded_once_for_each_encoding(node: Node) -> None:
    packed = [node.listen(Ear(ANA)) for _ in range(3)]
    texts = [node.listen(Ear(ANA, JSON)) for _ in range(3)]

    types(node, BOB)

    assert len({id(ear.blobs[0]) for ear in packed}) == 1
    assert len({id(ear.blobs[0]) for ear in texts}) == 1
    assert packed[0].events == texts[0].events


def test_my_own_devices_are_told_what_i_wish(node: Node) -> None:
    phone, laptop, ana = Ear(BOB), Ear(BOB), Ear(ANA)
    for ear in (phone, laptop, ana):
        node.listen(ear)
    notice = Appeared(visible=False)

    node.publish(Publication(appearances=((BOB.id, False),), notices=((BOB.id, notice),)))

    assert (phone.told, laptop.told, ana.told) == ([notice], [notice], [])


# -- read marks


def test_a_read_mark_that_comes_while_a_snapshot_is_read_follows_it() -> None:
    node = Node()
    roster = everybody() | {CAROL.id: Seat(horizon=4)}
    node.listen(Ear(ANA), roster=roster)
    bob, late = Ear(BOB), Ear(CAROL)
    mark = ReadShown(sphere=SPHERE, member=ANA.id, up_to=3)
    for ear in (bob, late):
        node.hub.greet(ear, hidden=False)
    with node.hub.subscribing(SPHERE, bob) as first, node.hub.subscribing(SPHERE, late) as second:
        node.publish(Publication(reads=((mark, 3),)))
        for reading in (first, second):
            node.hub.subscribe(reading, head=3, roster=roster)

    told = [frame for frame in bob.signals() if frame["type"] == "read_shown"]
    assert told == [{"type": "read_shown", "sphere": SPHERE, "member": ANA.id, "up_to": 3}]
    assert not [frame for frame in late.signals() if frame["type"] == "read_shown"]
