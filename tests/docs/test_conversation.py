"""The conversation in protocol.md is held with the real server, frame by frame."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from server.protocol.scalars import ID_PATTERN, MemberRole
from tests.docs.examples import Block, blocks, protocol, section
from tests.house import House, Resident
from tests.people import Frame, Person, call_http

ANA, BOB, SPHERE = (
    "anaanaanaanaanaanaanaana22",
    "bobbobbobbobbobbobbobbob22",
    "designdesigndesigndesign22",
)
SESSION_TOKEN = "cls_exampleexampleexampleexampleexampleexample1"
CONNECTOR_TOKEN = "clc_exampleexampleexampleexampleexampleexample1"
DIGEST_PATTERN = r"^[0-9a-f]{64}\Z"
#: Whatever is larger in the examples is a date.
DATES_FROM = 1_000_000_000_000


class Script:
    """What the names in the examples stand for on this server."""

    def __init__(self, known: dict[str, str]) -> None:
        self.meaning = dict(known)

    def spoken(self, frame: Frame) -> Frame:
        """Return a frame of the examples as it is said here."""
        return {key: self.meaning.get(value, value) for key, value in frame.items()}

    def learnt(self, shown: Any, actual: Any) -> Any:
        """Return what the examples show as it must read here, learning ids, tokens and dates."""
        if isinstance(shown, dict) and isinstance(actual, dict):
            return {key: self.learnt(value, actual.get(key)) for key, value in shown.items()}
        if isinstance(shown, list) and isinstance(actual, list):
            padded = actual + [None] * (len(shown) - len(actual))
            return [self.learnt(*pair) for pair in zip(shown, padded, strict=False)]
        if isinstance(shown, int) and isinstance(actual, int) and shown > DATES_FROM:
            return actual
        if isinstance(shown, str) and isinstance(actual, str) and _is_opaque(shown):
            return self.meaning.setdefault(shown, actual)
        return shown


def _is_opaque(text: str) -> bool:
    return bool(re.search(f"{ID_PATTERN}|{DIGEST_PATTERN}", text)) or text in {
        SESSION_TOKEN,
        CONNECTOR_TOKEN,
    }


class Cast:
    """Ana, whose conversation it is, and those whose acts she hears of."""

    def __init__(self, house: House, script: Script, others: dict[str, Person]) -> None:
        self.house = house
        self.script = script
        self.others = others
        self.ana: Person

    async def open(self) -> None:
        """Give Ana a new connection, without a word said."""
        self.ana = await Person(self.house.url, None, encoding="json").connect()

    async def go_away(self) -> None:
        """Break Ana's connection; the others leave meanwhile."""
        self.ana.cut()
        await self.ana.closed()
        for name in ("Max", "Bob"):
            await self.others[name].call("leave", sphere=self.script.meaning[SPHERE])

    async def play(self, block: Block) -> None:
        """Say what Ana says, or check what she hears."""
        for frame in block.values():
            if block.speaker == "client":
                await self.ana.send_raw(json.dumps(self.script.spoken(frame)))
            else:
                await self._act(frame)
                await self._check(frame)

    async def _check(self, shown: Frame) -> None:
        actual = await self.ana.until(lambda frame: _place(frame) == _place(shown))
        assert actual == self.script.learnt(shown, actual)

    async def _act(self, told: Frame) -> None:
        """Do what Ana is about to hear of, if it is not her own doing."""
        sphere = self.script.meaning.get(SPHERE, "")
        bob, maximilian = self.others["Bob"], self.others["Max"]
        if told["type"] == "member_joined":
            await bob.event("invited")
            await bob.call("join", sphere=sphere)
        elif told["type"] == "manager_entered":
            await maximilian.call("enter", sphere=sphere)
        elif told["type"] == "message_posted" and told["author"] == BOB:
            await bob.post(sphere, told["body"])
        elif told["type"] == "connector_posted":
            await self._bring(told["body"])

    async def _bring(self, text: str) -> None:
        token = self.script.meaning[CONNECTOR_TOKEN]
        status, _, body = await asyncio.to_thread(
            call_http,
            self.house.url,
            "POST",
            "/v1/bring",
            body={"body": text},
            headers={"authorization": f"Bearer {token}"},
        )
        assert (status, body) == (202, b"accepted")


def _place(frame: Frame) -> tuple[Any, ...]:
    """Return what tells a frame from all others: its id, its seq, or its type."""
    if "id" in frame:
        return "id", frame["id"]
    return ("seq", frame["seq"]) if "seq" in frame else ("type", frame["type"])


async def test_the_conversation_in_the_documentation_happens_as_it_is_written(
    house: House,
) -> None:
    demo = await house.organisation("demo")
    ana, bob = await house.resident(demo, "Ana"), await house.resident(demo, "Bob")
    maximilian: Resident = await house.resident(demo, "Max", MemberRole.MANAGER)
    script = Script(
        {ANA: ana.id, SESSION_TOKEN: await house.token(ana), "bob@demo.example": bob.address}
    )
    others = {"Bob": await house.person(bob), "Max": await house.person(maximilian)}
    cast = Cast(house, script, others)
    await cast.open()
    greetings = 0

    for block in blocks(section(protocol(), "A whole conversation")):
        if block.speaker == "client" and block.values()[0]["type"] == "hello":
            greetings += 1
            if greetings > 1:
                await cast.go_away()
                await cast.open()
        await cast.play(block)

    assert greetings == 2
    assert cast.ana.frames[-1]["type"] == "left", "nothing follows the reply to leave"
    for person in (cast.ana, *others.values()):
        await person.close()
