"""Commands: the sub-commands of administration, for the command line to take in."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, TypeVar

from server.administration import organisations, people, places
from server.administration.answers import Act, command
from server.administration.durations import duration, duration_or_never
from server.administration.listed import ROLES
from server.domain.policy import Classes
from server.protocol.scalars import MemberRole

T = TypeVar("T")
#: How long an invitation stands unless it is said otherwise: a week, so that holidays fit.
VALID = "7d"
_OMITTED: Any = argparse.SUPPRESS


def register(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the sub-commands; each takes the ``shared`` flags."""
    org = commands.add_parser("org", help="organisations: create, set, show, list")
    _organisations(_Family(org.add_subparsers(dest="act", required=True), shared))
    member = commands.add_parser("member", help="members: invite, list, role, disable, remove")
    _people(_Family(member.add_subparsers(dest="act", required=True), shared))
    sphere = commands.add_parser("sphere", help="spheres: list, by id and name")
    listing = _Family(sphere.add_subparsers(dest="act", required=True), shared)
    listing.add("list", places.spheres, "list the spheres, never what is in them")
    connector = commands.add_parser("connector", help="connectors: list, revoke")
    _connectors(_Family(connector.add_subparsers(dest="act", required=True), shared))


class _Family:
    """Sub-commands of a sub-command."""

    def __init__(self, parsers: Any, shared: argparse.ArgumentParser) -> None:
        self._parsers = parsers
        self._shared = shared

    def add(self, name: str, act: Act, told: str, *, handle: bool = True) -> Any:
        """Add one; most begin with the handle of an organisation."""
        parser = self._parsers.add_parser(name, help=told, parents=[self._shared])
        parser.set_defaults(run=command(act))
        if handle:
            parser.add_argument("handle", help="the organisation's handle")
        return parser


def _organisations(family: _Family) -> None:
    creating = family.add("create", organisations.create, "create an organisation")
    creating.add_argument("--name", required=True, help="its name, as people read it")
    setting = family.add("set", organisations.change, "change policies; the rest stays")
    for parser in (creating, setting):
        _policies(parser)
        parser.add_argument(
            "--directory", type=_said(on_or_off), help="on: its members may look each other up"
        )
    for switch in (creating, setting):
        switch.add_argument(
            "--second-factor", type=_said(on_or_off), help="on: required of whoever signs in"
        )
    family.add("show", organisations.show, "show its policies")
    family.add("list", organisations.listing, "list the organisations", handle=False)


def _policies(parser: Any) -> None:
    add = parser.add_argument_group("policies").add_argument
    add("--password-length", dest="password_length_min", type=int, default=_OMITTED, metavar="N")
    add(
        "--password-classes",
        dest="password_classes",
        type=_said(classes),
        default=_OMITTED,
        help="of lower,upper,digit,other; or none",
    )
    add(
        "--password-age",
        dest="password_age_max_ms",
        type=_said(age),
        default=_OMITTED,
        metavar="1d",
        help="until it must be changed, or never",
    )
    add(
        "--password-history",
        dest="password_reuse_history",
        type=int,
        default=_OMITTED,
        metavar="N",
    )
    add("--session-lifetime", dest="session_lifetime_ms", type=_said(duration), default=_OMITTED,
        metavar="30d")  # fmt: skip
    add(
        "--session-idle",
        dest="session_idle_ms",
        type=_said(duration),
        default=_OMITTED,
        metavar="7d",
    )
    add("--sessions-max", dest="sessions_max", type=int, default=_OMITTED, metavar="N")


def _people(family: _Family) -> None:
    inviting = family.add("invite", people.invite, "draw an invitation for an address")
    inviting.add_argument("address")
    inviting.add_argument(
        "--role",
        choices=[role.value for role in ROLES],
        default=MemberRole.MEMBER.value,
        help="what they become; visitors are invited by spheres",
    )
    importing = family.add("import", people.bring_in, "invite everybody in a file, as CSV")
    importing.add_argument("file", type=Path, help="columns: address, role")
    for parser in (inviting, importing):
        parser.add_argument("--valid", type=_said(duration), default=duration(VALID), metavar=VALID)
    family.add("invitations", people.invitations, "list the invitations that stand")
    family.add("uninvite", people.uninvite, "withdraw invitations").add_argument("address")
    family.add("list", people.listing, "list the members")
    _one_member(family)


def _connectors(family: _Family) -> None:
    family.add("list", places.connectors, "list the connectors of every sphere")
    revoking = family.add("revoke", places.revoke, "revoke a connector; its sphere is told")
    revoking.add_argument("connector", metavar="CONNECTOR", help="the connector's id")


def _one_member(family: _Family) -> None:
    turning = family.add("role", people.change_role, "give a member another role")
    _who(turning).add_argument("role", choices=[role.value for role in MemberRole])
    _who(family.add("disable", people.disable, "shut a member out; nothing is erased"))
    _who(family.add("enable", people.enable, "let a member in again"))
    removing = family.add("remove", people.remove, "end a membership: they leave every sphere")
    _who(removing).add_argument(
        "--erase", action="store_true", help="yes: what they wrote and did not bequeath is erased"
    )


def _who(parser: Any) -> Any:
    parser.add_argument("who", metavar="ADDRESS", help="the member's address, or id")
    return parser


def classes(text: str) -> Classes:
    """Return classes of characters by their names. Raises ValueError."""
    names = [name.strip().upper() for name in text.split(",")]
    if not all(name in Classes.__members__ for name in names):
        raise ValueError("Classes are lower, upper, digit and other, with commas; or none.")
    return reduce(or_, (Classes[name] for name in names), Classes.NONE)


def age(text: str) -> int:
    """Return how old a password may get; 0 for ``never``. Raises ValueError."""
    chosen = duration_or_never(text)
    if chosen == 0:
        raise ValueError("A password is valid for some time, or say never.")
    return chosen or 0


def on_or_off(text: str) -> bool:
    """Return a switch's position. Raises ValueError."""
    if text not in {"on", "off"}:
        raise ValueError("Say on or off.")
    return text == "on"


def _said(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return ``parse`` with its reasons in the form that argparse shows."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed
