"""Promise 11: who came, went and changed what is in a chain that shows tampering."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from sqlalchemy import text

from server.protocol.scalars import MemberRole
from storage.database import Transaction
from tests import engines
from tests.house import House, Resident
from tests.people import Frame, Person

#: What precedes the first record, as protocol.md says.
BEGINNING = "0" * 64
#: The events that have a record, as protocol.md says.
RECORDED = {
    "member_joined",
    "member_left",
    "manager_entered",
    "manager_left",
    "sphere_changed",
    "administrator_appointed",
    "administrator_stepped_down",
    "connector_installed",
    "connector_revoked",
}


class Broken(Exception):  # the word of the protocol
    """The journal is not what it was."""


async def read(person: Person, sphere: str, *, after: int | None = None, limit: int = 100) -> Frame:
    """Read a whole journal from a horizon, or from a seq on; return it as one page."""
    whole = await person.call("journal", sphere=sphere, after=after, limit=limit)
    page = whole
    while page["more"]:
        last = json.loads(page["records"][-1]["record"])["seq"]
        page = await person.call("journal", sphere=sphere, after=last, limit=limit)
        assert page["anchor"] == whole["records"][-1]["digest"]
        whole["records"] += page["records"]
    return whole


def check(page: Frame, sphere: str, *, head: Frame | None = None) -> list[Frame]:
    """Return the records of a journal as protocol.md says to check them. Raises Broken."""
    digest, seq, records = page["anchor"], 0, []
    for link in page["records"]:
        covered = bytes.fromhex(digest) + link["record"].encode()
        digest = hashlib.sha256(covered).hexdigest()
        record = json.loads(link["record"])
        if digest != link["digest"] or record["seq"] <= seq or record["sphere"] != sphere:
            raise Broken
        seq = record["seq"]
        records.append(record)
    if head is not None and digest != head["digest"]:
        raise Broken
    return records


async def busy(house: House) -> tuple[Resident, Resident, str]:
    """Make a sphere in which something of every kind happened; return its first two members."""
    acme = await house.organisation()
    ana, bob, carol = [await house.resident(acme, name) for name in ("Ana", "Bob", "Carol")]
    boss = await house.resident(acme, "Max", MemberRole.MANAGER)
    async with await house.person(ana) as host, await house.person(bob) as other:
        sphere = str((await host.call("create", name="Project Kraken"))["sphere"]["sphere"])
        for guest, resident in ((other, bob), (await house.person(carol), carol)):
            await host.call("invite", sphere=sphere, member=resident.id)
            await guest.call("join", sphere=sphere)
            if guest is not other:
                await host.call("remove", sphere=sphere, member=carol.id)
                await guest.close()
        async with await house.person(boss) as manager:
            await manager.call("enter", sphere=sphere)
            await manager.call("leave", sphere=sphere)
        await host.post(sphere, "a word")
        await other.call("rename", name="Robert")
        await host.call("configure", sphere=sphere, revision=1, audience="open", name="Kraken II")
        await host.call("appoint", sphere=sphere, member=bob.id)
        await other.call("step_down", sphere=sphere)
        bot = await host.call("install_connector", sphere=sphere, name="Builds")
        await host.call("revoke_connector", sphere=sphere, connector=bot["connector"]["connector"])
    return ana, bob, sphere


async def test_every_record_stands_beside_its_event_and_every_event_has_its_record(
    house: House,
) -> None:
    ana, _, sphere = await busy(house)
    async with await house.person(ana) as host:
        head = (await host.call("subscribe", sphere=sphere))["journal"]
        records = check(await read(host, sphere), sphere, head=head)
        events = await host.history(sphere, limit=500)

    assert {record["type"] for record in records} == RECORDED
    for record in records:
        event = next(one for one in events if one["seq"] == record["seq"])
        assert record["at"] == event["at"]
        assert event["type"] in {record["type"], "erased"}  # the arrival of whoever left
    assert {one["seq"] for one in events if one["type"] in RECORDED} <= {
        record["seq"] for record in records
    }
    assert head["seq"] == records[-1]["seq"]


async def test_a_record_names_people_by_id_and_only_a_manager_by_name(house: House) -> None:
    ana, bob, sphere = await busy(house)
    async with await house.person(ana) as host:
        page = await read(host, sphere)
    text = "".join(link["record"] for link in page["records"])
    found = {record["type"]: record for record in check(page, sphere)}

    for word in ("Ana", "Bob", "Carol", "Robert", "Kraken", "Builds", "a word"):
        assert word not in text
    assert found["manager_entered"]["name"] == "Max"
    shared = {"sphere", "seq", "at", "type", "nonce"}
    assert {kind: set(record) - shared for kind, record in found.items()} == {
        "member_joined": {"member", "role"},
        "member_left": {"member", "how"},
        "manager_entered": {"member", "name"},
        "manager_left": {"member", "how"},
        "sphere_changed": {"by", "audience", "history", "listed", "revision"},
        "administrator_appointed": {"member", "by"},
        "administrator_stepped_down": {"member"},
        "connector_installed": {"connector", "by"},
        "connector_revoked": {"connector", "by"},
    }
    assert found["administrator_stepped_down"]["member"] == bob.id
    assert found["sphere_changed"]["audience"] == "open"
    nonces = [record["nonce"] for record in check(page, sphere)]
    assert len(set(nonces)) == len(nonces)
    assert {len(nonce) for nonce in nonces} == {32}


async def test_the_founders_journal_begins_at_the_beginning(house: House) -> None:
    ana, _, sphere = await busy(house)
    async with await house.person(ana) as host:
        page = await read(host, sphere)

    assert page["anchor"] == BEGINNING
    assert check(page, sphere)[0] | {"at": 0, "nonce": ""} == {
        "sphere": sphere, "seq": 1, "at": 0, "type": "member_joined", "member": ana.id,
        "role": "administrator", "nonce": "",
    }  # fmt: skip


async def test_a_newcomer_reads_from_their_horizon_on_and_learns_nothing_of_before(
    house: House,
) -> None:
    ana, _, sphere = await busy(house)
    dan = await house.resident(ana.member.organisation, "Dan")
    async with await house.person(ana) as host, await house.person(dan) as newcomer:
        await host.call("configure", sphere=sphere, revision=2, history="visible")
        await host.call("invite", sphere=sphere, member=dan.id)
        horizon = (await newcomer.call("join", sphere=sphere))["sphere"]["horizon"]
        whole = await read(host, sphere)

        own = await read(newcomer, sphere)
        asked = await read(newcomer, sphere, after=0)
        head = (await newcomer.call("subscribe", sphere=sphere))["journal"]

    assert own == asked | {"id": own["id"]}
    assert own["records"] == whole["records"][-1:]
    assert own["anchor"] == whole["records"][-2]["digest"]
    assert [record["seq"] for record in check(own, sphere, head=head)] == [horizon]


async def test_it_is_read_in_pages_and_from_the_last_record_on(house: House) -> None:
    ana, _, sphere = await busy(house)
    async with await house.person(ana) as host:
        whole = await read(host, sphere)
        paged = await read(host, sphere, limit=2)
        last = check(whole, sphere)[-1]

        rest = await host.call("journal", sphere=sphere, after=last["seq"])

    assert paged["records"] == whole["records"]
    assert (rest["anchor"], rest["records"], rest["more"]) == (
        whole["records"][-1]["digest"],
        [],
        False,
    )


async def test_it_is_for_those_inside_and_no_sphere_answers_alike(house: House) -> None:
    ana, _, sphere = await busy(house)
    boss = await house.resident(ana.member.organisation, "Mia", MemberRole.MANAGER)
    outsider = await house.resident(ana.member.organisation, "Dan")
    async with await house.person(boss) as manager, await house.person(outsider) as dan:
        for person in (manager, dan):
            there = await person.refusal("journal", sphere=sphere)
            assert there == await person.refusal("journal", sphere="a" * 26)
            assert there["code"] == "not_found"

        horizon = (await manager.call("enter", sphere=sphere))["sphere"]["horizon"]
        records = check(await read(manager, sphere), sphere)
    assert [record["seq"] for record in records] == [horizon]


async def test_who_comes_back_reads_from_the_new_arrival_on(house: House) -> None:
    ana, bob, sphere = await busy(house)
    async with await house.person(ana) as host, await house.person(bob) as other:
        await other.call("leave", sphere=sphere)
        refused = await other.refusal("journal", sphere=sphere)
        await host.call("invite", sphere=sphere, member=bob.id)
        horizon = (await other.call("join", sphere=sphere))["sphere"]["horizon"]

        records = check(await read(other, sphere, after=1), sphere)

    assert refused["code"] == "not_found"
    assert [record["seq"] for record in records] == [horizon]


async def test_a_departure_leaves_the_ids_and_no_name_and_the_chain_holds(house: House) -> None:
    ana, bob, sphere = await busy(house)
    async with await house.person(ana) as host, await house.person(bob) as leaver:
        before = await read(host, sphere)
        await leaver.call("leave", sphere=sphere)

        after = await read(host, sphere)

    assert after["records"][:-1] == before["records"]
    last = check(after, sphere)[-1]
    assert (last["type"], last["member"], last["how"]) == ("member_left", bob.id, "left")


async def test_a_dissolved_sphere_takes_its_journal_along(house: House) -> None:
    ana, bob, sphere = await busy(house)
    async with await house.person(ana) as host, await house.person(bob) as other:
        await host.call("leave", sphere=sphere)
        await other.call("leave", sphere=sphere)

    def count(tx: Transaction) -> int:
        return int(tx.execute(text("SELECT count(*) FROM journal")).scalar_one())

    assert await house.parts.database.read(count) == 0


async def test_a_sphere_from_before_there_were_journals_begins_an_empty_one(house: House) -> None:
    ana, bob, sphere = await busy(house)
    await tamper(house, "DELETE FROM journal")
    async with await house.person(ana) as host, await house.person(bob) as other:
        empty = (await host.call("subscribe", sphere=sphere))["journal"]
        page = await read(host, sphere)
        await other.call("leave", sphere=sphere)
        records = check(await read(host, sphere), sphere)

    assert empty == {"seq": 0, "digest": BEGINNING}
    assert (page["anchor"], page["records"]) == (BEGINNING, [])
    assert [record["type"] for record in records] == ["member_left"]


# -- tampering


async def tamper(house: House, *statements: str) -> None:
    """Change the store behind the server's back."""

    def change(tx: Transaction) -> None:
        for statement in statements:
            tx.exec_driver_sql(statement if engines.is_sqlite() else _in_postgresql(statement))

    await house.parts.database.write(change)


def _in_postgresql(statement: str) -> str:
    """Return a statement in the words of PostgreSQL."""
    statement = re.sub(r"CAST\(record AS TEXT\)", "convert_from(record, 'UTF8')", statement)
    statement = re.sub(r"CAST\((replace\(.*\)) AS BLOB\)", r"convert_to(\1, 'UTF8')", statement)
    # No percent sign is left, which the driver would take for a place of a parameter.
    statement = re.sub(r"LIKE '%(\w+)%'", r"~ '\1'", statement)
    return statement.replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')")


#: Each is noticed by whoever reads the whole, even without anything kept from before.
TAMPERED: dict[str, tuple[str, ...]] = {
    "altered": (
        (
            "UPDATE journal SET record = CAST(replace(CAST(record AS TEXT), 'removed', 'left')"
            " AS BLOB) WHERE CAST(record AS TEXT) LIKE '%removed%'"
        ),
    ),
    "removed": ("DELETE FROM journal WHERE CAST(record AS TEXT) LIKE '%manager_entered%'",),
    "removed first": ("DELETE FROM journal WHERE seq = 1",),
    "reordered": (
        "UPDATE journal SET seq = -seq WHERE seq IN (2, 3)",
        "UPDATE journal SET seq = 5 + seq WHERE seq IN (-2, -3)",
    ),
    "inserted": (
        (
            "INSERT INTO journal (sphere, seq, record, digest) SELECT sphere, seq + 1000,"
            " CAST(replace(CAST(record AS TEXT), '\"seq\":', '\"seq\":1000') AS BLOB), digest"
            " FROM journal WHERE seq = 2"
        ),
    ),
    "a digest altered": ("UPDATE journal SET digest = zeroblob(32) WHERE seq = 2",),
}


@pytest.mark.parametrize("kind", sorted(TAMPERED))
async def test_tampering_in_the_store_is_noticed(house: House, kind: str) -> None:
    ana, _, sphere = await busy(house)
    async with await house.person(ana) as host:
        kept = (await host.call("subscribe", sphere=sphere))["journal"]
        check(await read(host, sphere), sphere, head=kept)

        await tamper(house, *TAMPERED[kind])

        page = await read(host, sphere)
        with pytest.raises(Broken):
            check(page if page["anchor"] == BEGINNING else broken(), sphere, head=kept)


def broken() -> Frame:
    """Raise Broken: the beginning is not where it was."""
    raise Broken


async def test_the_last_records_cannot_be_cut_off_from_a_client_that_kept_the_head(
    house: House,
) -> None:
    ana, _, sphere = await busy(house)
    async with await house.person(ana) as host:
        kept = (await host.call("subscribe", sphere=sphere))["journal"]

        await tamper(house, "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")

        head = (await host.call("subscribe", sphere=sphere))["journal"]
        page = await host.call("journal", sphere=sphere, after=kept["seq"])
    assert head["seq"] < kept["seq"]
    assert page["anchor"] != kept["digest"]


async def test_a_chain_made_anew_is_noticed_by_a_client_that_kept_the_head(house: House) -> None:
    ana, bob, sphere = await busy(house)
    async with await house.person(ana) as host, await house.person(bob) as other:
        kept = (await host.call("subscribe", sphere=sphere))["journal"]

        await house.parts.database.write(_made_anew, sphere)

        await other.call("leave", sphere=sphere)
        check(await read(host, sphere), sphere)  # sound in itself
        page = await host.call("journal", sphere=sphere, after=kept["seq"])
    assert page["anchor"] != kept["digest"]


def _made_anew(tx: Transaction, sphere: str) -> None:
    """Rewrite a chain as somebody with the store in hand could."""
    rows: list[Any] = list(tx.execute(text("SELECT seq, record FROM journal ORDER BY seq")))
    digest = bytes(32)
    for seq, record in rows:
        lied = bytes(record).replace(b"manager_entered", b"manager_dreamed")
        digest = hashlib.sha256(digest + lied).digest()
        tx.execute(
            text("UPDATE journal SET record = :record, digest = :digest WHERE seq = :seq"),
            {"record": lied, "digest": digest, "seq": seq},
        )
