from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clients.outbox import Outbox, Parcel


def parcel(body: str = "hello") -> Parcel:
    return Parcel({"sphere": "s", "revision": 1, "body": body, "client_id": f"id-{body}"})


def full(count: int, sendings_max: int = 20) -> tuple[Outbox, list[Parcel]]:
    outbox, parcels = Outbox(sendings_max), [parcel(str(number)) for number in range(count)]
    for each in parcels:
        outbox.put(each)
    return outbox, parcels


def flown(outbox: Outbox, now: float = 0.0) -> list[str]:
    bodies = []
    while (each := outbox.next(now)) is not None:
        bodies.append(each.fields["body"])
    return bodies


def test_messages_leave_in_the_order_they_were_written() -> None:
    outbox, _ = full(3)

    assert flown(outbox) == ["0", "1", "2"]


def test_a_lost_connection_sends_again_what_was_in_flight_before_what_waited() -> None:
    outbox, parcels = full(3)
    outbox.next(0)
    outbox.next(0)
    outbox.settle(parcels[0])

    assert outbox.lose() == []

    assert flown(outbox) == ["1", "2"]


def test_a_message_keeps_its_id_when_it_is_sent_again() -> None:
    outbox, parcels = full(1)
    first = outbox.next(0)
    outbox.lose()

    assert outbox.next(0) is first is parcels[0]


def test_after_a_temporary_refusal_nothing_leaves_before_the_delay_is_over() -> None:
    outbox, parcels = full(2)
    outbox.next(0)

    outbox.postpone(parcels[0], until=5)

    assert outbox.pause(2) == 3
    assert outbox.next(4.9) is None
    assert flown(outbox, now=5) == ["0", "1"]


def test_after_a_temporary_refusal_nothing_new_leaves_before_all_is_answered() -> None:
    outbox, parcels = full(3)
    outbox.next(0)
    outbox.next(0)
    outbox.postpone(parcels[0], until=0)

    assert outbox.next(1) is None
    outbox.postpone(parcels[1], until=0)

    assert flown(outbox, now=1) == ["0", "1", "2"]


def test_a_message_that_is_refused_too_often_is_given_up() -> None:
    outbox, parcels = full(1, sendings_max=2)
    outbox.next(0)
    assert outbox.postpone(parcels[0], until=0)
    outbox.next(0)

    assert not outbox.postpone(parcels[0], until=0)
    assert len(outbox) == 0


def test_a_message_that_breaks_every_connection_is_given_up() -> None:
    outbox, parcels = full(2, sendings_max=1)
    outbox.next(0)

    assert outbox.lose() == [parcels[0]]
    assert flown(outbox) == ["1"]


def test_an_answer_that_does_not_come_is_noticed() -> None:
    outbox, _ = full(1)
    outbox.next(10)

    assert not outbox.overdue(40, limit=30)
    assert outbox.overdue(40.1, limit=30)


def test_what_is_left_at_the_end_is_told_in_order() -> None:
    outbox, parcels = full(3)
    outbox.next(0)

    assert outbox.clear() == parcels
    assert len(outbox) == 0


STEPS = st.lists(st.sampled_from(["put", "next", "settle", "postpone", "lose"]), max_size=60)


@given(STEPS)
def test_no_message_is_dropped_and_none_leaves_out_of_turn(steps: list[str]) -> None:
    outbox, written, stored = Outbox(sendings_max=1_000), 0, []
    flying: list[Parcel] = []
    for step in steps:
        if step == "put":
            outbox.put(parcel(str(written)))
            written += 1
        elif step == "next" and (each := outbox.next(0)) is not None:
            assert not flying or each.number > flying[-1].number
            flying.append(each)
        elif step == "settle" and flying:
            outbox.settle(flying[0])
            stored.append(flying.pop(0).fields["body"])
        elif step == "postpone" and flying:
            outbox.postpone(flying.pop(0), until=0)
        elif step == "lose":
            outbox.lose()
            flying = []

    left = [each.fields["body"] for each in outbox.clear()]

    assert sorted(stored + left, key=int) == [str(number) for number in range(written)]
