"""Wire: the generated half of ``protocol.md``, from the types, their docstrings and comments.

Pure: returns text. Invariant: each struct, code and bound of ``server/protocol`` and each class of
``server/errors.py`` appears, so that what is on the wire is in the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Any, get_args

import msgspec

from server import errors
from server.protocol import (
    commands,
    connector,
    events,
    reader,
    replies,
    scalars,
    signals,
    views,
)
from server.protocol.close import Close
from tools.comments import Comments, comments_of
from tools.markdown import code, join, line, number, prose, table
from tools.pairs import IN_THREAD, REPLIES
from tools.shapes import (
    SCALARS,
    VOCABULARIES,
    bounds_of,
    description_of,
    fields_of,
    tag_of,
    type_name,
)

Struct = type[msgspec.Struct]

_BOUNDS = (
    "The same on every server. What an operator may set is in [docs/settings.md](docs/settings.md)."
)
_COMMANDS = (
    "Every command carries its `type` (the heading) and `id` (`RequestId`). A field that is"
    " optional may be absent or null."
)
_REPLIES = "Every reply carries its `type` (the heading) and the `id` of its command."
_EVENTS = (
    "Every timeline event carries its `type` (the heading), `sphere` (`SphereId`), `seq` (`Seq`)"
    " and `at` (`Milliseconds`). A field that is optional may be absent or null."
)
_SIGNALS = (
    "Every signal carries its `type` (the heading), `sphere` (`SphereId`), in a private thread"
    " `thread` (`ThreadId`), and no `seq`. A field that is optional may be absent."
)
_NOTICES = "Every notice carries its `type` (the heading), and neither `id` nor `seq`."
_CONNECTOR = (
    "What a bot may send on `/v1/bring`, and the one answer beside `error`. Each carries its"
    " `type` (the heading) and `id` (`RequestId`)."
)
_READER = (
    "What a reader may send on `/v1/read`, what answers beside `error`, and what is told unasked."
    " Each carries its `type` (the heading); commands and replies an `id` (`RequestId`), what is"
    " told none."
)
_VIEWS = "Parts of replies and events. They carry no `type`."
_ERRORS = (
    "The `code` is stable; the text is the default `message`, which may say more. In bold: the"
    " families, whose own codes never travel on a WebSocket."
)


def reference() -> str:
    """Return the whole generated half."""
    return join(
        (
            section("Bounds", _BOUNDS, bounds()),
            section("Scalars", "", scalar_types()),
            section("Vocabularies", "", vocabularies()),
            section("Commands", _COMMANDS, structs_of(commands.AnyCommand, commands.Command)),
            section("Replies", _REPLIES, structs_of(replies.AnyReply, replies.Reply)),
            section(
                "Timeline events",
                _EVENTS,
                structs_of(events.AnyTimelineEvent, events.TimelineEvent),
            ),
            section("Signals", _SIGNALS, structs_of(signals.AnySignal, signals.Signal)),
            section("Notices", _NOTICES, structs_of(events.AnyNotice, events.Notice)),
            section("Views", _VIEWS, join(view(one) for one in every_view())),
            section("Connector dialect", _CONNECTOR, connector_dialect()),
            section("Reader dialect", _READER, reader_dialect()),
            section("Errors", _ERRORS, error_table()),
            section("Close codes", "", close_table()),
        )
    )


def section(title: str, introduction: str, body: str) -> str:
    """Return a section of the reference."""
    return join((f"## {title}", introduction, body))


def bounds() -> str:
    """Return the table of the bounds that hold whatever the settings."""
    reasons = comments_of(scalars)
    return table(
        ("name", "value", "reason"),
        (
            (code(name), _constant(value), reasons[name])
            for name, value in vars(scalars).items()
            if name.isupper() and name in reasons
        ),
    )


def scalar_types() -> str:
    """Return the table of the named scalars."""
    return table(
        ("name", "type", "bounds", "meaning"),
        (
            (code(name), type_name(get_args(alias)[0]), bounds_of(alias), description_of(alias))
            for name, alias in SCALARS.items()
        ),
    )


def vocabularies() -> str:
    """Return the strings that each vocabulary holds."""
    meanings = comments_of(scalars)
    return join(
        join(
            (
                f"### {name}",
                prose(vocabulary),
                table(
                    ("value", "meaning"),
                    (
                        (code(word.value), meanings.get(f"{name}.{word.name}", ""))
                        for word in vocabulary
                    ),
                ),
            )
        )
        for name, vocabulary in VOCABULARIES.items()
    )


def structs_of(union: UnionType, base: Struct) -> str:
    """Return an entry for each struct of ``union``, without the fields of ``base``."""
    notes = _notes()
    return join(entry(one, base, notes) for one in get_args(union))


def entry(struct: Struct, base: Struct | None, notes: Comments) -> str:
    """Return what one struct is, what answers it, and its fields."""
    return join(
        (f"### {code(tag_of(struct))}", prose(struct), _answer(struct), _table(struct, base, notes))
    )


def view(struct: Struct) -> str:
    """Return what one part of a reply or an event is, and its fields."""
    return join((f"### {struct.__name__}", prose(struct), _table(struct, None, _notes())))


def every_view() -> Iterator[Struct]:
    """Return the views, and the body of an error, in the order of their source."""
    for value in (*vars(views).values(), replies.ErrorBody):
        if isinstance(value, type) and issubclass(value, views.View) and value is not views.View:
            yield value


def connector_dialect() -> str:
    """Return the commands of bots, and their reply."""
    spoken = (*get_args(connector.AnyConnectorCommand), connector.Accepted)
    notes = _notes()
    return join(entry(one, connector.ConnectorCommand, notes) for one in spoken)


def reader_dialect() -> str:
    """Return the commands of readers, their replies, and what they are told."""
    spoken = (
        (reader.AnyReaderCommand, reader.ReaderCommand),
        (reader.AnyReaderReply, reader.ReaderReply),
        (reader.AnyReaderEvent, reader.ReaderFrame),
    )
    return join(structs_of(union, base) for union, base in spoken)


def error_table() -> str:
    """Return every refusal, family by family."""
    return table(
        ("code", "HTTP status", "temporary", "text"),
        (row for family in errors.Refusal.__subclasses__() for row in _error_rows(family)),
    )


def close_table() -> str:
    """Return every close code of this protocol."""
    return table(
        ("code", "name", "what to do", "reason"),
        (
            (
                code(int(close)),
                code(close.name),
                "come back" if close.come_back else "stop",
                close.reason,
            )
            for close in Close
        ),
    )


def error_families() -> dict[type[errors.Refusal], list[type[errors.Refusal]]]:
    """Return the refusals of each family."""
    return {family: family.__subclasses__() for family in errors.Refusal.__subclasses__()}


def _error_rows(family: type[errors.Refusal]) -> Iterable[tuple[str, str, str, str]]:
    yield f"**{code(family.code)}**", "", "", f"**{line(family)}**"
    for error in error_families()[family]:
        temporary = "yes" if error.temporary else "no"
        yield code(error.code), str(error.status), temporary, error.text()


def _answer(struct: Struct) -> str:
    if not issubclass(struct, commands.Command):
        return ""
    reply = f"Reply: {code(tag_of(REPLIES[struct]))}"
    if struct in IN_THREAD:
        reply += f"; of a thread, {code(tag_of(IN_THREAD[struct]))}"
    return f"{reply}."


def _table(struct: Struct, base: Struct | None, notes: Comments) -> str:
    fields = fields_of(struct, notes, beyond=base)
    if not fields:
        return "No other field."
    heads = ("field", "type", "present")
    rows = [(code(field.name), field.type, field.presence) for field in fields]
    if not any(field.note for field in fields):
        return table(heads, rows)
    noted = [(*row, field.note) for row, field in zip(rows, fields, strict=True)]
    return table((*heads, "note"), noted)


def _notes() -> Comments:
    notes: Comments = {}
    for module in (commands, replies, events, signals, views, connector, reader):
        notes |= comments_of(module)
    return notes


def _constant(value: Any) -> str:
    return number(value) if isinstance(value, int) else code(value)
