"""Shapes: any value that a wire type allows, read off the type itself by msgspec's inspection.

The bounds are those that the struct declares, so that a struct cannot be given a field whose type
does not survive its own encoding without a test noticing.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as shape

from server.protocol.scalars import ID_PATTERN

#: Where a type sets no bound: the widest integer that both encodings carry.
INTEGER_MAX = 2**63 - 1


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of the values that ``kind`` allows."""
    return _of(shape.type_info(kind))


def _of(info: shape.Type) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911  # one a shape
    match info:
        case shape.Metadata():
            return _of(info.type)
        case shape.StructType():
            return _struct(info)
        case shape.UnionType():
            return reduce(or_, map(_of, info.types))
        case shape.NoneType():
            return st.none()
        case shape.BoolType():
            return st.booleans()
        case shape.IntType():
            most = INTEGER_MAX if info.le is None else info.le
            return st.integers(-INTEGER_MAX if info.ge is None else info.ge, most)
        case shape.StrType():
            return _text(info)
        case shape.BytesType():
            return st.binary(min_size=info.min_length or 0, max_size=300)
        case shape.EnumType():
            return st.sampled_from(list(info.cls))
        case shape.ListType():
            return st.lists(_of(info.item_type), min_size=info.min_length or 0, max_size=3)
        case shape.VarTupleType():
            return st.lists(_of(info.item_type), max_size=3).map(tuple)
    raise NotImplementedError(f"the wire has learned a new shape: {info}")


def _struct(info: shape.StructType) -> st.SearchStrategy[Any]:
    fields = {field.name: _of(field.type) for field in info.fields}
    return st.builds(info.cls, **fields)


def _text(info: shape.StrType) -> st.SearchStrategy[str]:
    if info.pattern is None:
        return st.text(
            st.characters(exclude_categories=["Cs"]),
            min_size=info.min_length or 0,
            max_size=min(info.max_length or 60, 300),
        )
    if info.pattern == ID_PATTERN:
        return st.integers(0, 32**26 - 1).map(_identifier)
    if alphabet := "".join(filter(re.compile(info.pattern).search, map(chr, range(128)))):
        most = info.max_length
        return st.text(st.sampled_from(alphabet), min_size=info.min_length or 1, max_size=most)
    return st.from_regex(info.pattern)


def _identifier(number: int) -> str:
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[number >> 5 * at & 31] for at in range(26))


def structs_of(union: Any) -> list[type[msgspec.Struct]]:
    """Return the members of a union of structs."""
    return list(union.__args__)
