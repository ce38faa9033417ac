"""Answers: how the command line says what came of it, and with which exit code.

Exit codes: 0 done; 1 refused, or not possible now; 2 wrong arguments. Invariant: whatever goes
wrong, the reason is one sentence on standard error, and no traceback.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

from server import errors
from server.administration.listed import Unusable
from server.administration.office import NotTaken, Office, Refused, opened
from server.administration.wishes import Answer
from server.settings import Settings
from storage.database import Transaction
from storage.organisations import Organisation, by_handle

#: What a sub-command does, given the office and its arguments; it prints what is worth knowing.
Act = Callable[[Office, argparse.Namespace], Awaitable[None]]

_NOT_TAKEN = "The server did not do it in time: nothing was done. Is it stopping? Try again."


def command(act: Act) -> Callable[[Settings, argparse.Namespace], int]:
    """Return ``act`` as the command line runs it."""

    def run(settings: Settings, chosen: argparse.Namespace) -> int:
        try:
            asyncio.run(_within(settings, chosen, act))
        except NotTaken:
            return _fail(_NOT_TAKEN)
        except (Refused, Unusable) as refused:
            return _fail(str(refused))
        except errors.Refusal as refusal:
            return _fail(refusal.message)
        return 0

    return run


async def _within(settings: Settings, chosen: argparse.Namespace, act: Act) -> None:
    async with opened(settings) as office:
        await act(office, chosen)


def _fail(why: str) -> int:
    print(f"cloison: {why}", file=sys.stderr)
    return 1


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns."""
    every = [heads, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in every
    )


def departures(answer: Answer) -> str:
    """Say what a departure cleared, without naming any sphere: that is not the operator's."""
    certificates = answer.certificates
    erased = sum(one.messages_erased for one in certificates)
    kept = sum(one.messages_kept for one in certificates)
    bots = sum(one.connectors_revoked for one in certificates)
    said = (
        f"Spheres left: {len(certificates)}; messages erased: {erased}, kept as their author"
        f" bequeathed: {kept}; connectors revoked: {bots}; sessions ended: {answer.sessions_ended}."
    )
    if not answer.scrubbed:
        said += "\nThe erasure ends with the next start of the server: something held a file open."
    return said


def organisation(tx: Transaction, handle: str) -> Organisation:
    """Return the organisation of a handle. Raises Refused."""
    found = by_handle(tx, handle)
    if found is None:
        raise Refused(f"There is no organisation {handle!r}.")
    return found
