"""Second factor over HTTP: set one up, and do without it again.

Each request proves the password afresh: a device left open must not be enough to change what guards
the account. Invariant: the secret and the recovery codes are answered once each.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server import errors
from server.auth.accounts import Accounts
from server.auth.presented import check_origin
from server.auth.proof import Claim
from server.http.accounts import Code, Handle, Password
from server.http.body import decode, read_body
from server.protocol.scalars import Address


class Factor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who sets up, confirms or drops a second factor, with a code where one is needed."""

    organisation: Handle
    address: Address
    password: Password
    code: Code | None = None


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """The secret for the device, in base32; not in force until it is confirmed."""

    secret: str


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The codes for when the device is lost: each works once."""

    recovery_codes: list[str]


class SecondFactorEndpoints:
    """The endpoints, with what they need."""

    def __init__(self, accounts: Accounts, *, origins: Sequence[str], body_bytes_max: int) -> None:
        self._accounts = accounts
        self._origins = origins
        self._body_bytes_max = body_bytes_max

    async def draw(self, request: Request) -> Response:
        """Draw a secret. Raises Unauthenticated, Conflict, BadInput, Overloaded."""
        asked = await self._asked(request)
        secret = await self._accounts.draw_second_factor(_claim(request, asked, asked.code))
        return _json(Drawn(secret=secret))

    async def confirm(self, request: Request) -> Response:
        """Put it in force. Raises Unauthenticated, Conflict, BadInput, Overloaded."""
        asked = await self._asked(request)
        if asked.code is None:
            raise errors.InvalidField("Send the present code of the device.")
        codes = await self._accounts.confirm_second_factor(_claim(request, asked, None), asked.code)
        return _json(Confirmed(recovery_codes=codes))

    async def drop(self, request: Request) -> Response:
        """Do without it. Raises Unauthenticated, NotAllowed, BadInput, Overloaded."""
        asked = await self._asked(request)
        await self._accounts.drop_second_factor(_claim(request, asked, asked.code))
        return Response(status_code=204)

    async def _asked(self, request: Request) -> Factor:
        check_origin(request.headers.raw, scheme=request.scope["scheme"], origins=self._origins)
        return decode(await read_body(request, self._body_bytes_max), Factor)


def _claim(request: Request, asked: Factor, code: str | None) -> Claim:
    return Claim(
        organisation=asked.organisation,
        address=asked.address,
        password=asked.password,
        code=code,
        source=None if request.client is None else request.client.host,
    )


def _json(answer: Drawn | Confirmed) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")
