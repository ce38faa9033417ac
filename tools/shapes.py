"""Shapes: a wire struct as the reader of a reference sees it: its fields, types and bounds.

Decides how a Python type is called in prose; reads the structs, never their source. Invariant: a
type that has a name of its own among the scalars is called by that name, wherever it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import EnumType, StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Meta, structs

from server.protocol import scalars
from tools.comments import Comments
from tools.markdown import code, number

#: What the aliases of the module ``scalars`` are called.
SCALARS: dict[str, Any] = {
    name: value for name, value in vars(scalars).items() if get_origin(value) is Annotated
}
#: The small vocabularies of the module ``scalars``.
VOCABULARIES: dict[str, type[StrEnum]] = {
    name: value
    for name, value in vars(scalars).items()
    if isinstance(value, EnumType) and value is not StrEnum and issubclass(value, StrEnum)
}
_PLAIN = {
    str: "string",
    int: "integer",
    bool: "boolean",
    bytes: "bytes",
    msgspec.Raw: "timeline events",
}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field, in words."""

    name: str
    type: str
    presence: str
    note: str


def fields_of(
    struct: type[msgspec.Struct], comments: Comments, *, beyond: type[msgspec.Struct] | None = None
) -> list[Field]:
    """Return the fields of ``struct``, without those that are the same in ``beyond``."""
    known = {} if beyond is None else {field.name: field.type for field in structs.fields(beyond)}
    return [
        Field(
            name=field.name,
            type=type_name(field.type),
            presence=_presence(struct, field),
            note=_note(struct, field.name, comments),
        )
        for field in structs.fields(struct)
        if known.get(field.name) != field.type
    ]


def tag_of(struct: type[msgspec.Struct]) -> str:
    """Return the ``type`` under which ``struct`` travels."""
    tag = struct.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def type_name(hint: Any) -> str:
    """Return how a type is called in the reference."""
    for name, alias in SCALARS.items():
        if hint == alias:
            return code(name)
    if hint in _PLAIN:
        return _PLAIN[hint]
    return _compound_name(hint)


def bounds_of(alias: Any) -> str:
    """Return the bounds of an annotated type, in words."""
    return "; ".join(part for meta in _metas(alias) for part in _bounds(meta))


def description_of(alias: Any) -> str:
    """Return what an annotated type says of itself."""
    return "; ".join(meta.description for meta in _metas(alias) if meta.description)


def _compound_name(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        parts = [type_name(part) for part in arguments if part is not NoneType]
        return " or ".join([*parts, "null"] if NoneType in arguments else parts)
    if origin in {list, tuple}:
        return f"list of {type_name(arguments[0])}"
    if origin is Annotated:
        return f"{type_name(arguments[0])}, {bounds_of(hint)}"
    return code(hint.__name__)


def _presence(struct: type[msgspec.Struct], field: structs.FieldInfo) -> str:
    if field.required:
        return "always"
    if field.default == ():
        return "when there are any"
    if field.default is not None and field.default is not msgspec.NODEFAULT:
        return f"optional; {field.default} when absent"
    return "when there is one" if struct.__struct_config__.omit_defaults else "optional"


def _note(struct: type[msgspec.Struct], name: str, comments: Comments) -> str:
    for ancestor in struct.__mro__:
        if note := comments.get(f"{ancestor.__name__}.{name}"):
            return note
    return ""


def _metas(alias: Any) -> Iterator[Meta]:
    return (meta for meta in get_args(alias)[1:] if isinstance(meta, Meta))


def _bounds(meta: Meta) -> Iterator[str]:
    if meta.ge is not None or meta.le is not None:
        yield between(meta.ge, meta.le)
    if meta.max_length is not None:
        yield f"{between(meta.min_length, meta.max_length)} characters"
    if meta.pattern is not None:
        yield f"matches {code(meta.pattern)}"


def between(least: float | None, most: float | None) -> str:
    """Return a span of numbers, in words."""
    if most is None:
        return f"at least {number(least or 0)}"
    return f"at most {number(most)}" if least is None else f"{number(least)} to {number(most)}"
