"""Unpacking: the bytes of a request to a delivery.

Decides what the bytes are, by the Content-Type where it tells and by their look where it does not:
curl calls everything a form, and many tools name no type at all. Decides nothing about what they
mean. Invariant: whatever the bytes, a delivery or MalformedFrame; nothing is written to disk.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from server import errors
from server.http.hooks.delivery import Delivery

#: Fields of one form: the tools send four.
FIELDS_MAX = 100
#: A text that came as a form is one when it has at least one of these.
KNOWN_FIELDS: Final = frozenset({"payload", "text", "message"})


async def unpack(headers: Headers, data: bytes) -> Delivery:
    """Return what was sent. Raises MalformedFrame."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    named = dict(headers.items())
    if kind == "multipart/form-data":
        fields = await _multipart(headers, data)
        return Delivery(headers=named, kind=kind, document=_opened(fields))
    text = _decoded(data)
    if kind == "application/json" or kind.endswith("+json"):
        return Delivery(headers=named, kind=kind, document=parse(text))
    if kind == "text/plain":
        return Delivery(headers=named, kind=kind, text=text)
    if text.lstrip().startswith("{"):
        return Delivery(headers=named, kind=kind, document=parse(text))
    fields = _form(text)
    if not KNOWN_FIELDS.isdisjoint(fields):
        return Delivery(headers=named, kind=kind, document=_opened(fields))
    return Delivery(headers=named, kind=kind, text=text)


def parse(text: str) -> Any:
    """Return the JSON value in ``text``, in whose strings lines may break as they are.

    Raises MalformedFrame.
    """
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        _refuse_json()
    except (msgspec.DecodeError, UnicodeEncodeError):
        pass  # the next parser is slower, and forgives control characters in strings
    try:
        return json.loads(text, strict=False, parse_constant=_refuse_json)
    except (ValueError, RecursionError):
        _refuse_json()


def _refuse_json(_constant: str = "") -> NoReturn:
    raise errors.MalformedFrame("The body is not valid JSON.") from None


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.MalformedFrame("The body is not UTF-8.") from None


def _opened(fields: Mapping[str, str]) -> Any:
    """Return the document that a form holds whole, or else its fields as one."""
    payload = fields.get("payload")
    return fields if payload is None else parse(payload)


def _form(text: str) -> dict[str, str]:
    try:
        return dict(
            parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
        )
    except ValueError:
        return {}  # then it is no form


class _InMemory(MultiPartParser):
    """Starlette's parser, without its temporary files: the whole body is in memory already."""

    spool_max_size = 2**31


async def _multipart(headers: Headers, data: bytes) -> dict[str, str]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield data
        yield b""

    parser = _InMemory(
        headers,
        stream(),
        max_files=FIELDS_MAX,
        max_fields=FIELDS_MAX,
        max_part_size=max(len(data), 1),
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, LookupError, UnicodeError):
        raise errors.MalformedFrame("The body is not valid multipart/form-data.") from None
    try:
        return await _fields(form)
    finally:
        await form.close()


async def _fields(form: FormData) -> dict[str, str]:
    """Return the fields that are text; files are ignored, but the payload may come as one."""
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    payload = form.get("payload")
    if isinstance(payload, UploadFile):
        fields["payload"] = _decoded(await payload.read())
    return fields
