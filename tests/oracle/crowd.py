"""Crowd: the people of a walk at their devices: sessions that are opened, lines that come and go.

Invariant: every line here is an open connection of the model, until both are put away.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any

from tests.oracle.line import Line
from tests.oracle.model.people import Connection, Member, Session
from tests.oracle.unknown import Unknown
from tests.people import call_http

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

#: Of the lines, those that speak JSON.
IN_JSON = 0.25


class Crowd:
    """Who is connected."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self.lines: dict[int, Line] = {}
        self._keys = itertools.count(1)

    async def sign_in(self, member: Member) -> Session | None:
        """Open a session of somebody, where one can be had."""
        walk = self._walk
        walk.tick(1)
        token = await self._token(member)
        if token is None:
            return None
        session = Session(
            key=next(self._keys),
            member=member,
            token=token,
            id=Unknown("id"),
            began_at=walk.world.moment(),
        )
        walk.world.sessions.append(session)
        return session

    async def _token(self, member: Member) -> str | None:
        """Return a new session's token: by a password, where there is one."""
        walk = self._walk
        if not member.password:
            return await walk.ground.token(member)
        claim = {"organisation": member.organisation.handle, "address": member.address}
        asked = {**claim, "password": member.password}
        status, body = await self.call_http("POST", "/v1/sign-in", body=asked)
        walk.expect(f"a password opens a session: {body!r}", status == 200)
        answer = json.loads(body)
        member.id = member.id or answer["member"]
        walk.world.taken.add(member.id)
        walk.expect("as its member", answer["member"] == member.id)
        return str(answer["token"])

    async def open(self, session: Session) -> Connection:
        """Open a line of a session."""
        walk, member = self._walk, session.member
        encoding = "json" if walk.rng.random() < IN_JSON else "msgpack"
        line = Line(walk.ground.url, session.token, encoding=encoding)
        await line.connect()
        got = await line.answer(await line.send("hello", token=session.token))
        walk.expect(f"a session is welcome: {got}", got["type"] == "welcome")
        walk.expect("as its member", got["member"] == member.id)
        walk.expect("under their name", got["name"] == member.name)
        walk.expect("with their role", got["role"] == member.role)
        walk.expect("visible or not, as chosen", got["visible"] == member.visible)
        line.take()
        connection = Connection(next(self._keys), session)
        walk.world.connections[connection.key] = connection
        self.lines[connection.key] = line
        walk.trace[-1] += f" -> {connection} ({encoding})"
        return connection

    async def close(self, key: int, *, rudely: bool = False) -> None:
        """Close a line; what its client held is put on the shelf of its session."""
        connection = self._walk.world.connections.pop(key)
        line = self.lines.pop(key)
        if rudely and line.close_code is None:
            line.cut()
        await line.close()
        self._walk.clients.put_away(key, connection.session.key)

    async def bury(self) -> None:
        """Put away the lines that the server closed."""
        for key, connection in tuple(self._walk.world.connections.items()):
            if connection.closed is not None:
                await self.close(key)

    async def leave(self) -> None:
        """Close every line."""
        await asyncio.gather(*(line.close() for line in self.lines.values()))

    async def call_http(self, method: str, path: str, **more: Any) -> tuple[int, bytes]:
        """Make a request over HTTP; return its status and its body."""
        answered = await asyncio.to_thread(call_http, self._walk.ground.url, method, path, **more)
        return answered[0], answered[2]
