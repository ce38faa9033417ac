"""The hot path takes no more instructions than it did: a slip shows here, on any machine.

A budget is what was counted when it was set, and a seventh more. Who makes a path dearer with a
reason raises its budget, and says why; who makes it cheaper lowers it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from server.channels import reading
from server.channels.outcome import Limits, Outcome, Request
from server.channels.posts import Draft, commit_posts
from server.domain.facts import Seat
from server.gateway import handshake
from server.gateway.inflow import simple_frames
from server.protocol import codec
from server.protocol.commands import AnyCommand, Subscribe
from server.protocol.scalars import MemberRole
from storage.database import Transaction
from tests.benchmarks import opcodes
from tests.channels.listeners import Ear, Node, member, posted, said
from tests.storage.shelf import Shelf, shelf

#: Counted on 3.11; other versions have other instructions for the same words.
SLACK = 1.15 if sys.version_info[:2] == (3, 11) else 1.5
READERS = 100


def check(name: str, act: Callable[[], object], *, times: int, budget: float) -> None:
    """Compare what ``act`` takes, a time of ``times``, with its budget."""
    act()  # what is made once is made
    taken = opcodes.relative(act) / times

    assert taken <= budget * SLACK, f"{name}: {taken:.3f} instead of {budget}"
    assert taken >= budget / SLACK / 1.5, f"{name} takes {taken:.3f}: lower its budget of {budget}"


class _Socket(Ear):
    """An ear whose writes cost nothing but themselves."""

    @property
    def raw_write(self) -> Callable[[bytes], object]:
        """Return what a transport has: a function of C."""
        return self.blobs.append


def _node() -> tuple[Node, list[Ear]]:
    node = Node()
    who = [member(f"m{number:03}") for number in range(READERS)]
    roster = {one.id: Seat(horizon=0) for one in who}
    return node, [node.listen(_Socket(one), roster=roster) for one in who]


def test_an_instruction_counter_counts_the_same_each_time() -> None:
    assert opcodes.count(lambda: sorted([3, 1, 2])) == opcodes.count(lambda: sorted([3, 1, 2]))
    assert opcodes.count(lambda: [one for one in range(9)]) > opcodes.count(lambda: None)  # noqa: C416  # instructions are wanted


def test_a_lone_post_is_one_write_a_reader_and_a_few_instructions() -> None:
    node, ears = _node()
    seqs = iter(range(1, 100))

    check(
        "delivery",
        lambda: node.publish(said(posted(next(seqs)))),
        times=READERS,
        budget=0.485,
    )
    assert {len(ear.blobs) for ear in ears} == {2}  # two posts, two turns


def test_posts_of_one_turn_are_one_write_a_reader() -> None:
    node, ears = _node()
    seqs = iter(range(1, 1_000))

    def burst() -> None:
        node.publish(*(said(posted(next(seqs))) for _ in range(32)))

    check("delivery in bursts", burst, times=32 * READERS, budget=0.112)
    assert {len(ear.blobs) for ear in ears} == {2}


def test_a_post_is_unmasked_and_decoded_once() -> None:
    body = msgspec.msgpack.encode(
        {
            "type": "post",
            "id": 1,
            "sphere": "s" * 26,
            "revision": 1,
            "client_id": "c" * 8,
            "body": "x",
        }
    )
    frame = bytes([0x82, 0x80 | len(body), 0, 0, 0, 0]) + body
    decoder = codec.MSGPACK.decoder(AnyCommand)

    def take() -> None:
        events, _ = simple_frames(frame * 10, 0, 65_536)
        for _, payload in events:
            decoder.decode(payload)

    check("decoding", take, times=10, budget=3.79)


def test_a_handshake_is_judged_without_parsing_it_again() -> None:
    head: dict[str, Any] = {
        "method": "GET",
        "headers": [
            (b"host", b"here"),
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-protocol", b"cloison.v1.msgpack"),
        ],
    }

    check("handshake", lambda: handshake.judge(head, b"/v1/connect"), times=1, budget=59)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shelf, str, list[Any]]]:
    """Return a store with a sphere of a hundred."""

    async def settle(at: Shelf) -> tuple[str, list[Any]]:
        acme = await at.house.organisation()
        there = [
            await at.house.resident(acme, f"M{number}", MemberRole.MEMBER)
            for number in range(READERS)
        ]
        return await at.house.sphere(*there), [one.member for one in there]

    with shelf(tmp_path_factory.mktemp("town")) as opened:
        yield opened, *opened.runner.run(settle(opened))


def test_a_post_of_a_batch_takes_a_few_statements_and_not_one_each(
    town: tuple[Shelf, str, list[Any]],
) -> None:
    at, sphere, members = town
    numbers = itertools.count()

    def batch(tx: Transaction) -> None:
        number = next(numbers)
        drafts = [
            Draft(id=1, sphere=sphere, author=one.id, revision=1, client_id=f"{number}", body="hi")
            for one in members
        ]
        assert all(isinstance(one, Outcome) for one in commit_posts(tx, drafts, 1))

    at.keep(batch)  # keys are drawn, as they are for whoever spoke once

    at.within(lambda tx: check("post", lambda: batch(tx), times=READERS, budget=34.9))


def test_to_subscribe_asks_statements_that_are_made_once(
    town: tuple[Shelf, str, list[Any]],
) -> None:
    at, sphere, members = town
    request = Request(
        command=Subscribe(id=1, sphere=sphere, after=None),
        member=members[0],
        now=1,
        limits=Limits(),
    )

    at.within(
        lambda tx: check(
            "subscription", lambda: reading.snapshot(tx, request), times=1, budget=461
        ),
    )
