"""Identifiers: random, so that none can be guessed and no counter shows."""

from __future__ import annotations

import base64
import secrets


def new_id() -> str:
    """Return 128 random bits in lower-case base32: 26 characters."""
    return base64.b32encode(secrets.token_bytes(16)).decode("ascii").rstrip("=").lower()
