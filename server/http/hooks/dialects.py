"""Dialects: which one reads a delivery.

Decides by what the sender says of itself, then by the shape of the document; Slack's is the dialect
of whatever is in no other. Invariant: what a dialect cannot read is InvalidField, nothing worse.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from server import errors
from server.http.hooks import alertmanager, cloudevents, gitea, github, notice, slack
from server.http.hooks.delivery import Brought, Delivery


class Dialect(Protocol):
    """What each of the modules offers."""

    def recognises(self, delivery: Delivery, /) -> bool:
        """Say whether this dialect is the delivery's."""
        ...

    def read(self, delivery: Delivery, /) -> Brought:
        """Return what the delivery says. Raises msgspec.ValidationError."""
        ...


#: In this order: the first that recognises a delivery reads it.
DIALECTS: Final[tuple[Dialect, ...]] = (cloudevents, gitea, github, alertmanager, notice, slack)


def read(delivery: Delivery) -> Brought:
    """Return what a delivery says. Raises InvalidField."""
    if delivery.text is not None and not cloudevents.recognises(delivery):
        return Brought(text=delivery.text)
    dialect = next(one for one in DIALECTS if one.recognises(delivery))
    try:
        return dialect.read(delivery)
    except msgspec.ValidationError as error:
        raise errors.InvalidField(str(error)) from None
    except RecursionError:
        raise errors.MalformedFrame("The body is nested too deeply.") from None
