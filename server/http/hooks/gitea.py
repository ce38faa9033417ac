"""Gitea: its events, and Forgejo's, which are GitHub's but for some words and headers.

Both also sign as GitHub, for tools that know no other: this dialect is asked first.
"""

from __future__ import annotations

import msgspec

from server.http.hooks import github
from server.http.hooks.delivery import Brought, Delivery


def recognises(delivery: Delivery) -> bool:
    """Say whether Gitea signs as the sender."""
    return "x-gitea-event" in delivery.headers


def read(delivery: Delivery) -> Brought:
    """Return what happened. Raises msgspec.ValidationError."""
    event = msgspec.convert(delivery.document, github.Event)
    key = delivery.headers.get("x-gitea-delivery")
    return Brought(
        text=github.told(delivery.headers["x-gitea-event"], event), key=key and f"gitea {key}"
    )
