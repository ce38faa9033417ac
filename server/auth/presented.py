"""Presented: the token that a request carries, and whether its web origin may use the server.

Reads the raw headers of a handshake or a request (ASGI's pairs, names in lower case), for HTTP and
WebSockets alike. An Origin is compared byte for byte, with the configured ones and with the address
that the browser connected to: null, suffixes, other ports, other case and other spellings of a host
name differ by a byte, so none needs a rule. Behind a proxy that ends TLS the server does not see
the scheme of the browser: the origin is then configured. No ``X-Forwarded-`` header is ever read.

Invariant: a cookie counts only together with an Origin that may use the server; without one, the
request may come from any page of the web.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server import errors

Headers = Sequence[tuple[bytes, bytes]]

#: Name of the cookie where browsers hold it to HTTPS, this host and no subdomain.
SECURE_COOKIE = "__Host-cloison"
#: Name of the cookie in development, over plain HTTP to this machine: browsers refuse the other.
LOOPBACK_COOKIE = "cloison"
_WEB_SCHEME = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Presented(msgspec.Struct, frozen=True):
    """A token and where it was found; it does not print."""

    token: str
    by_cookie: bool

    def __repr__(self) -> str:
        """Hide the token."""
        return f"<Presented {'by cookie' if self.by_cookie else 'by header'}>"


def check_origin(headers: Headers, *, scheme: str, origins: Sequence[str]) -> str | None:
    """Return the web origin that a request comes from, or None when it names none.

    ``scheme`` is that of the connection (http, https, ws or wss). Raises OriginRefused for any
    origin that may not use the server.
    """
    named = _all(headers, b"origin")
    if not named:
        return None
    origin = named[0]
    if len(named) > 1 or origin not in {*origins, _own_origin(headers, scheme)}:
        raise errors.OriginRefused
    return origin


def browser_origin(headers: Headers, *, scheme: str, origins: Sequence[str]) -> str:
    """Return the web origin of a browser's page. Raises OriginRefused, also when there is none."""
    origin = check_origin(headers, scheme=scheme, origins=origins)
    if origin is None:
        raise errors.OriginRefused
    return origin


def cookie_name(origin: str) -> str:
    """Return the name of the cookie for pages of a checked ``origin``.

    Raises OriginRefused for plain HTTP to another machine: no cookie is safe there.
    """
    scheme, _, host = origin.partition("://")
    if scheme == "https":
        return SECURE_COOKIE
    if any(host == name or host.startswith(f"{name}:") for name in _LOOPBACK):
        return LOOPBACK_COOKIE
    raise errors.OriginRefused("A cookie needs HTTPS, or plain HTTP to this very machine.")


def presented_token(headers: Headers, *, scheme: str, origins: Sequence[str]) -> Presented | None:
    """Return the token of a request: from its Authorization header, else from its cookie.

    None when it carries neither. Raises OriginRefused for any origin that may not use the server,
    and NotAuthenticated when the header is no bearer token.
    """
    origin = check_origin(headers, scheme=scheme, origins=origins)
    bearer = bearer_token(headers)
    if bearer is not None:
        return Presented(token=bearer, by_cookie=False)
    if origin is None:
        return None
    cookie = _cookie(headers, origin)
    return None if cookie is None else Presented(token=cookie, by_cookie=True)


def bearer_token(headers: Headers) -> str | None:
    """Return the token of the Authorization header; None when there is no such header.

    Raises NotAuthenticated when there are two, or one that carries no bearer token.
    """
    found = _all(headers, b"authorization")
    if not found:
        return None
    scheme, _, token = found[0].partition(" ")
    token = token.strip()
    if len(found) > 1 or scheme.lower() != "bearer" or not token:
        raise errors.NotAuthenticated
    return token


def _own_origin(headers: Headers, scheme: str) -> str | None:
    """Return the origin of a page served from where this request arrived."""
    hosts = _all(headers, b"host")
    if len(hosts) != 1 or not hosts[0]:
        return None
    return f"{_WEB_SCHEME[scheme]}://{hosts[0]}"


def _cookie(headers: Headers, origin: str) -> str | None:
    """Return the session cookie's value; None when there is none, or several to choose from."""
    try:
        wanted = cookie_name(origin)
    except errors.OriginRefused:
        return None
    pairs = (
        pair.strip().partition("=")
        for header in _all(headers, b"cookie")
        for pair in header.split(";")
    )
    values = [value for name, _, value in pairs if name == wanted]
    return values[0] if len(values) == 1 and values[0] else None


def _all(headers: Headers, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name == wanted]
