"""Who may do what: every command of the dispatch tables, against a table written by hand.

A cell is what somebody in that position is answered who asks it of a closed, invisible sphere of
their organisation, which keeps no directory; whoever ``asked`` sees it listed. This is the slice
through real sockets of what ``tests/matrix`` tries in every kind of sphere.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.gateway.connection import _ANSWERS
from server.gateway.dispatch import INSIDE, READS, WRITES
from server.protocol import commands
from server.protocol.scalars import MemberRole
from storage import connectors
from tests.house import House, Resident, serving
from tests.people import Person, Refused

POSITIONS = (
    "visitor", "member", "manager", "guest", "inside", "administrator", "entered", "asked",
    "former",
)  # fmt: skip
#: ok, not found, not allowed, already inside, already greeted.
MEANING = {
    ".": "ok",
    "?": "not_found",
    "-": "not_allowed",
    "=": "already_inside",
    "!": "already_greeted",
}
#: Of each command, what the positions are answered, in the order of POSITIONS.
TABLE = {
    "hello": "! ! ! ! ! ! ! ! !",
    "list": ". . . . . . . . .",
    "subscribe": "? ? ? . . . . ? ?",
    "unsubscribe": "? ? ? ? ? ? ? ? ?",
    "post": "? ? ? . . . . ? ?",
    "history": "? ? ? . . . . ? ?",
    "create": "- . . - . . . . .",
    "configure": "? ? ? - - . . ? ?",
    "invite": "? ? ? - - . . ? ?",
    "invite_visitor": "? ? ? - - . . ? ?",
    "decline": "? ? ? ? ? ? ? . ?",
    "ask": "- ? ? - = = = . ?",
    "requests": "? ? ? - - . . ? ?",
    "refuse": "? ? ? - - . . ? ?",
    "uninvite": "? ? ? - - . . ? ?",
    "step_down": "? ? ? - - - - ? ?",
    "journal": "? ? ? . . . . ? ?",
    "join": "? ? ? = = = = ? ?",
    "converse": "? ? ? . . . . ? ?",
    "prefer": "? ? ? . . . . ? ?",
    "leave": "? ? ? . . . . ? ?",
    "remove": "? ? ? - - . . ? ?",
    "appoint": "? ? ? - - . . ? ?",
    "bequeath": "? ? ? . . . . ? ?",
    "oversee": "- - . - - - . - -",
    "enter": "- - . - - - = - -",
    "install_connector": "? ? ? - - . . ? ?",
    "revoke_connector": "? ? ? - - . . ? ?",
    "typing": "? ? ? ? ? ? ? ? ?",
    "appear": ". . . . . . . . .",
    "rename": ". . . . . . . . .",
    "describe": "? ? ? . . . . ? ?",
    "my_profile": ". . . . . . . . .",
    "profile": "? ? ? . . . . ? ?",
    "directory": "- - - - - - - - -",
    "sessions": ". . . . . . . . .",
    "end_session": "? ? ? ? ? ? ? ? ?",
    "edit": "? ? ? . . . . ? ?",
    "delete": "? ? ? . . . . ? ?",
    "react": "? ? ? . . . . ? ?",
    "mark_read": "? ? ? . . . . ? ?",
    "attach": "? ? ? . . . . ? ?",
    "members": "- - . - - - . - -",
    "invite_member": "- - . - - - . - -",
    "invitations": "- - . - - - . - -",
    "withdraw_invitation": "- - ? - - - ? - -",
    "policies": "- - . - - - . - -",
    "set_policies": "- - . - - - . - -",
    "connectors": "- - . - - - . - -",
    "change_role": "- - . - - - . - -",
    "disable": "- - . - - - . - -",
    "enable": "- - . - - - . - -",
    "dismiss": "- - . - - - . - -",
}
ROLES = {
    "visitor": MemberRole.VISITOR,
    "guest": MemberRole.VISITOR,
    "manager": MemberRole.MANAGER,
    "entered": MemberRole.MANAGER,
}


def every_command() -> set[type[commands.Command]]:
    """Return every command that the server answers."""
    return {*WRITES, *READS, *INSIDE, *_ANSWERS, commands.Post}


def tag(command: type[commands.Command]) -> str:
    """Return the type of a command on the wire."""
    found = msgspec.inspect.type_info(command)
    assert isinstance(found, msgspec.inspect.StructType)
    return str(found.tag)


def test_the_table_speaks_of_every_command_and_of_no_other() -> None:
    assert {tag(command) for command in every_command()} == set(TABLE)
    assert all(len(row.split()) == len(POSITIONS) for row in TABLE.values())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Return a running server: who may do what does not depend on the links."""
    async with serving(tmp_path) as running:
        yield running


class Scene:
    """A new sphere with somebody in one position towards it, and two others inside."""

    def __init__(self, house: House, founder: Resident, third: Resident) -> None:
        self._house = house
        self._founder = founder
        self._third = third

    async def set(self, who: Resident, person: Person, position: str) -> dict[str, Any]:
        """Make the sphere; return the fields that name what is in it."""
        inside = [self._founder, self._third]
        if position in {"guest", "inside", "former"}:
            inside.append(who)
        elif position == "administrator":
            inside.insert(0, who)
        sphere = await self._house.sphere(*inside)
        await self._house.connector(sphere, inside[0])
        if position == "entered":
            await person.call("enter", sphere=sphere)
        if position == "former":
            await person.call("leave", sphere=sphere)
        if position == "asked":
            await self._show(sphere)
            await person.call("ask", sphere=sphere)
        (bot,) = await self._house.parts.database.read(connectors.of_sphere, sphere)
        message = 1
        if position in {"guest", "inside", "administrator", "entered"}:
            message = (await person.post(sphere, "mine"))["seq"]
        return {"sphere": sphere, "connector": bot.connector, "message": message}

    async def _show(self, sphere: str) -> None:
        """List the sphere: it is closed, and takes requests."""
        async with await self._house.person(self._founder) as host:
            await host.call("configure", sphere=sphere, revision=1, listed=True)

    def ask(self, kind: str, there: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a command that is as it should be."""
        sphere = {"sphere": there["sphere"]}
        message = sphere | {"message": there["message"]}
        return {
            "hello": {},
            "post": sphere | {"revision": 1, "client_id": secrets.token_hex(8), "body": "hello"},
            "create": {"name": "Mine"},
            "configure": sphere | {"revision": 1, "name": "Another"},
            "invite": sphere | {"address": "nobody@nowhere.example"},
            "invite_visitor": sphere | {"address": "nobody@nowhere.example"},
            "uninvite": sphere | {"address": "nobody@nowhere.example"},
            "refuse": sphere | {"member": self._third.id},
            "remove": sphere | {"member": self._third.id},
            "appoint": sphere | {"member": self._third.id},
            "profile": sphere | {"member": self._third.id},
            "bequeath": sphere | {"form": "named"},
            "install_connector": sphere | {"name": "Builds"},
            "revoke_connector": sphere | {"connector": there["connector"]},
            "appear": {"visible": True},
            "rename": {"name": f"Name {secrets.token_hex(3)}"},
            "describe": sphere | {"field": "title", "visibility": "hidden"},
            "end_session": {"session": "a" * 26},
            "converse": sphere | {"revision": 1, "members": [self._third.id]},
            "prefer": sphere | {"private": "decline"},
            "invite_member": {"address": "nobody@nowhere.example"},
            "withdraw_invitation": {"invitation": "a" * 26},
            "set_policies": {"sessions_max": 19},
            "change_role": {"member": self._third.id, "role": "visitor"},
            "disable": {"member": self._third.id},
            "enable": {"member": self._third.id},
            "dismiss": {"member": self._third.id, "erase": True},
            "edit": message | {"revision": 1, "body": "otherwise"},
            "delete": message,
            "react": message | {"reaction": "+1"},
            "mark_read": sphere | {"seq": 1},
            "attach": sphere | {"size": 1},
        }.get(kind, {} if kind in _OF_NO_SPHERE else sphere)


_OF_NO_SPHERE = {
    "list",
    "oversee",
    "my_profile",
    "directory",
    "sessions",
    "members",
    "invitations",
    "policies",
    "connectors",
}


@pytest.mark.parametrize("position", POSITIONS)
async def test_everybody_is_answered_as_the_table_says(house: House, position: str) -> None:
    acme = await house.organisation()
    founder, third = await house.resident(acme, "Fay"), await house.resident(acme, "Tom")
    who = await house.resident(acme, "Ana", ROLES.get(position, MemberRole.MEMBER))
    scene = Scene(house, founder, third)
    answers = {}
    async with await house.person(who) as person:
        for kind in TABLE:
            there = await scene.set(who, person, position)
            try:
                await person.call(kind, **scene.ask(kind, there))
                answers[kind] = "ok"
            except Refused as refused:
                answers[kind] = refused.code

    column = POSITIONS.index(position)
    assert answers == {kind: MEANING[row.split()[column]] for kind, row in TABLE.items()}
