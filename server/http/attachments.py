"""Attachments over HTTP: the bytes of a file, in from its author and out to who may read it.

Streams: a piece or two are held at a time, in either direction, and each piece is asked for anew,
of the store and of the hub. What goes out is bytes to be saved and nothing else: the type that
its author named is never said to a browser, and nothing looks into it. Invariant: no byte of a file
is handed to a connection whose reader was not found to be entitled after it was read.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Concatenate, Final, NamedTuple, ParamSpec, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server import errors
from server.auth.accounts import Accounts
from server.auth.presented import presented_token
from server.channels import attachments
from server.channels.attachments import Readable
from server.channels.hub import Hub
from server.channels.line import Line, line_of
from server.channels.writer import Writer
from server.http.refusals import answer
from server.http.transfer import Transfer, Transfers
from server.protocol.scalars import ID_PATTERN
from storage import attachments as files
from storage.attachments import PIECE_BYTES
from storage.database import Database, Transaction
from storage.sessions import Session

P = ParamSpec("P")
T = TypeVar("T")

#: Bytes handed on at a time: a reader's high-water mark, so that little is unsent when it is cut.
SLICE_BYTES: Final = 65_536
#: Pieces that are written, and pieces that are read, at one time: posts and pages come between.
AT_ONCE: Final = 1
#: It is bytes, to be saved: not shown, run, framed, guessed, nor fetched by another site's page.
HEADERS: Final = (
    (b"content-type", b"application/octet-stream"),
    (b"content-disposition", b'attachment; filename="attachment"'),
    (b"content-security-policy", b"sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"accept-ranges", b"none"),
)
#: Looks at the store for one piece: again while files of its timeline are being erased.
LOOKS_MAX: Final = 5
#: Seconds to hear that a connection which was cut is gone.
GONE_S: Final = 1.0


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose bytes are all there."""

    attachment: str
    size: int
    digest: str


class Depot(NamedTuple):
    """What the endpoints need of the server."""

    accounts: Accounts
    database: Database
    writer: Writer
    hub: Hub
    transfers: Transfers
    stall_s: float


class AttachmentEndpoints:
    """The endpoints."""

    def __init__(self, depot: Depot, *, origins: Sequence[str]) -> None:
        self._depot = depot
        self._origins = origins
        self._writing = asyncio.Semaphore(AT_ONCE)
        self._reading = asyncio.Semaphore(AT_ONCE)

    async def take(self, request: Request) -> Response:
        """Take the bytes of a file that was announced; what is refused is not read to its end."""
        line = line_of(request.scope)
        try:
            session = await self._session(request)
            with self._depot.transfers.open(session, line) as transfer:
                stored = await self._stored(request, transfer, line)
        except errors.Refusal as refusal:
            refused = answer(refusal)
            refused.headers["connection"] = "close"
            return refused
        return Response(msgspec.json.encode(stored), media_type="application/json")

    async def give(self, request: Request) -> Response:
        """Give the bytes of a file to who may read its message. Raises Unauthenticated, NotFound.

        A browser asks by POST: its scripts name their origin then.
        """
        session = await self._session(request)
        return _Outgoing(self, session, _identifier(request))

    async def _session(self, request: Request) -> Session:
        presented = presented_token(
            request.headers.raw, scheme=request.scope["scheme"], origins=self._origins
        )
        if presented is None:
            raise errors.NotAuthenticated
        return await self._depot.accounts.recognise(presented.token)

    # -- in

    async def _stored(self, request: Request, transfer: Transfer, line: Line) -> Stored:
        sending = await self._write(attachments.begin, transfer.reader, _identifier(request))
        _check_length(request, sending.size)
        line.outlast()
        digest = hashlib.sha256()
        number = 0
        async for piece in self._pieces(request, sending.size):
            digest.update(piece)
            if transfer.over:
                raise errors.NotAuthenticated
            if not await self._write(files.add, sending, number, piece):
                raise errors.NotFound
            number += 1
        if not await self._write(files.finish, sending, digest.hexdigest()):
            raise errors.NotFound
        return Stored(attachment=sending.attachment, size=sending.size, digest=digest.hexdigest())

    async def _pieces(self, request: Request, size: int) -> AsyncIterator[bytes]:
        """Return the body in pieces, the last one too, which alone may be short or empty.

        Raises TooLarge, InvalidField when it is shorter than ``size``, and MalformedFrame when it
        is too slow.
        """
        loop, patience = asyncio.get_running_loop(), self._depot.stall_s * PIECE_BYTES / SLICE_BYTES
        stream, held, came = request.stream(), bytearray(), 0
        deadline = loop.time() + patience
        while (part := await _next(stream, deadline)) is not None:
            came += len(part)
            if came > size:
                raise errors.TooLarge
            held += part
            while len(held) > PIECE_BYTES:
                yield bytes(held[:PIECE_BYTES])
                del held[:PIECE_BYTES]
                deadline = loop.time() + patience
        if came < size:
            raise errors.InvalidField("The file is shorter than was announced.")
        yield bytes(held)

    async def _write(
        self, act: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write in turn: others' posts wait behind one piece, and not behind every sender's."""
        async with self._writing:
            return await self._depot.database.write(act, *args, **kwargs)

    # -- out

    async def send(self, session: Session, wanted: str, scope: Scope, send: Send) -> None:
        """Answer with the file, piece by piece. Raises NotFound before the answer begins.

        After that, whatever forbids the rest cuts the connection: the answer stays unfinished.
        """
        depot = self._depot
        with depot.transfers.open(session, line_of(scope)) as transfer:
            found = await depot.database.read(attachments.readable, transfer.reader, wanted)
            with depot.hub.passages.passing(found.file.timeline, transfer):
                found, data = await self._piece(transfer, wanted, 0)
                await send(_start(found.view.size))
                if scope["method"] == "HEAD":
                    await send({"type": "http.response.body"})
                    return
                try:
                    await self._pour(transfer, found, data, send)
                except (errors.Refusal, TimeoutError):
                    transfer.cut()

    async def _pour(self, transfer: Transfer, found: Readable, data: bytes, send: Send) -> None:
        wanted, last = found.view.attachment, found.file.pieces - 1
        for number in range(last + 1):
            if number:
                found, data = await self._piece(transfer, wanted, number)
            for start in range(0, len(data) or 1, SLICE_BYTES):
                if transfer.outdated:
                    await self._piece(transfer, wanted, number)
                if transfer.lost:
                    return
                more = number < last or start + SLICE_BYTES < len(data)
                part = data[start : start + SLICE_BYTES]
                async with asyncio.timeout(self._depot.stall_s):
                    await send({"type": "http.response.body", "body": part, "more_body": more})

    async def _piece(self, transfer: Transfer, wanted: str, number: int) -> tuple[Readable, bytes]:
        """Return a piece that may be handed over now. Raises NotFound, Busy."""
        depot = self._depot
        for _ in range(LOOKS_MAX):
            transfer.outdated = False
            async with self._reading:
                found, data = await depot.database.read(
                    attachments.read_piece, transfer.reader, wanted, number
                )
            if found.entered:  # the others hear of the entry first
                await depot.writer.settled()
                depot.hub.flush()
            if transfer.over:
                raise errors.NotFound
            depot.hub.check_known(found.file.timeline, transfer.reader)
            if not transfer.outdated:
                return found, data
        raise errors.Busy(retry_after_ms=500)


class _Outgoing(Response):
    """The answer that gives a file."""

    def __init__(self, endpoints: AttachmentEndpoints, session: Session, wanted: str) -> None:
        super().__init__()
        self._endpoints = endpoints
        self._session = session
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and see the connection out when it was cut."""
        line = line_of(scope)
        await self._endpoints.send(self._session, self._wanted, scope, send)
        if line.lost:
            with suppress(TimeoutError):
                async with asyncio.timeout(GONE_S):
                    while (await receive())["type"] != "http.disconnect":
                        pass


def _start(size: int) -> dict[str, object]:
    headers = [*HEADERS, (b"content-length", str(size).encode())]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _identifier(request: Request) -> str:
    """Return the id in the path. Raises NotFound for what is none."""
    found: str = request.path_params["attachment"]
    if re.match(ID_PATTERN, found) is None:
        raise errors.NotFound
    return found


def _check_length(request: Request, size: int) -> None:
    """Raise InvalidField where the length that the request says is not the one announced."""
    said = request.headers.get("content-length")
    if said is not None and said != str(size):
        raise errors.InvalidField("The length is not the one that was announced.")


async def _next(stream: AsyncIterator[bytes], deadline: float) -> bytes | None:
    """Return what comes next, None at the end. Raises MalformedFrame after the deadline."""
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(stream, None)
    except TimeoutError:
        raise errors.MalformedFrame("The file did not arrive in time.") from None
