"""Promise 2: a sphere can be invisible."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest
from websockets.asyncio.client import ClientConnection, connect

from server.protocol.scalars import MemberRole
from storage.database import Transaction
from storage.schema import sphere as spheres
from tests.house import House, Resident
from tests.matrix.operations import FIELDS, OF_THE_CONNECTION, fields_of, naming_a_sphere
from tests.people import PATIENCE_S, Frame

NOWHERE = "a" * 26


class Line:
    """A connection that keeps frames as the bytes that they were."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def ask(self, asked: Frame) -> bytes:
        """Send a command; return the bytes of what comes next."""
        await self._socket.send(msgpack.packb(asked))
        return bytes(await asyncio.wait_for(self._socket.recv(), PATIENCE_S))  # type: ignore[arg-type]  # binary


@asynccontextmanager
async def line(house: House, resident: Resident) -> AsyncIterator[Line]:
    """Open a connection of somebody, greeted."""
    async with connect(
        house.url.replace("http", "ws", 1) + "/v1/connect",
        subprotocols=["cloison.v1.msgpack"],  # type: ignore[list-item]  # a NewType
        compression=None,
    ) as socket:
        opened = Line(socket)
        await opened.ask({"type": "hello", "id": 1, "token": await house.token(resident)})
        yield opened


async def hidden(house: House) -> tuple[str, list[str]]:
    """Return an organisation, and spheres that nobody outside may know of: one a way to hide."""
    acme, other = await house.organisation(), await house.organisation("umbrella")
    ana = await house.resident(acme, "Ana")
    unseen = [await house.sphere(ana) for _ in range(3)]
    thread = await house.sphere(ana)
    foreign = await house.sphere(await house.resident(other, "Zoe"))
    async with await house.person(ana) as host:
        await host.call("configure", sphere=unseen[1], revision=1, audience="open")
        await host.call("configure", sphere=unseen[2], revision=1, audience="public")
        await host.call("invite", sphere=unseen[0], address="nobody@nowhere.example")
    await house.parts.database.write(_put_below, thread, unseen[0])
    async with await house.person(await house.resident(other, "Yan")) as stranger:
        assert (await stranger.call("list"))["open"] == []
    return acme, [*unseen, thread, foreign]


def _put_below(tx: Transaction, thread: str, parent: str) -> None:
    tx.execute(spheres.update().where(spheres.c.id == thread).values(parent=parent))


@pytest.mark.parametrize("role", ["visitor", "member", "manager"])
async def test_every_operation_answers_as_for_a_sphere_that_does_not_exist(
    house: House, role: str
) -> None:
    acme, unseen = await hidden(house)
    names: dict[str, Any] = {"me": "c" * 26, "third": "d" * 26, "connector": "e" * 26}
    names |= {"message": 1, "mine": 1, "before": 1, "file": "f" * 26, "their file": "g" * 26}
    deviations = []
    resident = await house.resident(acme, "Carol", MemberRole(role))
    for operation in [*FIELDS, *sorted(OF_THE_CONNECTION)]:
        if (operation, role) == ("enter", "manager"):
            continue  # to a manager none is hidden but in other organisations: see test_11
        # A line of its own, or the pace of one would be spent.
        async with line(house, resident) as carol:
            kind = operation.partition(",")[0]
            fields = fields_of(operation, names) if operation in FIELDS else {}
            asked = {"type": kind, "id": 7, "sphere": NOWHERE} | fields
            missing = await carol.ask(asked)
            code = msgpack.unpackb(missing)["error"]["code"]
            assert code in {"not_found", "not_allowed"}, (operation, code)
            deviations += [
                (operation, number)
                for number, sphere in enumerate(unseen)
                if await carol.ask(asked | {"sphere": sphere}) != missing
            ]

    assert deviations == []


def test_every_command_that_names_a_sphere_is_among_the_operations() -> None:
    tried = {operation.partition(",")[0] for operation in FIELDS} | OF_THE_CONNECTION

    assert tried == naming_a_sphere()


async def test_only_managers_list_invisible_spheres_and_never_content(house: House) -> None:
    acme, other = await house.organisation(), await house.organisation("umbrella")
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana, name="Project Kraken")
    async with (
        await house.person(await house.resident(acme, "Max", MemberRole.MANAGER)) as manager,
        await house.person(await house.resident(other, "Eve", MemberRole.MANAGER)) as foreigner,
        await house.person(ana) as member,
    ):
        overview = await manager.call("oversee")
        elsewhere = await foreigner.call("oversee")
        refused = await member.refusal("oversee")

    assert overview["spheres"] == [{"sphere": sphere, "name": "Project Kraken"}]
    assert elsewhere["spheres"] == []
    assert refused["code"] == "not_allowed"


async def test_becoming_invisible_tells_every_outsider_to_forget_and_nobody_inside(
    house: House,
) -> None:
    acme, other = await house.organisation(), await house.organisation("umbrella")
    ana = await house.resident(acme, "Ana")
    sphere = await house.sphere(ana)
    async with (
        await house.person(ana) as inside,
        await house.person(await house.resident(acme, "Carol")) as outside,
        await house.person(await house.resident(acme, "Vic", MemberRole.VISITOR)) as visitor,
        await house.person(await house.resident(other, "Zoe")) as foreigner,
    ):
        await inside.call("configure", sphere=sphere, revision=1, audience="open", listed=True)
        shown = await outside.call("list")

        await inside.call("configure", sphere=sphere, revision=2, listed=False)

        await outside.event("sphere_forgotten", sphere=sphere)
        hidden = await outside.call("list")
        for person in (inside, visitor, foreigner):
            await person.settled()
            assert not [frame for frame in person.frames if frame["type"] == "sphere_forgotten"]
    assert [one["sphere"] for one in shown["open"]] == [sphere]
    assert hidden["open"] == []


async def test_names_need_not_be_unique_so_a_collision_reveals_nothing(house: House) -> None:
    acme = await house.organisation()
    await house.sphere(await house.resident(acme, "Ana"), name="Kraken")
    async with await house.person(await house.resident(acme, "Carol")) as carol:
        made = await carol.call("create", name="Kraken")

    assert made["sphere"]["name"] == "Kraken"
