"""Listed: people in a file of comma-separated values, to be invited at once.

The first line names the columns: ``address``, and ``role`` if some are managers. Invariant: either
every line can be used, or nothing is, and each fault is named by its line, never by its value.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from server import errors
from server.domain.naming import check_address
from server.protocol.scalars import MemberRole

#: People in one file: more is a mistake, or takes several.
PEOPLE_MAX = 10_000
COLUMNS = frozenset({"address", "role"})
ROLES = (MemberRole.MEMBER, MemberRole.MANAGER)


class Person(NamedTuple):
    """Somebody to be invited."""

    address: str
    role: MemberRole


class Unusable(ValueError):
    """The file cannot be used: every reason, a line each."""


def people(lines: Iterable[str]) -> list[Person]:
    """Return the people in the lines of a file. Raises Unusable."""
    rows = csv.DictReader(lines, restkey="", restval="")
    named = set(rows.fieldnames or ())
    if "address" not in named or named - COLUMNS:
        raise Unusable("The first line must name the columns: address, and role if you need it.")
    found: dict[str, Person] = {}
    faults = []
    try:
        for row in rows:
            place = f"Line {rows.line_num}:"
            if len(found) >= PEOPLE_MAX:
                raise Unusable(f"{place} more than {PEOPLE_MAX} people: use several files.")
            faults += [f"{place} {why}" for why in _take(row, found)]
    except csv.Error as error:
        raise Unusable(f"Line {rows.line_num}: {error}.") from None
    if faults:
        raise Unusable("\n".join(faults))
    return list(found.values())


def _take(row: Mapping[str, str], found: dict[str, Person]) -> Iterator[str]:
    """Add a person to those ``found``, or yield why not."""
    if "" in row:
        yield "more values than columns."
        return
    try:
        address = check_address(row["address"])
    except errors.InvalidField as refusal:
        yield refusal.message
        return
    role = row.get("role", "").strip().casefold() or MemberRole.MEMBER.value
    if role not in ROLES:
        yield "a role is `member` or `manager`."
    elif address.casefold() in found:
        yield "this address stands further up already."
    else:
        found[address.casefold()] = Person(address, MemberRole(role))
