"""Node messages: what nodes say to each other, and how it stands on the wire.

Decides which part of a publication travels where: *control* to every node and before content, what
is said on a timeline to the nodes that listen to it, notices to every node and last. A message is
the sender's id and one msgpack array; a later version may add fields at its end. Touches no line.
Invariant: what is decoded is what was encoded, and whatever else comes raises DecodeError.
"""

from __future__ import annotations

from typing import Final

import msgspec

from server.channels.outcome import Hidden, Publication, Replaced, Spent
from server.protocol import codec
from server.protocol.events import AnyNotice
from server.protocol.signals import ReadShown, Typing
from storage.timeline import About, Entry

#: Bytes of a node's id, at the head of each message.
NODE_BYTES: Final = 16


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What a node says."""


class Control(Message, frozen=True):
    """What every node must hear, numbered."""

    number: int
    confirm: bool = False  #: whether the sender waits until each node says that it took it
    departures: tuple[tuple[str, str], ...] = ()
    revoked: tuple[str, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    ended: tuple[str, ...] = ()
    dissolved: tuple[str, ...] = ()
    appearances: tuple[tuple[str, bool], ...] = ()
    notices: tuple[tuple[str, AnyNotice], ...] = ()
    destroyed_keys: tuple[bytes, ...] = ()


class Beat(Message, frozen=True):
    """I am here; my numbers are this far, and so often something else of mine was lost."""

    number: int
    lost: int = 0
    sent_at: float = 0.0  #: by the sender's own clock: for itself


class Farewell(Message, frozen=True):
    """I stop in order."""


class Asked(Message, frozen=True):
    """Say when whatever you have committed by now is on its way; confirm this number, negative."""

    number: int


class Confirmed(Message, frozen=True):
    """I took your number."""

    number: int


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """An entry of a timeline, as it is stored."""

    content: bytes
    stamp: int = 0
    about: tuple[int, int] | None = None


class Said(Message, frozen=True):
    """What happened on a timeline."""

    entries: tuple[Carried, ...] = ()
    reads: tuple[tuple[ReadShown, int], ...] = ()
    typing: Typing | None = None
    there: tuple[str, ...] | None = None
    asked: bool = False


class Counted(Message, frozen=True):
    """What each node counts by itself, and the others had better know."""

    seen: tuple[tuple[str, int], ...] = ()
    spent: tuple[Spent, ...] = ()
    here: tuple[tuple[str, bool], ...] = ()
    whole: bool = False  #: ``here`` is everybody
    asked: bool = False  #: say who is ``here``


AnyMessage = Control | Beat | Farewell | Asked | Confirmed | Counted | Said

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyMessage)


def encode(node: bytes, message: Message) -> bytes:
    """Return a message as it travels."""
    return node + _encoder.encode(message)


def decode(payload: bytes) -> AnyMessage:
    """Return the message. Raises msgspec.DecodeError: it is of a later version, or broken."""
    decoded: AnyMessage = _decoder.decode(memoryview(payload)[NODE_BYTES:])
    return decoded


def sender(payload: bytes) -> bytes:
    """Return the id of the node that sent a message."""
    return payload[:NODE_BYTES]


def control_of(publication: Publication, number: int) -> Control:
    """Return what of a publication every node must hear before its content."""
    return Control(
        number,
        False,  # noqa: FBT003  # what follows the content asks for that
        publication.departures,
        publication.revoked,
        publication.hidden,
        publication.replaced,
        publication.ended,
        publication.dissolved,
        publication.appearances,
        destroyed_keys=publication.destroyed_keys,
    )


def is_control(publication: Publication) -> bool:
    """Say whether there is anything for every node to hear before the content."""
    return bool(
        publication.departures
        or publication.revoked
        or publication.hidden
        or publication.replaced
        or publication.ended
        or publication.dissolved
        or publication.appearances
        or publication.destroyed_keys
    )


def published(control: Control) -> Publication:
    """Return what another node's control says, as this node applies it."""
    return Publication(
        departures=control.departures,
        revoked=control.revoked,
        hidden=control.hidden,
        replaced=control.replaced,
        ended=control.ended,
        dissolved=control.dissolved,
        appearances=control.appearances,
        notices=control.notices,
        destroyed_keys=control.destroyed_keys,
    )


def carried(entry: Entry) -> Carried:
    """Return an entry as it travels."""
    about = entry.about
    return Carried(entry.content, entry.stamp, None if about is None else (about.seq, about.stamp))


def entry_of(one: Carried) -> Entry:
    """Return the entry. Raises msgspec.DecodeError."""
    about = None if one.about is None else About(seq=one.about[0], stamp=one.about[1])
    return Entry(
        event=codec.restore(one.content), content=one.content, stamp=one.stamp, about=about
    )
