"""Own: what people may do with all that is theirs: take it along, and close their account.

A closing proves the password again: a device left open must not be enough to erase somebody. An
export goes out in lines, a page of messages at a time, so that its length does not matter.
Invariant: an export holds what its owner wrote and said of themselves, and no word, name or id of
anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from server import errors
from server.auth.accounts import Accounts
from server.auth.presented import check_origin, presented_token
from server.auth.proof import Claim
from server.channels.membership import Parted, close
from server.channels.outcome import Outcome
from server.channels.writer import Writer
from server.clock import Clock
from server.http.accounts import Code, Handle, Password
from server.http.body import decode, read_body
from server.protocol.replies import Done
from server.protocol.scalars import Address
from server.protocol.views import Certificate
from storage import exports, profiles, sessions
from storage.attachments import File
from storage.database import Database, Transaction

P = ParamSpec("P")
T = TypeVar("T")

#: Messages read at a time: one short transaction.
PAGE = 200
#: Pages of exports read at one time, so that readers stay free for conversations.
PAGES_MAX = 2


class CloseAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who leaves this organisation; or every one, with ``everywhere``."""

    organisation: Handle
    address: Address
    password: Password
    code: Code | None = None
    everywhere: bool = False


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """What was cleared, sphere by sphere."""

    certificates: list[Certificate]


class Holdings(NamedTuple):
    """What closing and exporting need of the server."""

    accounts: Accounts
    database: Database
    writer: Writer
    clock: Clock


class Own:
    """The endpoints."""

    def __init__(self, holdings: Holdings, *, origins: Sequence[str], body_bytes_max: int) -> None:
        self._holdings = holdings
        self._origins = origins
        self._body_bytes_max = body_bytes_max
        self._places = asyncio.Semaphore(PAGES_MAX)

    async def close(self, request: Request) -> Response:
        """End a membership or an account. Raises Unauthenticated, BadInput, Overloaded."""
        check_origin(request.headers.raw, scheme=request.scope["scheme"], origins=self._origins)
        asked = decode(await read_body(request, self._body_bytes_max), CloseAccount)
        claim = Claim(
            organisation=asked.organisation,
            address=asked.address,
            password=asked.password,
            code=asked.code,
            source=None if request.client is None else request.client.host,
        )
        parted = await self._close(claim, everywhere=asked.everywhere)
        return Response(
            msgspec.json.encode(Closed(certificates=parted.certificates)),
            media_type="application/json",
        )

    async def _close(self, claim: Claim, *, everywhere: bool) -> Parted:
        has = self._holdings
        proved = await has.accounts.prove(claim)
        done: list[Parted] = []

        def act(tx: Transaction) -> Outcome:
            parted = close(
                tx, claim=claim, proved=proved, everywhere=everywhere, now=has.clock.now()
            )
            done.append(parted)
            return Outcome(reply=Done(id=0), publication=parted.publication, erased=parted.erased)

        await has.writer.act(act)
        return done[0]

    async def export(self, request: Request) -> Response:
        """Send all that is one's own, a JSON object a line. Raises Unauthenticated."""
        presented = presented_token(
            request.headers.raw, scheme=request.scope["scheme"], origins=self._origins
        )
        if presented is None:
            raise errors.NotAuthenticated
        session = await self._holdings.accounts.recognise(presented.token)
        return StreamingResponse(
            self._lines(session.member.id),
            media_type="application/x-ndjson",
            headers={"content-disposition": 'attachment; filename="my-data.jsonl"'},
        )

    async def _lines(self, member_id: str) -> AsyncIterator[bytes]:
        for kind, one in await self._read(_own, member_id):
            yield _line(kind, one)
        for place in await self._read(_timelines, member_id):
            after: int | None = 0
            while after is not None:
                page, after = await self._read(_page, place, member_id, after)
                for one in page:
                    kind = "reaction" if isinstance(one, exports.Reaction) else "message"
                    yield _line(kind, one)
            for file in await self._read(exports.files, place, member_id):
                async for line in self._file(file):
                    yield line

    async def _file(self, file: File) -> AsyncIterator[bytes]:
        """Return a file in lines; its pieces end where it is erased meanwhile."""
        yield _line("attachment", exports.described(file))
        for number in range(file.pieces):
            piece = await self._read(exports.piece, file, number)
            if piece is None:
                return
            yield _line("piece", piece)

    async def _read(
        self, ask: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Read in turn; no place is held while a slow reader takes what was read."""
        async with self._places:
            return await self._holdings.database.read(ask, *args, **kwargs)


def _timelines(tx: Transaction, member_id: str) -> list[str]:
    """Return the spheres, then the threads, in which something is theirs."""
    inside = [place.sphere for place in exports.places(tx, member_id)]
    return inside + [one.thread for one in exports.conversations(tx, member_id)]


def _page(
    tx: Transaction, timeline: str, member_id: str, after: int
) -> tuple[list[exports.Said], int | None]:
    return exports.said(tx, timeline, member_id, after=after, limit=PAGE)


def _own(tx: Transaction, member_id: str) -> list[tuple[str, Any]]:
    """Return what is short: all but what one wrote."""
    membership = exports.membership(tx, member_id)
    if membership is None:
        return []
    return [
        ("membership", membership),
        *(("profile", one) for one in profiles.own(tx, member_id)),
        *(("session", _device(one)) for one in sessions.of_member(tx, member_id)),
        *(("sphere", one) for one in exports.places(tx, member_id)),
        *(("thread", one) for one in exports.conversations(tx, member_id)),
        *(("connector", one) for one in exports.bots(tx, member_id)),
        *(("request", one) for one in exports.asked(tx, member_id)),
    ]


def _device(stored: sessions.Session) -> dict[str, int]:
    return {"began_at": stored.created_at, "seen_at": stored.seen_at, "ends_at": stored.ends_at}


def _line(kind: str, one: Any) -> bytes:
    return msgspec.json.encode({"type": kind} | msgspec.to_builtins(one)) + b"\n"
