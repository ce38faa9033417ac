"""Signals: what is true for a moment: who is there, who is typing, how far somebody read.

A signal belongs to a sphere, or to a private thread of it, and goes to its subscribers through the
same two walls as an event. It has no ``seq``, is never stored, and cannot be asked for again.

Invariant: a signal names members by id, and nothing that anybody wrote.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from server.protocol.scalars import MemberId, Seq, SphereId, ThreadId


class Signal(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """What is true for a moment in a ``sphere``, or in a private ``thread`` of it."""

    #: Whether it is worth nothing a moment later: a reader who is behind does without it.
    fleeting: ClassVar[bool] = False
    #: Whether it changes a snapshot that is being read: it then follows it.
    lasting: ClassVar[bool] = False

    sphere: SphereId
    thread: ThreadId | None = None


class Presence(Signal, frozen=True, tag="presence"):
    """These members are there from now on, and those are not any more.

    It changes ``present`` of ``subscribed``. It may say what is known already.
    """

    came: list[MemberId] = []
    went: list[MemberId] = []


class Typing(Signal, frozen=True, tag="typing"):
    """Somebody else is typing; show it for six seconds, or until they post."""

    fleeting: ClassVar[bool] = True

    member: MemberId


class ReadShown(Signal, frozen=True, tag="read_shown"):
    """A member who lets others see it has read ``up_to`` a seq; without it, they do so no more.

    It changes ``reads`` of ``subscribed``, or of ``listening``.
    """

    lasting: ClassVar[bool] = True

    member: MemberId
    up_to: Seq | None = None


AnySignal = Presence | Typing | ReadShown
