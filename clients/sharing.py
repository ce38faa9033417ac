"""Sharing: many messages, one after the other, from a script.

Decides when to stop and what to report; the session sends. Invariant: what is reported as shared
is stored, and a failure names the first line that is not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from clients.failures import Failure, Misuse
from clients.session import Session
from clients.wire import Frame, check_body

Acknowledge = Callable[[Frame], None]


class Sharing:
    """Lines on their way to one sphere, in the order they were read."""

    def __init__(self, session: Session, sphere: Frame, acknowledge: Acknowledge) -> None:
        self._session = session
        self._sphere = sphere
        self._acknowledge = acknowledge
        self._fates: deque[tuple[int, asyncio.Future[Frame]]] = deque()
        self._failure: Failure | None = None

    async def share(self, lines: AsyncIterator[str]) -> None:
        """Share each line that is not blank, and stop at the first that fails.

        What was already on its way is awaited either way. Raises that first failure.
        """
        number = 0
        try:
            async for line in lines:
                number += 1
                if line.strip():
                    await self._send(number, check_body(line))
                if self._failure is not None:
                    break
        except Misuse as misuse:
            self._fail(max(number, 1), misuse)
        await self._drain()
        if self._failure is not None:
            raise self._failure

    async def _send(self, number: int, body: str) -> None:
        where = self._sphere["sphere"], self._sphere["revision"]
        self._fates.append((number, await self._session.share(*where, body)))
        while self._fates and self._fates[0][1].done():
            self._tell(*self._fates.popleft())

    async def _drain(self) -> None:
        while self._fates:
            number, fate = self._fates.popleft()
            await asyncio.wait({fate})
            self._tell(number, fate)

    def _tell(self, number: int, fate: asyncio.Future[Frame]) -> None:
        failure = fate.exception()
        if failure is None:
            self._acknowledge(fate.result())
        elif isinstance(failure, Failure):
            self._fail(number, failure)
        else:
            raise failure

    def _fail(self, number: int, failure: Failure) -> None:
        if self._failure is None:
            nothing = f"Line {number} was not shared, nor what follows it."
            failure.message = f"{nothing} {failure.message}"
            self._failure = failure
