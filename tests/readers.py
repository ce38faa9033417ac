"""Readers: whoever reads a public sphere without an account, written from protocol.md."""

from __future__ import annotations

from typing import Any

from tests.house import House
from tests.people import Person

Frame = dict[str, Any]


class Reader(Person):
    """One connection of nobody."""

    def __init__(self, url: str, *, encoding: str = "msgpack") -> None:
        super().__init__(url, None, encoding=encoding)

    async def read(self, sphere: str) -> Reader:
        """Open the socket, and read a sphere."""
        await self.connect("/v1/read")
        await self.call("hello", sphere=sphere)
        return self

    async def __aenter__(self) -> Reader:
        return self

    async def page(self, **fields: Any) -> list[Frame]:
        """Return one page of messages."""
        found: list[Frame] = (await self.call("history", **fields))["messages"]
        return found

    async def bodies(self, **fields: Any) -> list[str]:
        """Return what the messages of one page say."""
        return [message["body"] for message in await self.page(**fields)]

    @property
    def told(self) -> list[Frame]:
        """Return what was told unasked, in order."""
        return [frame for frame in self.frames if "id" not in frame]

    @property
    def said(self) -> list[str]:
        """Return what the messages said that were told unasked, in order."""
        return [frame["body"] for frame in self.told if frame["type"] == "message"]


async def reader(house: House, sphere: str, *, encoding: str = "msgpack") -> Reader:
    """Return a reader of a public sphere."""
    return await Reader(house.url, encoding=encoding).read(sphere)


async def publish(host: Person, sphere: str, *, revision: int = 1, **settings: Any) -> int:
    """Make a sphere public; return its revision."""
    await host.call(
        "configure", sphere=sphere, revision=revision, **({"audience": "public"} | settings)
    )
    return revision + 1
