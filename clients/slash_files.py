"""Slash files: the orders that share files with a message, and save those of others.

Invariant: a file goes where the prompt said when the order was typed, or nowhere.
"""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path
from typing import BinaryIO, Final

from clients.attachments import (
    is_folder,
    opened,
    save,
    size_in_words,
    split_path,
    target_of,
)
from clients.carrying import Carrier
from clients.conversation import Conversation, Order
from clients.failures import Misuse
from clients.slash_deeds import act_on
from clients.wire import Frame, check_body


async def _attach(talk: Conversation, said: str) -> None:
    shown, carrier = talk.here.sphere, _carrier(talk)
    path, words = split_path(said)
    with opened(path) as (file, size, name):
        body = check_body(words or name)
        announced = await act_on(
            talk, "attach", size=size, name=name, media_type=mimetypes.guess_type(name)[0]
        )
        attachment = str(announced["attachment"])
        talk.say(f"Sending {name} ({size_in_words(size)})")
        await asyncio.to_thread(carrier.send, attachment, file, size)
    await talk.share(body, shown, attachments=[attachment])


async def _save(talk: Conversation, said: str) -> None:
    number, _, rest = said.partition(" ")
    number = number.strip("[]")
    if not (number.isascii() and number.isdigit()):
        raise Misuse("Say /save N [PATH], where N is the number in brackets before the message.")
    carrier, where = _carrier(talk), rest.strip()
    path, more = split_path(where) if where[:1] in {'"', "'"} else (where, "")
    views = await _brought(talk, int(number))
    if more or (len(views) > 1 and path and not is_folder(path)):
        raise Misuse(f"The message [{number}] brings {len(views)} files: name a folder for them.")
    for view in views:
        target = target_of(path, view)
        await asyncio.to_thread(_fetch, carrier, view, target)
        talk.say(f"Saved {target} ({size_in_words(view['size'])})")


def _fetch(carrier: Carrier, view: Frame, target: Path) -> None:
    def fill(file: BinaryIO) -> None:
        carrier.fetch(view, file)

    save(target, fill)


async def _brought(talk: Conversation, seq: int) -> list[Frame]:
    """Return what is said of the files of a message. Raises Misuse when there are none."""
    page = await act_on(talk, "history", after=max(seq - 1, 0), limit=1)
    for event in page["events"]:
        if event["seq"] == seq and event.get("attachments"):
            return list(event["attachments"])
    raise Misuse(f"The message [{seq}] brings no file, or is not there any more.")


def _carrier(talk: Conversation) -> Carrier:
    if talk.session.carrier is None:
        raise Misuse("This session carries no files.")
    return talk.session.carrier


FILE_ORDERS: Final[dict[str, Order]] = {"attach": _attach, "save": _save}
