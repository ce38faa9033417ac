"""protocol.md names everything that is on the wire, and shows nothing that is not."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgpack
import msgspec
import pytest

from server import errors
from server.http.accounts import ChangePassword, Session, SignIn
from server.http.admission import Accept, Accepted
from server.http.attachments import Stored
from server.http.bring import Brought
from server.http.own import CloseAccount, Closed
from server.http.second_factor import Confirmed, Drawn, Factor
from server.protocol import commands, connector, events, reader, replies, scalars, signals
from server.protocol.close import Close
from server.protocol.codec import COMMANDS, CONNECTOR_COMMANDS, JSON, MSGPACK, READER_COMMANDS
from server.settings import Settings
from tests.docs.examples import Block, blocks, protocol, section
from tools.pages import MARKER
from tools.pairs import IN_THREAD, REPLIES
from tools.shapes import tag_of

PROSE, _, REFERENCE = protocol().partition(MARKER)
EXAMPLES = [block for block in blocks(PROSE) if block.language == "json"]

_server = msgspec.json.Decoder(
    replies.AnyReply | events.AnyTimelineEvent | events.AnyNotice | signals.AnySignal
)
_event = msgspec.json.Decoder(events.AnyTimelineEvent)
_bot = msgspec.json.Decoder(connector.Accepted | replies.Error)
_reader = msgspec.json.Decoder(reader.AnyReaderReply | reader.AnyReaderEvent | replies.Error)


class Refused(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a refusal over HTTP."""

    error: replies.ErrorBody


def read_server_frame(source: bytes) -> Any:
    """Decode a frame of the server, with the events of a page."""
    frame = _server.decode(source)
    if isinstance(frame, replies.Page):
        for raw in frame.events:
            _event.decode(raw)
    return frame


#: How to read an example, by the word behind its fence.
READERS: dict[str, Any] = {
    "client": COMMANDS[JSON].decode,
    "server": read_server_frame,
    "bot": CONNECTOR_COMMANDS[JSON].decode,
    "to-bot": _bot.decode,
    "reader": READER_COMMANDS[JSON].decode,
    "to-reader": _reader.decode,
    "sign-in": msgspec.json.Decoder(SignIn).decode,
    "session": msgspec.json.Decoder(Session).decode,
    "accept": msgspec.json.Decoder(Accept).decode,
    "admitted": msgspec.json.Decoder(Accepted).decode,
    "close": msgspec.json.Decoder(CloseAccount).decode,
    "closed": msgspec.json.Decoder(Closed).decode,
    "second-factor": msgspec.json.Decoder(Factor).decode,
    "drawn": msgspec.json.Decoder(Drawn).decode,
    "confirmed": msgspec.json.Decoder(Confirmed).decode,
    "password": msgspec.json.Decoder(ChangePassword).decode,
    "stored": msgspec.json.Decoder(Stored).decode,
    "bring": msgspec.json.Decoder(Brought).decode,
    "refusal": msgspec.json.Decoder(Refused).decode,
}


def every_refusal(family: type[errors.Refusal] = errors.Refusal) -> list[type[errors.Refusal]]:
    """Return every class of refusal below ``family``."""
    below = family.__subclasses__()
    return below + [deeper for one in below for deeper in every_refusal(one)]


def every_tag() -> list[str]:
    """Return the type of everything that travels on a WebSocket."""
    unions = (
        commands.AnyCommand,
        replies.AnyReply,
        events.AnyTimelineEvent,
        events.AnyNotice,
        signals.AnySignal,
        connector.AnyConnectorCommand,
        reader.AnyReaderCommand,
        reader.AnyReaderReply,
        reader.AnyReaderEvent,
    )
    return [tag_of(one) for union in unions for one in get_args(union)] + ["accepted"]


@pytest.mark.parametrize("tag", every_tag())
def test_every_command_reply_event_and_notice_has_a_heading(tag: str) -> None:
    assert f"\n### `{tag}`\n" in REFERENCE


@pytest.mark.parametrize("refusal", every_refusal())
def test_every_error_is_documented_with_its_text(refusal: type[errors.Refusal]) -> None:
    assert f"`{refusal.code}`" in REFERENCE
    assert refusal.text() in REFERENCE


@pytest.mark.parametrize("close", list(Close))
def test_every_close_code_is_documented_with_its_reason(close: Close) -> None:
    assert f"| `{close.value}` |" in REFERENCE
    assert close.reason in REFERENCE


@pytest.mark.parametrize("command", [tag_of(one) for one in get_args(commands.AnyCommand)])
def test_the_prose_speaks_of_every_command(command: str) -> None:
    assert re.search(rf"`{command}\b", PROSE)


@pytest.mark.parametrize("code", [one.code for one in every_refusal() if not one.__subclasses__()])
def test_the_prose_says_what_to_do_about_every_error(code: str) -> None:
    assert f"`{code}`" in PROSE


def test_every_command_has_a_reply() -> None:
    assert set(REPLIES) == set(get_args(commands.AnyCommand))
    answers = {*REPLIES.values(), *IN_THREAD.values()}
    assert answers == set(get_args(replies.AnyReply)) - {replies.Error}


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.text[:40])
def test_every_json_example_is_read_by_the_real_decoder(block: Block) -> None:
    read = READERS[block.speaker]

    for source in block.sources():
        read(source)


def test_every_kind_of_frame_is_shown() -> None:
    assert {block.speaker for block in EXAMPLES} == set(READERS)


def test_the_frame_in_msgpack_says_what_the_text_says() -> None:
    said, shown = blocks(section(PROSE, "A frame in msgpack"))
    frame = bytes.fromhex(shown.text)

    command = COMMANDS[MSGPACK].decode(frame)

    assert command == COMMANDS[JSON].decode(said.text.encode())
    assert msgpack.unpackb(frame) == said.values()[0]


LIMITS = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", section(PROSE, "Limits"), re.MULTILINE)


@pytest.mark.parametrize(("name", "value"), LIMITS)
def test_every_limit_in_the_prose_is_the_one_that_holds(name: str, value: str) -> None:
    actual = getattr(scalars, name) if name.isupper() else Settings.model_fields[name].default

    assert float(value) == actual


def test_the_prose_says_what_happens_at_every_bound_of_the_wire() -> None:
    bounds = {name for name in vars(scalars) if name.endswith("_MAX")}

    assert bounds <= {name for name, _ in LIMITS}
