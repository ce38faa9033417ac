"""Public reading: keeps a connection to a public sphere, and prints what it says.

Comes back by itself as long as the server lets it, reads anew, and says what is gone since.
Invariant: what is told while a page is on its way is shown after the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from clients.failures import Failure, Refused, Stopped, Unreachable
from clients.link import Link, Waits, dial_reader
from clients.printer import Printer
from clients.public import HELD_MAX, Output, Public, lasting
from clients.reconnection import Backoff
from clients.rendering import announce
from clients.safe_text import safe_name
from clients.wire import PAGE_EVENTS_MAX, Encoding, Frame

NOT_FOUND: Final = "not_found"


@dataclass(frozen=True, slots=True)
class Wish:
    """What to read, and how much of it."""

    server: str
    sphere: str
    limit: int  #: how many of the last messages to begin with
    count: int | None  #: stop after so many
    patience: float  #: seconds to try without a connection
    patience_after: float  #: the same, once there was one


class PublicReading:
    """One sphere that is read until there is enough, or no more."""

    def __init__(
        self, wish: Wish, encoding: Encoding, printer: Printer, backoff: Backoff | None = None
    ) -> None:
        self._wish = wish
        self._encoding = encoding
        self._printer = printer
        self._backoff = backoff or Backoff()
        self._public = Public()
        self._left = wish.count
        self._enough = asyncio.Event()
        self._begun = False
        self._late: list[Frame] | None = []

    async def run(self) -> None:
        """Read. Raises Unreachable once patience is over, Stopped when it is not public."""
        waited = 0.0
        while not self._enough.is_set():
            try:
                await self._stay()
            except (Unreachable, Refused) as failure:
                waited = await self._pause(failure, waited)
            except Stopped:
                self._forget()
                raise
            else:
                return

    async def _pause(self, failure: Unreachable | Refused, waited: float) -> float:
        """Wait before the next attempt; return how long it has been in vain."""
        if isinstance(failure, Refused) and not failure.temporary:
            self._forget()
            raise _gone(failure) from None
        if self._late is None:  # there was a connection
            waited, self._late = 0.0, []
        delay = self._backoff.delay(failure.retry_after)
        patience = self._wish.patience_after if self._begun else self._wish.patience
        if waited + delay > patience:
            raise failure
        if not waited:
            self._printer.note(f"{failure.message} Trying again")
        await asyncio.sleep(delay)
        return waited + delay

    async def _stay(self) -> None:
        """Read over one connection, to its end or until there is enough."""
        wish = self._wish
        self._late = []
        link = await dial_reader(wish.server, wish.sphere, self._encoding, Waits(), self._hear)
        try:
            self._greet(link.welcome)
            await self._catch_up(link)
            enough = asyncio.create_task(self._enough.wait())
            await asyncio.wait({enough, link.reader}, return_when=asyncio.FIRST_COMPLETED)
            enough.cancel()
            if not self._enough.is_set():
                link.reader.result()
        finally:
            await link.close()

    def _greet(self, reading: Frame) -> None:
        self._backoff.reset()
        if not self._begun:
            record = {key: reading[key] for key in ("sphere", "name")}
            line = announce(f"Reading «{safe_name(reading['name'])}», which is public")
            self._printer.record({"type": "reading", **record}, line)

    async def _catch_up(self, link: Link) -> None:
        """Show the last messages, or what became of them; then what was told meanwhile."""
        page, whole = await self._last(link, HELD_MAX if self._begun else self._wish.limit)
        self._begun = True
        self._print(self._public.renew(page, whole=whole, now=link.welcome["now"]))
        late, self._late = self._late or [], None
        for frame in lasting(late):
            self._hear(frame)

    async def _last(self, link: Link, wanted: int) -> tuple[list[Frame], bool]:
        found: list[Frame] = []
        while len(found) < wanted:
            before = found[0]["message"] if found else None
            limit = min(wanted - len(found), PAGE_EVENTS_MAX)
            page = await link.request("history", before=before, limit=limit)
            found = page["messages"] + found
            if not page["more"]:
                return found, True
        return found, False

    def _hear(self, frame: Frame) -> None:
        if self._late is not None:
            self._late.append(frame)
        else:
            self._print(self._public.hear(frame))

    def _print(self, outputs: Iterable[Output]) -> None:
        for record, lines in outputs:
            if self._enough.is_set():
                return
            self._printer.record(record, *lines)
            if record["type"] == "message" and self._left is not None:
                self._left -= 1
            if self._left is not None and self._left <= 0:
                self._enough.set()

    def _forget(self) -> None:
        if self._begun:
            line = announce("The sphere is not public any more: forget what you saw")
            self._printer.record({"type": "forget", "sphere": self._wish.sphere}, line)


def _gone(refused: Refused) -> Failure:
    if refused.code != NOT_FOUND:
        return refused
    return Stopped("No public sphere has this address (any more). Ask whoever gave it to you.")
