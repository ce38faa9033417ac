"""Office: the command line's side of what is asked. With no server in charge, it does it itself.

Decides who does a wish, and how long to wait for it. Invariant: a wish is done once, by whoever is
in charge; one that was not taken up in time is withdrawn, so that nothing happens later unseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from server import errors
from server.administration.wishes import Answer, AnyWish, fulfil
from server.clock import Clock, SystemClock
from server.settings import Settings
from storage import errands, keyrings, migrations
from storage.charge import Charge
from storage.database import Database, Misconfigured, Transaction
from storage.erasure import Eraser

#: How long to wait for the server in charge: it looks twice a second, and may be erasing a lot.
PATIENCE_S = 30.0
_LOOK_EVERY_S = 0.05
_answers = msgspec.json.Decoder(Answer)


class NotTaken(Exception):
    """The server in charge did not take up a wish in time: nothing was done."""


class Refused(Exception):
    """A wish was refused, with the reason."""


class Office(NamedTuple):
    """A database, open for administration."""

    database: Database
    charge: Charge
    clock: Clock
    patience_s: float = PATIENCE_S

    async def wish(self, wish: AnyWish) -> Answer:
        """Have a wish done. Raises Refused, NotTaken, StorageUnavailable."""
        answer = await (self._do(wish) if self.charge.take() else self._ask(wish))
        if answer.refusal is not None:
            raise Refused(answer.refusal)
        return answer

    async def _do(self, wish: AnyWish) -> Answer:
        """Do it here: nobody is connected, so there is nobody to tell."""
        try:
            done = await self.database.write(fulfil, wish, {}, self.clock.now())
        except errors.NotFound:
            return Answer(refusal="There is no such thing.")
        except errors.BadInput as refusal:
            return Answer(refusal=refusal.message)
        if done.erased and not await Eraser(self.database).scrub():
            return msgspec.structs.replace(done.answer, scrubbed=False)
        return done.answer

    async def _ask(self, wish: AnyWish) -> Answer:
        """Ask the server in charge, and wait for what comes of it."""
        errand = await self.database.write(errands.ask, msgspec.json.encode(wish), self.clock.now())
        try:
            async with asyncio.timeout(self.patience_s):
                while (  # noqa: ASYNC110  # another process answers
                    words := await self.database.read(errands.answer_of, errand)
                ) is None:
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            words = await self.database.write(_give_up, errand)
        else:
            await self.database.write(errands.forget, errand)
        if words is None:
            raise NotTaken
        return _answers.decode(words)


def _give_up(tx: Transaction, errand: str) -> bytes | None:
    """Withdraw an errand; return what came of it, if something did at the last moment."""
    words = errands.answer_of(tx, errand)
    errands.forget(tx, errand)
    return words


@asynccontextmanager
async def opened(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Office]:
    """Open the database of these settings, beside a server that may run.

    Raises Misconfigured when a server of another release made its tables.
    """
    keyring = keyrings.opened(settings.keys_path, settings.keys_url, data=settings.url)
    database = Database(settings.url, keyring)
    charge = database.charge()
    try:
        await database.write(_check_version, charge)
        yield Office(database, charge, clock or SystemClock())
    finally:
        await database.close()
        charge.leave()


def _check_version(tx: Transaction, charge: Charge) -> None:
    if migrations.version(tx) is None and charge.take():
        migrations.upgrade(tx)
    if migrations.version(tx) != migrations.HEAD:
        raise Misconfigured("The database is of another release: see `cloison migrate`.")
