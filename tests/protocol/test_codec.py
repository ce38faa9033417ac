from __future__ import annotations

import base64
import json
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.protocol import codec, commands, events, replies, signals, views
from server.protocol.codec import COMMANDS, CONNECTOR_COMMANDS, JSON, MSGPACK, Decoder, Encoding
from server.protocol.commands import AnyCommand
from server.protocol.connector import Accepted, AnyConnectorCommand
from server.protocol.events import AnyNotice, AnyTimelineEvent
from server.protocol.framing import BINARY, TEXT
from server.protocol.replies import AnyReply
from server.protocol.signals import AnySignal
from tests.protocol.shapes import structs_of, values_of

ENCODINGS = [MSGPACK, JSON]
COMMAND_KINDS = structs_of(AnyCommand)
BOT_KINDS = structs_of(AnyConnectorCommand)
EVENT_KINDS = structs_of(AnyTimelineEvent)
NOTICE_KINDS = structs_of(AnyNotice)
SIGNAL_KINDS = structs_of(AnySignal)
REPLY_KINDS = [kind for kind in structs_of(AnyReply) if kind is not replies.Page]

SPHERE = "a" * 26


def _library(encoding: Encoding) -> Any:
    return msgspec.json if encoding is JSON else msgspec.msgpack


def _plain(encoding: Encoding, payload: bytes) -> Any:
    """Read a payload with a library that is none of ours; bytes as JSON carries them."""
    return json.loads(payload) if encoding is JSON else _in_base64(msgpack.unpackb(payload))


def _in_base64(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {key: _in_base64(one) for key, one in value.items()}
        case list():
            return [_in_base64(one) for one in value]
    return value


def _written(encoding: Encoding, value: Any) -> bytes:
    if encoding is JSON:
        return json.dumps(value).encode()
    packed: bytes = msgpack.packb(value)
    return packed


# -- what is sound survives


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", COMMAND_KINDS)
def test_a_command_comes_through_as_it_was_sent(kind: Any, encoding: Encoding) -> None:
    @given(values_of(kind))
    def comes_through(command: Any) -> None:
        payload = encoding.encode(command)

        assert COMMANDS[encoding].decode(payload) == command
        assert COMMANDS[encoding].request_id(payload) == command.id

    comes_through()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "kind", [*BOT_KINDS, Accepted, *REPLY_KINDS, *EVENT_KINDS, *NOTICE_KINDS, *SIGNAL_KINDS]
)
def test_what_the_server_says_comes_through_as_it_was_said(kind: Any, encoding: Encoding) -> None:
    @given(values_of(kind))
    def comes_through(message: Any) -> None:
        payload = encoding.encode(message)

        assert _library(encoding).decode(payload, type=kind) == message
        assert _plain(encoding, payload)["type"] == kind.__struct_config__.tag

    comes_through()


@given(values_of(AnyTimelineEvent))
def test_an_event_says_the_same_stored_restored_and_in_either_encoding(event: Any) -> None:
    stored = codec.store(event)

    assert codec.restore(stored) == event
    assert bytes(codec.stored_as(MSGPACK, stored)) == stored
    assert _plain(JSON, bytes(codec.stored_as(JSON, stored))) == _plain(MSGPACK, stored)


@given(st.lists(values_of(AnyTimelineEvent), max_size=4))
def test_a_page_holds_stored_events_as_they_are(told: list[Any]) -> None:
    for encoding in ENCODINGS:
        contents = [codec.stored_as(encoding, codec.store(event)) for event in told]

        page = _plain(encoding, encoding.encode(replies.Page(id=1, events=contents, more=False)))

        assert page["events"] == [_plain(MSGPACK, codec.store(event)) for event in told]


def test_a_corrupt_store_is_noticed() -> None:
    with pytest.raises(msgspec.DecodeError):
        codec.restore(b"\x80")


# -- what is broken is refused


def _check_refusal(decoder: Decoder[Any], encoding: Encoding, data: bytes) -> None:
    """Whatever the bytes: a command, or a refusal that can be answered in the same encoding."""
    request = decoder.request_id(data)
    assert request is None or 0 <= request < 2**53
    try:
        command = decoder.decode(data)
    except errors.BadInput as refusal:
        body = replies.ErrorBody(code=refusal.code, message=refusal.message, temporary=False)
        encoding.encode(replies.Error(id=request, error=body))
    else:
        assert isinstance(command, AnyCommand | AnyConnectorCommand)
        assert command.id == request


DECODERS = [
    *((COMMANDS[encoding], encoding) for encoding in ENCODINGS),
    *((CONNECTOR_COMMANDS[encoding], encoding) for encoding in ENCODINGS),
]


@pytest.mark.parametrize(("decoder", "encoding"), DECODERS)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused_and_nothing_else_escapes(
    decoder: Decoder[Any], encoding: Encoding, data: bytes
) -> None:
    _check_refusal(decoder, encoding, data)


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "sphere", "body", "\x00é"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(("decoder", "encoding"), DECODERS)
@given(data=st.dictionaries(st.sampled_from(["id", "type", "sphere", "after", "token"]), odd))
def test_well_formed_nonsense_is_refused_and_nothing_else_escapes(
    decoder: Decoder[Any], encoding: Encoding, data: dict[str, Any]
) -> None:
    _check_refusal(decoder, encoding, _written(encoding, data))


@pytest.mark.parametrize(("decoder", "encoding"), DECODERS)
@given(command=values_of(AnyCommand), data=st.data())
def test_a_mutated_frame_is_refused_and_nothing_else_escapes(
    decoder: Decoder[Any], encoding: Encoding, command: Any, data: st.DataObject
) -> None:
    frame = bytearray(encoding.encode(command))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame)))
        match data.draw(st.sampled_from(["change", "cut", "insert", "double"])):
            case "change":
                frame[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case "cut":
                del frame[at : at + data.draw(st.integers(1, 9))]
            case "insert":
                frame[at:at] = data.draw(st.binary(min_size=1, max_size=9))
            case "double":
                frame += frame[at:]

    _check_refusal(decoder, encoding, bytes(frame))


DEPTH = 60_000
BOMBS = {
    "json arrays": (JSON, b"[" * DEPTH),
    "json objects": (JSON, b'{"a":' * DEPTH),
    "json arrays behind a head": (JSON, b'{"type":"list","id":1,"x":' + b"[" * DEPTH),
    "json balanced": (JSON, b'{"x":' + b"[" * DEPTH + b"]" * DEPTH + b',"type":"list","id":1}'),
    "json where a text is": (JSON, b'{"type":"hello","id":1,"token":' + b"[" * DEPTH),
    "json long number": (JSON, b'{"type":"list","id":' + b"9" * DEPTH + b"}"),
    "json long fraction": (JSON, b'{"type":"list","id":0.' + b"9" * DEPTH + b"}"),
    "json exponent": (JSON, b'{"type":"list","id":1e999999999}'),
    "json NaN": (JSON, b'{"type":"list","id":NaN}'),
    "json Infinity": (JSON, b'{"type":"list","id":-Infinity}'),
    "json lone surrogate": (JSON, b'{"type":"hello","id":1,"token":"\\ud800aaaaaaaaaaaaaaaa"}'),
    "json surrogate as a key": (JSON, b'{"type":"list","id":1,"\\udfff":1}'),
    "json bytes of a surrogate": (JSON, b'{"type":"list","id":1,"\xed\xa0\x80":1}'),
    "json invalid utf-8": (JSON, b'{"type":"hello","id":1,"token":"\xff\xfe\xff\xfe\xff\xfe"}'),
    "json overlong utf-8": (JSON, b'{"type":"hello","id":1,"token":"\xc0\xaf"}'),
    "json trailing bytes": (JSON, b'{"type":"list","id":1} x'),
    "json two documents": (JSON, b'{"type":"list","id":1}{"type":"list","id":1}'),
    "json byte order mark": (JSON, b'\xef\xbb\xbf{"type":"list","id":1}'),
    "json utf-16": (JSON, '{"type":"list","id":1}'.encode("utf-16")),
    "msgpack arrays": (MSGPACK, b"\x91" * DEPTH),
    "msgpack maps": (MSGPACK, b"\x81\xa1a" * DEPTH),
    "msgpack arrays behind a head": (
        MSGPACK,
        b"\x83\xa4type\xa4list\xa2id\x01\xa1x" + b"\x91" * DEPTH,
    ),
    "msgpack claimed length": (MSGPACK, b"\x83\xa4type\xa4list\xa2id\x01\xa1x\xdd\xff\xff\xff\xff"),
    "msgpack claimed map": (MSGPACK, b"\xdf\xff\xff\xff\xff"),
    "msgpack claimed text": (MSGPACK, b"\x82\xa4type\xdb\xff\xff\xff\xff"),
    "msgpack NaN": (MSGPACK, b"\x82\xa4type\xa4list\xa2id\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
    "msgpack extension": (MSGPACK, b"\x82\xa4type\xa4list\xa2id\xd4\x05x"),
    "msgpack broken timestamp": (MSGPACK, b"\x82\xa4type\xa4list\xa2id\xc7\x03\xff\x00\x00\x00"),
    "msgpack late timestamp": (MSGPACK, b"\x82\xa4type\xa4list\xa2id\xc7\x0c\xff" + b"\xff" * 12),
    "msgpack extension as a key": (MSGPACK, b"\x81\xd4\x05x\x01"),
    "msgpack array as a key": (MSGPACK, b"\x81\x91\x01\x01"),
    "msgpack reserved byte": (MSGPACK, b"\xc1"),
    "msgpack bytes as type": (MSGPACK, b"\x82\xa4type\xc4\x04list\xa2id\x01"),
    "msgpack trailing bytes": (MSGPACK, b"\x82\xa4type\xa4list\xa2id\x01\x00"),
    "msgpack lone surrogate": (MSGPACK, b"\x82\xa4type\xa4list\xa2id\xa3\xed\xa0\x80"),
    "nothing, json": (JSON, b""),
    "nothing, msgpack": (MSGPACK, b""),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_crafted_frame_is_refused(name: str) -> None:
    encoding, frame = BOMBS[name]

    for decoder in (COMMANDS[encoding], CONNECTOR_COMMANDS[encoding]):
        _check_refusal(decoder, encoding, frame)
        with pytest.raises(errors.BadInput):
            decoder.decode(frame)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_key_named_twice_is_read_alike_by_the_envelope_and_by_the_command(
    encoding: Encoding,
) -> None:
    frame = (
        b'{"type":"list","id":1,"id":2}'
        if encoding is JSON
        else b"\x83\xa4type\xa4list\xa2id\x01\xa2id\x02"
    )

    assert COMMANDS[encoding].decode(frame).id == COMMANDS[encoding].request_id(frame) == 2


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "dance", "id": 1}, "unknown_command"),
        ({"type": "posted", "id": 1, "seq": 1, "at": 1}, "unknown_command"),
        ({"type": 5, "id": 1}, "unknown_command"),
        ({"type": None, "id": 1}, "unknown_command"),
        ({"id": 1}, "invalid_field"),
        ({"type": "list"}, "invalid_field"),
        ({"type": "list", "id": -1}, "invalid_field"),
        ({"type": "list", "id": 2**53}, "invalid_field"),
        ({"type": "list", "id": True}, "invalid_field"),
        ({"type": "list", "id": 1, "more": 1}, "invalid_field"),
        ({"type": "leave", "id": 1, "sphere": "A" * 26}, "invalid_field"),
        ({"type": "leave", "id": 1, "sphere": "a" * 25}, "invalid_field"),
        ({"type": "leave", "id": 1, "sphere": "a" * 27}, "invalid_field"),
        ({"type": "leave", "id": 1, "sphere": SPHERE + "\n"}, "invalid_field"),
        ({"type": "leave", "id": 1, "sphere": "\n" + SPHERE}, "invalid_field"),
        ({"type": "history", "id": 1, "sphere": SPHERE, "limit": 501}, "invalid_field"),
        ({"type": "history", "id": 1, "sphere": SPHERE, "limit": 0}, "invalid_field"),
        ({"type": "create", "id": 1, "name": ""}, "invalid_field"),
        ({"type": "create", "id": 1, "name": "x" * 81}, "invalid_field"),
        ({"type": "bequeath", "id": 1, "sphere": SPHERE, "form": "all"}, "invalid_field"),
        ([], "invalid_field"),
        (7, "invalid_field"),
        (None, "invalid_field"),
    ],
)
def test_what_is_wrong_is_named(frame: Any, code: str, encoding: Encoding) -> None:
    with pytest.raises(errors.BadInput) as refused:
        COMMANDS[encoding].decode(_written(encoding, frame))

    assert refused.value.code == code


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "client_id", ["a" * 7, "a" * 65, "with space", "accentué", "a" * 8 + "\n", "\n" + "a" * 8]
)
def test_a_client_id_is_8_to_64_safe_characters_and_no_more(
    client_id: str, encoding: Encoding
) -> None:
    post = {"type": "post", "id": 1, "sphere": SPHERE, "revision": 1, "body": "x"}

    COMMANDS[encoding].decode(_written(encoding, post | {"client_id": "Aa0_.:-x"}))
    COMMANDS[encoding].decode(_written(encoding, post | {"client_id": "x" * 64}))
    with pytest.raises(errors.InvalidField):
        COMMANDS[encoding].decode(_written(encoding, post | {"client_id": client_id}))


@pytest.mark.parametrize("kind", [*COMMAND_KINDS, *BOT_KINDS])
def test_no_command_takes_a_field_that_it_does_not_name(kind: Any) -> None:
    assert kind.__struct_config__.forbid_unknown_fields
    assert kind.__struct_config__.frozen


def test_the_encodings_name_their_subprotocols_and_frames() -> None:
    assert {name: one.opcode for name, one in codec.ENCODINGS.items()} == {
        "cloison.v1.msgpack": BINARY,
        "cloison.v1.json": TEXT,
    }
    assert [repr(one) for one in ENCODINGS] == [
        "<Encoding cloison.v1.msgpack>",
        "<Encoding cloison.v1.json>",
    ]


def test_nothing_that_the_server_says_of_people_has_room_for_an_address() -> None:
    said = [*REPLY_KINDS, *EVENT_KINDS, *NOTICE_KINDS, *SIGNAL_KINDS, Accepted]
    shown = [kind for kind in vars(views).values() if isinstance(kind, type)]

    fields = {name for kind in [*said, *shown] for name in getattr(kind, "__struct_fields__", ())}

    assert not {name for name in fields if "address" in name or "account" in name}
    assert Accepted.__struct_fields__ == ("id",)


def test_the_unions_list_every_struct_of_their_modules() -> None:
    for module, root, union in (
        (commands, commands.Command, AnyCommand),
        (events, events.TimelineEvent, AnyTimelineEvent),
        (events, events.Notice, AnyNotice),
        (signals, signals.Signal, AnySignal),
        (replies, replies.Reply, AnyReply),
    ):
        defined = {
            kind
            for kind in vars(module).values()
            if isinstance(kind, type) and issubclass(kind, root) and kind is not root
        }

        assert defined <= set(structs_of(union))


def test_a_type_means_one_thing_in_each_direction() -> None:
    for kinds in (
        COMMAND_KINDS,
        BOT_KINDS,
        [*REPLY_KINDS, *EVENT_KINDS, *NOTICE_KINDS, *SIGNAL_KINDS],
    ):
        tags = [kind.__struct_config__.tag for kind in kinds]

        assert len(tags) == len(set(tags))
