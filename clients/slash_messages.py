"""Slash messages: the orders about messages and private threads.

Invariant: what erases asks first.
"""

from __future__ import annotations

from typing import Final

from clients.conversation import Conversation, Order
from clients.failures import Misuse
from clients.private import seal
from clients.slash_deeds import act, act_on
from clients.wire import check_body


async def _private(talk: Conversation, names: str) -> None:
    here = talk.here
    members = [here.roster.find(name) for name in names.split(",")]
    with talk.expecting("thread_added"):
        found = await talk.session.request(
            "converse",
            sphere=here.place["sphere"],
            revision=here.sphere["revision"],
            members=members,
        )
    await talk.go_private(found["thread"])


async def _privates(talk: Conversation, answer: str) -> None:
    await act(talk, "prefer", private=answer)
    talk.say(f"New private threads here: {answer}")


async def _reply(talk: Conversation, said: str) -> None:
    message, body = _numbered(said, "/reply N TEXT")
    await talk.share(body, reply_to=message)


async def _edit(talk: Conversation, said: str) -> None:
    message, body = _numbered(said, "/edit N TEXT")
    words = {"body": check_body(body)} if "thread" not in talk.here.place else seal(body)
    revision = talk.here.sphere["revision"]
    await act_on(talk, "edit", message=message, revision=revision, **words)


async def _delete(talk: Conversation, said: str) -> None:
    message, _ = _numbered(f"{said} .", "/delete N")
    if await talk.agrees(f"Erase your message [{message}] for everybody?"):
        await act_on(talk, "delete", message=message)


async def _react(talk: Conversation, said: str) -> None:
    message, reaction = _numbered(said, "/react N REACTION")
    await act_on(talk, "react", message=message, reaction=reaction)


async def _unreact(talk: Conversation, said: str) -> None:
    message, reaction = _numbered(said, "/unreact N REACTION")
    await act_on(talk, "react", message=message, reaction=reaction, on=False)


def _numbered(said: str, usage: str) -> tuple[int, str]:
    """Return the place of a message, which stands in brackets before it, and what follows."""
    number, _, rest = said.partition(" ")
    number = number.strip("[]")
    if not (number.isascii() and number.isdigit()) or not rest.strip():
        raise Misuse(f"Say {usage}, where N is the number in brackets before the message.")
    return int(number), rest.strip()


MESSAGE_ORDERS: Final[dict[str, Order]] = {
    "private": _private,
    "privates": _privates,
    "reply": _reply,
    "edit": _edit,
    "delete": _delete,
    "react": _react,
    "unreact": _unreact,
}
