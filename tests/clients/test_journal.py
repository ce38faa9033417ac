"""The journal as the client checks it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from clients.journal import Broken, Head, check
from storage.database import Transaction
from tests.clients.events import SPHERE
from tests.clients.furnished import Furnished
from tests.clients.test_conversation import talking

ANCHOR = "ab" * 32


def chain(*seqs: int, anchor: str = ANCHOR, sphere: str = SPHERE) -> list[dict[str, Any]]:
    """Build sound records."""
    records, digest = [], anchor
    for seq in seqs:
        text = json.dumps({"sphere": sphere, "seq": seq, "at": 1, "type": "member_left"})
        digest = hashlib.sha256(bytes.fromhex(digest) + text.encode()).hexdigest()
        records.append({"record": text, "digest": digest})
    return records


def test_a_sound_chain_ends_in_its_head() -> None:
    records = chain(3, 7)

    said, head = check(ANCHOR, records, SPHERE, None)

    assert [record["seq"] for record in said] == [3, 7]
    assert head == Head(7, records[-1]["digest"])


def test_what_goes_on_must_go_on_from_what_was_known() -> None:
    records = chain(3, 7)
    known = Head(3, records[0]["digest"])

    assert check(known.digest, records[1:], SPHERE, known)[1].seq == 7
    with pytest.raises(Broken):
        check(ANCHOR, chain(7), SPHERE, known)


@pytest.mark.parametrize(
    "records",
    [
        chain(3, 7)[1:],  # one is missing
        chain(3, 7)[::-1],
        chain(7, 3),
        chain(3, 3),
        chain(3, sphere="t" * 26),
        [{**chain(3)[0], "record": chain(3)[0]["record"].replace("left", "lost")}],
        [{"record": "not JSON", "digest": "00" * 32}],
        [{"record": "[]", "digest": "00" * 32}],
    ],
)
def test_each_kind_of_tampering_shows(records: list[dict[str, Any]]) -> None:
    with pytest.raises(Broken):
        check(ANCHOR, records, SPHERE, None)


async def test_a_member_checks_the_journal_and_is_told_when_it_was_altered(
    furnished: Furnished,
) -> None:
    def alter(tx: Transaction) -> None:
        tx.exec_driver_sql("UPDATE journal SET digest = zeroblob(32)")

    async with talking(furnished, furnished.ana) as talk:
        talk.paper.type("/journal")
        await talk.paper.until("The journal holds")
        await talk.paper.until("member_joined: member Bob")
        await furnished.house.parts.database.write(alter)
        talk.paper.type("/rename Garden", "/journal")

        await talk.paper.until("does not hold")


async def test_somebody_asks_and_is_let_in(furnished: Furnished) -> None:
    house = furnished.house
    carol = await house.resident(furnished.organisation, "Carol")
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, carol, None) as other,
    ):
        await ana.paper.until_asked("Share in Design team> ")
        ana.paper.type("/listed yes")
        await ana.paper.until("listed")
        other.paper.type("/ask Design team")
        await ana.paper.until("Carol asks to be let into")
        ana.paper.type("/requests", "/admit Carol")
        await other.paper.until("Ana invites you")
        other.paper.type("/join Design team")

        await ana.paper.until("Carol joined")


async def test_an_administrator_who_is_not_alone_may_step_down(furnished: Furnished) -> None:
    async with talking(furnished, furnished.ana) as ana:
        ana.paper.type("/stepdown", "y")
        await ana.paper.until("last administrator")
        ana.paper.type("/appoint Bob", "/stepdown", "y")

        await ana.paper.until("is an administrator no more")
