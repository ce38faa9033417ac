"""Plan: the frames that a load generator sends, made beforehand, in the file it reads.

Decides the file's layout, which ``load.c`` and ``python_load.py`` know too. All numbers are 32
bits, little-endian: the subprotocol (length, text); how many connections; then for each its group,
flags, source address, path (length, text), how many steps, the steps (length, offset of "after" or
0, payload), and for a poster its post (length, offset of the timestamp, payload, the length again,
offset of the client id or 0). Invariant: what varies from post to post has a fixed place and width.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgpack

from benchmarks.town import Town
from server.protocol.codec import MSGPACK
from server.protocol.events import MessagePosted

MARK = "~TS~"
STAMP = MARK + "0" * 16
BODY_BYTES = 200  #: of a message, as in the figures of other servers
POSTER, SMALL_BUFFER, AUDITED = 1, 2, 4
_LATER = 0xFFFF_FFFF  #: keeps four bytes for the seq that a connection will resume after


@dataclass(frozen=True, slots=True)
class Planned:
    """One connection: where it goes, what it says first, and what it posts if it is a poster."""

    path: str
    group: int = 0
    steps: Sequence[bytes] = ()
    post: bytes | None = None
    flags: int = 0
    source: int = 0


def write(file: Path, planned: Sequence[Planned], subprotocol: str = "") -> Path:
    """Write a plan; return its file."""
    parts = [_text(subprotocol), struct.pack("<I", len(planned))]
    for one in planned:
        flags = one.flags | (POSTER if one.post is not None else 0)
        parts += [struct.pack("<III", one.group, flags, one.source), _text(one.path)]
        parts.append(struct.pack("<I", len(one.steps)))
        parts += [_payload(step, step.find(b"\xce\xff\xff\xff\xff") + 1) for step in one.steps]
        if one.post is not None:
            identity = one.post.find(b"bench-") + 6
            parts.append(_payload(one.post, one.post.index(MARK.encode())))
            parts.append(struct.pack("<II", len(one.post), identity if identity > 5 else 0))
    file.write_bytes(b"".join(parts))
    return file


def _payload(payload: bytes, offset: int) -> bytes:
    return struct.pack("<II", len(payload), offset) + payload


def _text(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


def people(
    town: Town,
    *,
    posters: int,
    subscribe: bool = True,
    resume: bool = False,
    stuck: int = 0,
    body_bytes: int = BODY_BYTES,
) -> list[Planned]:
    """Plan a connection for everyone in a town; the first of each sphere post.

    The last ``stuck`` of each sphere have the smallest receive buffer there is.
    """
    planned = []
    for group, sphere in enumerate(town.spheres):
        for place, token in enumerate(sphere.tokens):
            steps = [_pack("hello", 1, token=token)]
            if resume:
                steps.append(_pack("subscribe", 2, sphere=sphere.id, after=_LATER))
                steps.append(_pack("history", 3, sphere=sphere.id, after=_LATER, limit=500))
            elif subscribe:
                steps.append(_pack("subscribe", 2, sphere=sphere.id))
            planned.append(
                Planned(
                    "/v1/connect",
                    group,
                    steps,
                    post(sphere.id, sphere.revision, body_bytes) if place < posters else None,
                    (AUDITED if resume else 0)
                    | (SMALL_BUFFER if place >= len(sphere.tokens) - stuck else 0),
                )
            )
    return planned


def floor(*, groups: int, hearers: int, posters: int) -> list[Planned]:
    """Plan the same traffic for the floor, which knows no sphere."""
    payload = STAMP.encode().ljust(event_bytes(), b"x")
    return [
        Planned(f"/pub/{group}", group, (), payload)
        for group in range(groups)
        for _ in range(posters)
    ] + [Planned(f"/sub/{group}", group) for group in range(groups) for _ in range(hearers)]


def post(sphere: str, revision: int, body_bytes: int = BODY_BYTES) -> bytes:
    """Return a post whose timestamp and client id are still to be filled in."""
    return _pack(
        "post",
        7,
        sphere=sphere,
        revision=revision,
        client_id="bench-" + "0" * 16,
        body=STAMP.ljust(body_bytes, "x"),
    )


def event_bytes() -> int:
    """Return how long the event is that a post makes, so that the floor sends as much."""
    event = MessagePosted(
        sphere=secrets.token_hex(13),
        seq=2_000,
        at=1_800_000_000_000,
        author=secrets.token_hex(13),
        body="x" * BODY_BYTES,
    )
    return len(MSGPACK.encode(event))


def _pack(kind: str, request: int, **fields: object) -> bytes:
    packed: bytes = msgpack.packb({"type": kind, "id": request, **fields})
    return packed
