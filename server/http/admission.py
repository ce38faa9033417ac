"""Admission over HTTP: accept an invitation to an organisation.

Invariant: a page of a web origin that may not use the server is refused before any password is
looked at; the token is in the body, never in an address.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.auth.accounts import Accounts
from server.auth.admission import Acceptance
from server.auth.presented import check_origin
from server.http.accounts import Code, Handle, Password
from server.http.body import decode, read_body
from server.protocol.scalars import Address, Name, Token


class Accept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who accepts an invitation; the password is a new one, or the account's own."""

    invitation: Token
    address: Address
    name: Name
    password: Password
    code: Code | None = None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The organisation to sign in to now, by its handle."""

    organisation: Handle


class AdmissionEndpoint:
    """The endpoint, with what it needs."""

    def __init__(self, accounts: Accounts, *, origins: Sequence[str], body_bytes_max: int) -> None:
        self._accounts = accounts
        self._origins = origins
        self._body_bytes_max = body_bytes_max

    async def accept(self, request: Request) -> Response:
        """Make whoever is invited a member. Raises Unauthenticated, BadInput, Overloaded."""
        check_origin(request.headers.raw, scheme=request.scope["scheme"], origins=self._origins)
        asked = decode(await read_body(request, self._body_bytes_max), Accept)
        handle = await self._accounts.accept(
            Acceptance(
                invitation=asked.invitation,
                address=asked.address,
                name=asked.name,
                password=asked.password,
                code=asked.code,
                source=None if request.client is None else request.client.host,
            )
        )
        return Response(
            msgspec.json.encode(Accepted(organisation=handle)), media_type="application/json"
        )
