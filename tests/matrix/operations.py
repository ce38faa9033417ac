"""Operations: the fields of each command in the table, and how it is run inside a transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import msgspec

from server import errors
from server.channels import departures, profiles, reading
from server.channels.outcome import Limits, Request
from server.channels.posts import commit_posts, draft_of
from server.domain.facts import Member
from server.gateway.dispatch import INSIDE, READS, WRITES
from server.protocol import commands
from storage.database import Transaction

NOBODY: Final = "a" * 26

#: What each operation of the table says beside ``sphere``. ``{third}`` is another member inside,
#: ``{me}`` whoever asks, ``{connector}`` a connector of the sphere, ``{message}`` what the third
#: member said last, ``{before}`` what they said before whoever asks came, ``{mine}`` what whoever
#: asks did; ``{file}`` is one that they sent, ``{their file}`` one that the third member did.
FIELDS: Final[Mapping[str, dict[str, Any]]] = {
    "subscribe": {},
    "history": {},
    "journal": {},
    "post": {"revision": 1, "client_id": "{fresh}", "body": "hello"},
    "post, stale": {"revision": 9, "client_id": "{fresh}", "body": "hello"},
    "profile": {"member": "{third}"},
    "profile, of nobody": {"member": NOBODY},
    "describe": {"field": "title", "visibility": "hidden"},
    "configure": {"revision": 1, "name": "Another"},
    "configure, stale": {"revision": 9, "name": "Another"},
    "invite": {"address": "nobody@nowhere.example"},
    "uninvite": {"address": "nobody@nowhere.example"},
    "invite_visitor": {"address": "nobody@nowhere.example"},
    "decline": {},
    "join": {},
    "ask": {},
    "requests": {},
    "refuse": {"member": NOBODY},
    "converse": {"revision": 1, "members": ["{third}"]},
    "converse, stale": {"revision": 9, "members": ["{third}"]},
    "converse, nobody": {"revision": 1, "members": [NOBODY]},
    "prefer": {"private": "decline"},
    "leave": {},
    "remove": {"member": "{third}"},
    "remove, nobody": {"member": NOBODY},
    "remove, myself": {"member": "{me}"},
    "appoint": {"member": "{third}"},
    "appoint, myself": {"member": "{me}"},
    "appoint, nobody": {"member": NOBODY},
    "step_down": {},
    "bequeath": {"form": "named"},
    "bequeath, withdraw": {"form": "none"},
    "enter": {},
    "install_connector": {"name": "Spy"},
    "revoke_connector": {"connector": "{connector}"},
    "revoke_connector, of none": {"connector": NOBODY},
    "post, reply to nothing": {
        "revision": 1,
        "client_id": "{fresh}",
        "body": "hello",
        "reply_to": 99,
    },
    "post, in reply": {
        "revision": 1,
        "client_id": "{fresh}",
        "body": "hello",
        "reply_to": "{message}",
    },
    "post, reply to before": {
        "revision": 1,
        "client_id": "{fresh}",
        "body": "hello",
        "reply_to": "{before}",
    },
    "react, to before": {"message": "{before}", "reaction": "+1"},
    "edit": {"revision": 1, "message": "{mine}", "body": "otherwise"},
    "edit, stale": {"revision": 9, "message": "{mine}", "body": "otherwise"},
    "edit, of another": {"revision": 1, "message": "{message}", "body": "otherwise"},
    "delete": {"message": "{mine}"},
    "delete, of another": {"message": "{message}"},
    "react": {"message": "{message}", "reaction": "+1"},
    "react, to nothing": {"message": 99, "reaction": "+1"},
    "mark_read": {"seq": 1},
    "attach": {"size": 5},
    "post, with a file": {
        "revision": 1,
        "client_id": "{fresh}",
        "body": "hello",
        "attachments": ["{file}"],
    },
    "post, with a file of another": {
        "revision": 1,
        "client_id": "{fresh}",
        "body": "hello",
        "attachments": ["{their file}"],
    },
}

#: Commands that name a sphere and are no row: what they answer is the connection's own affair.
OF_THE_CONNECTION: Final = {"unsubscribe", "typing"}

Act = Callable[[Transaction, Request[Any]], object]


def tag(command: type[commands.Command]) -> str:
    """Return the type of a command on the wire."""
    return str(command.__struct_config__.tag)


COMMANDS: Final = {tag(command): command for command in get_args(commands.AnyCommand)}


def naming_a_sphere() -> set[str]:
    """Return the type of every command of the protocol that names a sphere."""
    return {kind for kind, command in COMMANDS.items() if "sphere" in command.__struct_fields__}


def _post(tx: Transaction, request: Request[commands.Post]) -> object:
    draft = draft_of(request.command, request.member.id)
    (result,) = commit_posts(tx, [draft], request.now)
    if isinstance(result, errors.Refusal):
        raise result
    return result


#: How to run what stands in none of the tables of ``dispatch``.
ASIDE: Final[Mapping[type[commands.Command], Act]] = {
    commands.Post: _post,
    commands.Subscribe: reading.snapshot,
    commands.GetHistory: reading.history,
    commands.GetProfile: profiles.shown,
    commands.Leave: departures.leave,
}
ACTS: Final[Mapping[type[commands.Command], Act]] = {**READS, **WRITES, **INSIDE, **ASIDE}


def fields_of(operation: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an operation beside ``sphere``, with these names in their places."""
    known = {"{fresh}": secrets.token_hex(8)} | {f"{{{key}}}": names[key] for key in names}

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(one) for one in value]
        return known.get(value, value) if isinstance(value, str) else value

    return {key: named(value) for key, value in FIELDS[operation].items()}


def command(operation: str, sphere: str, names: Mapping[str, Any]) -> commands.Command:
    """Return the command of an operation in a sphere."""
    kind = operation.partition(",")[0]
    whole = {"type": kind, "id": 1, "sphere": sphere} | fields_of(operation, names)
    made: commands.Command = msgspec.convert(whole, COMMANDS[kind])
    return made


def answer(tx: Transaction, asked: commands.Command, member: Member, now: int) -> str:
    """Run a command in a transaction, undo it, and return ok or the code of the refusal."""
    request = Request(command=asked, member=member, now=now, limits=Limits())
    point = tx.begin_nested()
    try:
        ACTS[type(asked)](tx, request)
    except errors.Refusal as refusal:
        return refusal.code
    finally:
        point.rollback()
    return "ok"
