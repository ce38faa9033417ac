"""Wishes: what may be asked of the process in charge, and what each comes to.

Invariant: a wish is fulfilled in one transaction; what must be told afterwards to sockets that are
open is in ``Fulfilled``, and nothing else of it is kept in memory.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.auth.live import LiveSessions
from server.channels.membership import Parted, change_role, dismiss
from server.channels.outcome import Publication
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.scalars import MemberRole, Parting
from server.protocol.views import Certificate
from storage import members, organisations, sessions
from storage.database import Transaction


class Wish(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something to be done."""


class SetPolicies(Wish, frozen=True):
    """Replace an organisation's policies."""

    organisation: str
    password: PasswordPolicy
    session: SessionPolicy


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


AnyWish = SetPolicies | SetDisabled | SetRole | Dismiss


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
    ended: list[str] = []  #: sessions
    erased: bool = False


def fulfil(tx: Transaction, wish: AnyWish, seen: Mapping[str, int], now: int) -> Fulfilled:
    """Do what is wished, in this transaction. Raises InvalidField, NotFound.

    ``seen`` is when sessions were last seen, where the store does not know it yet.
    """
    match wish:
        case SetPolicies():
            sessions.seen(tx, seen)
            ended = organisations.set_policies(
                tx,
                organisation=wish.organisation,
                password_policy=wish.password,
                session_policy=wish.session,
                now=now,
            )
            return _sessions_alone(ended)
        case SetDisabled():
            return _sessions_alone(
                members.set_disabled(tx, member_id=wish.member, disabled=wish.disabled)
            )
        case SetRole():
            return _parted(change_role(tx, wish.member, wish.role, now))
        case Dismiss():
            parted = _parted(dismiss(tx, wish.member, Parting.REMOVED, now))
            return msgspec.structs.replace(parted, erased=True)  # a name and an address, at least


def tell(fulfilled: Fulfilled, wish: AnyWish, live: LiveSessions, now: int) -> None:
    """Have the sessions that are open here obey what was committed."""
    if isinstance(wish, SetPolicies):
        live.replace_policy(
            wish.organisation, session=wish.session, password=wish.password, now=now
        )
    for session_id in fulfilled.ended:
        live.end(session_id)


def _sessions_alone(ended: list[str]) -> Fulfilled:
    return Fulfilled(answer=Answer(sessions_ended=len(ended)), ended=ended)


def _parted(parted: Parted) -> Fulfilled:
    return Fulfilled(
        answer=Answer(certificates=parted.certificates, sessions_ended=len(parted.ended)),
        publication=parted.publication,
        ended=parted.ended,
        erased=bool(parted.certificates),
    )
