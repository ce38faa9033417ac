"""Accounts over HTTP: sign in, sign out, change a password.

Decides the form of requests and answers, and what a browser's cookie needs; who is let in is
``server/auth``'s. The source of a request is the peer of its socket: no header is believed about
it. Invariant: a page of a web origin that may not use the server is refused before any password is
looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from server import errors
from server.auth.accounts import Accounts
from server.auth.presented import (
    Presented,
    browser_origin,
    check_origin,
    cookie_name,
    presented_token,
)
from server.auth.proof import Claim
from server.auth.sign_in import SignedIn
from server.domain.policy import PASSWORD_CHARS_MAX
from server.http.body import decode, read_body
from server.http.cookies import clear_cookie, set_cookie
from server.protocol.scalars import Address, MemberId, MemberRole, Milliseconds, Name

#: As typed, before it is normalised: composition makes it up to four times shorter.
Password = Annotated[str, Meta(min_length=1, max_length=4 * PASSWORD_CHARS_MAX)]
#: A code of a second factor, or a recovery code.
Code = Annotated[str, Meta(min_length=6, max_length=32)]
Handle = Annotated[str, Meta(min_length=1, max_length=64)]


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs in, where; ``cookie`` for a browser, which must not see its token."""

    organisation: Handle
    address: Address
    password: Password
    code: Code | None = None
    cookie: bool = False


class ChangePassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who changes their password: the former one proves it, even when it has expired."""

    organisation: Handle
    address: Address
    password: Password
    new_password: Password
    code: Code | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session that began; its token is absent when a cookie holds it."""

    token: str | UnsetType
    member: MemberId
    name: Name
    role: MemberRole
    organisation: Name
    session_ends_at: Milliseconds
    idle_limit_ms: Milliseconds


class AccountEndpoints:
    """The endpoints, with what they need."""

    def __init__(self, accounts: Accounts, *, origins: Sequence[str], body_bytes_max: int) -> None:
        self._accounts = accounts
        self._origins = origins
        self._body_bytes_max = body_bytes_max

    async def sign_in(self, request: Request) -> Response:
        """Open a session. Raises Unauthenticated, BadInput, Overloaded."""
        presented = self._presented(request)
        asked = decode(await read_body(request, self._body_bytes_max), SignIn)
        cookie = cookie_name(self._origin(request)) if asked.cookie else None
        signed_in = await self._accounts.sign_in(
            _claim(request, asked), replaced=None if presented is None else presented.token
        )
        response = Response(
            msgspec.json.encode(_session(signed_in, shown=cookie is None)),
            media_type="application/json",
        )
        if cookie is not None:
            session = signed_in.session
            lifetime_s = (session.ends_at - session.created_at) // 1000
            set_cookie(response, cookie, signed_in.token, max_age_s=lifetime_s)
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session that the request carries, everywhere. Raises Unauthenticated.

        A browser whose session is over already is told that it is done: its cookie goes too.
        """
        presented = self._presented(request)
        if presented is None:
            raise errors.NotAuthenticated
        response = Response(status_code=204)
        if presented.by_cookie:
            clear_cookie(response, cookie_name(self._origin(request)))
        try:
            await self._accounts.sign_out(presented.token)
        except errors.NotAuthenticated:
            if not presented.by_cookie:
                raise
        return response

    async def change_password(self, request: Request) -> Response:
        """Change a password. Raises Unauthenticated, BadInput, Overloaded."""
        check_origin(
            request.headers.raw,
            scheme=request.scope["scheme"],
            origins=self._origins,
        )
        asked = decode(await read_body(request, self._body_bytes_max), ChangePassword)
        await self._accounts.change_password(_claim(request, asked), asked.new_password)
        return Response(status_code=204)

    def _presented(self, request: Request) -> Presented | None:
        return presented_token(
            request.headers.raw, scheme=request.scope["scheme"], origins=self._origins
        )

    def _origin(self, request: Request) -> str:
        return browser_origin(
            request.headers.raw, scheme=request.scope["scheme"], origins=self._origins
        )


def _claim(request: Request, asked: SignIn | ChangePassword) -> Claim:
    return Claim(
        organisation=asked.organisation,
        address=asked.address,
        password=asked.password,
        code=asked.code,
        source=None if request.client is None else request.client.host,
    )


def _session(signed_in: SignedIn, *, shown: bool) -> Session:
    session = signed_in.session
    return Session(
        token=signed_in.token if shown else UNSET,
        member=session.member.id,
        name=session.member.name,
        role=session.member.role,
        organisation=session.organisation_name,
        session_ends_at=session.ends_at,
        idle_limit_ms=session.policy.idle_ms,
    )
