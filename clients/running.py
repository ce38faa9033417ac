"""Running: wires an order to what it works with, and runs it.

Two kinds: those that need one HTTP call, and those that hold a conversation over a WebSocket.
Invariant: a session that turns out to be dead is opened again at most once, and only before
anything was asked of the server.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from clients import rendering, web
from clients.arguments import Options
from clients.credentials import PATIENCE, Credentials
from clients.failures import Failure, SignInNeeded, TokenDead
from clients.lines import decode
from clients.printer import Printer
from clients.safe_text import safe_name
from clients.tokens import Tokens, directory_of
from clients.wire import BODY_CHARS_MAX, check_body, draw_client_id, encoding

if TYPE_CHECKING:
    from clients.session import Session

#: Commands that last: once connected, they come back for as long as it takes.
_LASTING: Final = frozenset({"chat", "tail"})


def run(options: Options, given: Namespace, environ: Mapping[str, str], printer: Printer) -> None:
    """Carry out the command. Raises Failure."""
    credentials = Credentials(options, environ, Tokens(directory_of(environ)), printer)
    if given.command == "read":
        asyncio.run(_read(options, given, printer))
    elif given.command == "bring":
        _bring(options, given, environ.get("CLOISON_CONNECTOR_TOKEN", ""), credentials)
    elif given.command == "accept":
        handle = credentials.accept(given.name)
        line = f"You are a member: `sign-in --organisation {safe_name(handle)}`."
        printer.record({"organisation": handle}, line)
    elif given.command in _CALLS:
        _CALLS[given.command](credentials, printer)
    else:
        _converse(options, given, credentials, printer)


def _sign_in(credentials: Credentials, printer: Printer) -> None:
    opened = credentials.sign_in()
    record = {key: value for key, value in opened.items() if key != "token"}
    name, organisation = safe_name(opened["name"]), safe_name(opened["organisation"])
    until = rendering.moment(opened["session_ends_at"])
    printer.record(
        record, f"Signed in as {name} ({opened['role']}) in {organisation}, until {until}."
    )


def _sign_out(credentials: Credentials, printer: Printer) -> None:
    credentials.sign_out()
    printer.done({"type": "done"}, "Signed out.")


def _password(credentials: Credentials, printer: Printer) -> None:
    credentials.change_password()
    printer.done({"type": "done"}, "The password is changed: sign in with the new one.")


_CALLS: Final[dict[str, Callable[[Credentials, Printer], None]]] = {
    "sign-in": _sign_in,
    "sign-out": _sign_out,
    "password": _password,
}


def _bring(options: Options, given: Namespace, token: str, credentials: Credentials) -> None:
    if not token:
        raise SignInNeeded("A bot needs its token: set CLOISON_CONNECTOR_TOKEN.")
    for body in _bodies(given):
        # The same id at each attempt: a text whose answer was lost is not brought twice.
        call = functools.partial(web.bring, options.server, token, body, draw_client_id())
        try:
            credentials.persist(call)
        except Failure as failure:
            if failure.exit_code == SignInNeeded.exit_code:
                raise SignInNeeded("The bot's token is not, or no longer, valid.") from None
            raise


def _bodies(given: Namespace) -> Iterator[str]:
    if not given.lines:
        yield _text(given)
        return
    for line in sys.stdin.buffer:
        text = decode(line).rstrip("\r\n")
        if text.strip():
            yield check_body(text)


def _text(given: Namespace) -> str:
    if given.text is not None:
        return check_body(given.text)
    # One byte more than the longest message, so that a longer one shows as such.
    return check_body(decode(sys.stdin.buffer.read(4 * BODY_CHARS_MAX + 3)).removesuffix("\n"))


def _converse(
    options: Options, given: Namespace, credentials: Credentials, printer: Printer
) -> None:
    if given.command == "send" and not given.lines:
        given.text = _text(given)
    token = credentials.token()
    try:
        asyncio.run(_work(options, given, token, printer))
    except TokenDead as dead:
        asyncio.run(_work(options, given, credentials.renew(dead), printer))


async def _read(options: Options, given: Namespace, printer: Printer) -> None:
    from clients.public_reading import PublicReading, Wish  # noqa: PLC0415 - slow to import

    if given.count == 0:
        return
    patience = PATIENCE if options.patience is None else options.patience
    wish = Wish(
        server=options.server,
        sphere=given.sphere,
        limit=given.limit,
        count=given.count,
        patience=patience,
        patience_after=float("inf") if options.patience is None else patience,
    )
    await PublicReading(wish, encoding(options.encoding), printer).run()


async def _work(options: Options, given: Namespace, token: str, printer: Printer) -> None:
    from clients.carrying import Carrier  # noqa: PLC0415
    from clients.desk import Desk  # noqa: PLC0415
    from clients.link import Waits, dial  # noqa: PLC0415 - slow to import, and `bring` needs none
    from clients.orders import ORDERS, share_lines  # noqa: PLC0415
    from clients.session import Bounds, Hooks, Session  # noqa: PLC0415

    patience = PATIENCE if options.patience is None else options.patience
    lasting = given.command in _LASTING and options.patience is None
    session = Session(
        functools.partial(dial, options.server, token, encoding(options.encoding), Waits()),
        bounds=Bounds(patience=patience, patience_after=float("inf") if lasting else patience),
        hooks=Hooks(tell=printer.note),
        carrier=Carrier(options.server, token),
    )
    try:
        await session.open()
        if given.command != "chat":
            await ORDERS[given.command](Desk(session, printer, given))
        elif sys.stdin.isatty():
            await _talk(session, given.sphere)
        else:
            await share_lines(Desk(session, printer, given))
    finally:
        await session.close()


async def _talk(session: Session, sphere: str | None) -> None:
    from clients.conversation import Conversation  # noqa: PLC0415 - only for a person
    from clients.session import Hooks  # noqa: PLC0415
    from clients.slash_orders import SLASH_ORDERS, begin  # noqa: PLC0415
    from clients.terminals import terminal  # noqa: PLC0415

    hooks = session.hooks
    with terminal() as screen:
        talk = Conversation(session, screen, SLASH_ORDERS)
        session.hooks = Hooks(talk.notice, talk.say, talk.keep_only)
        try:
            await talk.run(functools.partial(begin, talk, sphere))
        finally:
            session.hooks = hooks
