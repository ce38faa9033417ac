"""Tokens: opaque secrets of 256 random bits, and the digests under which they are stored.

A prefix says what a token opens, so that one that leaks into a paste or a repository is recognised
by people and by scanners. Plain SHA-256 is enough: nobody guesses 256 random bits, fast hash or
slow. Invariant: a token is handed out once and never stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets

SESSION_PREFIX = "cls_"
CONNECTOR_PREFIX = "clc_"
INVITATION_PREFIX = "cli_"
_BYTES = 32
_SECRET = "[A-Za-z0-9_-]{43}"  # noqa: S105  # the shape of one: 32 bytes in base64
_SESSION = re.compile(SESSION_PREFIX + _SECRET)


def new_session_token() -> str:
    """Return a new session token."""
    return SESSION_PREFIX + secrets.token_urlsafe(_BYTES)


def new_connector_token() -> str:
    """Return a new connector token."""
    return CONNECTOR_PREFIX + secrets.token_urlsafe(_BYTES)


def new_invitation_token() -> str:
    """Return a new token of an invitation to an organisation."""
    return INVITATION_PREFIX + secrets.token_urlsafe(_BYTES)


def digest(token: str) -> bytes:
    """Return what is stored of a token: 32 bytes. Any text has a digest."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def may_be_session(token: str) -> bool:
    """Say whether ``token`` has the shape of a session token; if not, no store need be asked."""
    return _SESSION.fullmatch(token) is not None
