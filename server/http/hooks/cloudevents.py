"""CloudEvents: version 1.0 over HTTP, structured (one JSON envelope) and binary (headers and data).

Decides how an event reads that says nothing about itself but its type: the envelope on the first
line, its data below. The source and the id name a delivery together, as the specification has it.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from server.http.hooks.delivery import Brought, Delivery, lines

#: Attributes that an envelope must have.
REQUIRED: Final = ("specversion", "id", "source", "type")
_HEADER = "ce-"
_STRUCTURED = "application/cloudevents+json"


class Envelope(msgspec.Struct, frozen=True):
    """What of an event's context is looked at."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    data: Any = None


def recognises(delivery: Delivery) -> bool:
    """Say whether there is an envelope, around the document or in the headers."""
    if f"{_HEADER}specversion" in delivery.headers or delivery.kind == _STRUCTURED:
        return True
    document = delivery.document
    return isinstance(document, dict) and all(name in document for name in REQUIRED)


def read(delivery: Delivery) -> Brought:
    """Return the envelope's line and the data. Raises msgspec.ValidationError."""
    if f"{_HEADER}specversion" in delivery.headers:
        envelope = msgspec.convert(_in_headers(delivery), Envelope)
    else:
        envelope = msgspec.convert(delivery.document, Envelope)
    about = f" ({envelope.subject})" if envelope.subject else ""
    return Brought(
        text=lines(f"{envelope.type} from {envelope.source}{about}", _shown(envelope.data)),
        key=f"cloudevents {envelope.source} {envelope.id}",
    )


def _in_headers(delivery: Delivery) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        name.removeprefix(_HEADER): unquote(value)
        for name, value in delivery.headers.items()
        if name.startswith(_HEADER)
    }
    said = delivery.document if delivery.text is None else delivery.text
    return {**attributes, "data": said}


def _shown(data: Any) -> str:
    if data is None or isinstance(data, str):
        return data or ""
    return json.dumps(data, ensure_ascii=False, indent=2)
