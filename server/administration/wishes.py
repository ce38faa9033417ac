"""Wishes: what may be asked of the process in charge, and what each comes to.

The acts themselves are those of ``server/channels``, which managers have over the wire too.
Invariant: a wish is fulfilled in one transaction, and what sockets that are open must be told is in
the publication of ``Fulfilled``.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.channels import policies
from server.channels.connectors import revoke_as_operator
from server.channels.membership import Parted, change_role, dismiss, set_disabled
from server.channels.outcome import Publication
from server.domain.governance import PolicyChange
from server.protocol.scalars import MemberRole, Parting
from server.protocol.views import Certificate
from storage.database import Transaction


class Wish(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something to be done."""


class SetPolicies(Wish, frozen=True):
    """Change an organisation's policies."""

    organisation: str
    change: PolicyChange


class SetDisabled(Wish, frozen=True):
    """Shut a member out, or let them in again."""

    member: str
    disabled: bool


class SetRole(Wish, frozen=True):
    """Give a member another role."""

    member: str
    role: MemberRole


class Dismiss(Wish, frozen=True):
    """End a membership."""

    member: str


class RevokeConnector(Wish, frozen=True):
    """Kill a connector of an organisation."""

    organisation: str
    connector: str


AnyWish = SetPolicies | SetDisabled | SetRole | Dismiss | RevokeConnector


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a wish: certificates of what was cleared, or why it was refused."""

    certificates: list[Certificate] = []
    sessions_ended: int = 0
    scrubbed: bool = True  #: what was erased is out of the journal too
    refusal: str | None = None


class Fulfilled(msgspec.Struct, frozen=True, kw_only=True):
    """What a wish came to."""

    answer: Answer
    publication: Publication = Publication()
    erased: bool = False


def fulfil(tx: Transaction, wish: AnyWish, seen: Mapping[str, int], now: int) -> Fulfilled:
    """Do what is wished, in this transaction. Raises InvalidField, NotFound.

    ``seen`` is when sessions were last seen, where the store does not know it yet.
    """
    match wish:
        case SetPolicies():
            return _announced(
                policies.replace(tx, wish.organisation, wish.change, seen=seen, now=now)
            )
        case SetDisabled():
            return _parted(set_disabled(tx, wish.member, disabled=wish.disabled))
        case SetRole():
            return _parted(change_role(tx, wish.member, wish.role, now))
        case Dismiss():
            return _parted(dismiss(tx, wish.member, Parting.REMOVED, now))
        case RevokeConnector():
            return _announced(revoke_as_operator(tx, wish.organisation, wish.connector, now))


def _announced(publication: Publication) -> Fulfilled:
    answer = Answer(sessions_ended=len(publication.ended))
    return Fulfilled(answer=answer, publication=publication)


def _parted(parted: Parted) -> Fulfilled:
    ended = len(parted.publication.ended)
    return Fulfilled(
        answer=Answer(certificates=parted.certificates, sessions_ended=ended),
        publication=parted.publication,
        erased=parted.erased,
    )
