"""Credentials: who signs in, and with what.

Finds the session that this device remembers, or opens one with the password that the environment
or a person gives. Invariant: a password is read, sent to the server that was named, and let go of:
it is never stored, printed, nor taken from an argument.
"""

from __future__ import annotations

import functools
import getpass
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from clients import web
from clients.arguments import Options
from clients.failures import Misuse, SignInNeeded
from clients.printer import Printer
from clients.reconnection import Backoff
from clients.safe_text import safe_line
from clients.tokens import Identity, Stored, Tokens

T = TypeVar("T")

#: Seconds to wait for a server before giving up on it, when nobody said.
PATIENCE = 10.0


class Credentials:
    """The identity that the options name, and its session."""

    def __init__(
        self, options: Options, environ: Mapping[str, str], tokens: Tokens, printer: Printer
    ) -> None:
        self._options = options
        self._environ = environ
        self._tokens = tokens
        self._printer = printer

    @functools.cached_property
    def identity(self) -> Identity:
        """Return whom the options name; the one who is signed in, when they name nobody.

        Found once: a session that is forgotten to be opened again still says whose it was.
        """
        organisation, address = self._options.organisation, self._options.address
        if organisation and address:
            return Identity(self._options.server, organisation, address)
        known = [
            identity
            for identity in self._tokens.known(self._options.server)
            if organisation in {None, identity.organisation} and address in {None, identity.address}
        ]
        if len(known) == 1:
            return known[0]
        raise _unknown(known)

    def token(self) -> str:
        """Return the token of a session, opened just now if need be. Raises SignInNeeded."""
        stored = self._tokens.load(self.identity, _now())
        return stored.token if stored else str(self.sign_in()["token"])

    def renew(self, failure: SignInNeeded) -> str:
        """Return another token: the server does not know this one. Raises ``failure``."""
        self._tokens.forget(self.identity)
        if not self._can_ask("CLOISON_PASSWORD"):
            raise failure
        return str(self.sign_in()["token"])

    def sign_in(self) -> dict[str, Any]:
        """Open a session and remember it; return the answer of the server."""
        identity = self.identity
        password = self._secret("CLOISON_PASSWORD", f"Password of {identity.address}: ")
        older = self._tokens.load(identity, _now())
        call = functools.partial(web.sign_in, identity.server, identity.organisation)
        replaced = older.token if older else None
        opened = self.persist(lambda: call(identity.address, password, replaced))
        stored = Stored(identity, opened["token"], opened["session_ends_at"])
        try:
            self._tokens.save(stored)
        except OSError as error:
            self._printer.note(f"This device cannot remember the session: {error}")
        return opened

    def sign_out(self) -> None:
        """End the session, on the server and here."""
        identity = self.identity
        stored = self._tokens.load(identity, _now())
        self._tokens.forget(identity)
        if stored is None:
            raise SignInNeeded("Nobody is signed in: there is nothing to end.")
        web.sign_out(identity.server, stored.token)

    def accept(self, name: str) -> str:
        """Accept an invitation; return the handle of the organisation to sign in to."""
        address = self._options.address
        if not address:
            raise Misuse("Say which address was invited: --address ADDRESS.")
        invitation = self._secret("CLOISON_INVITATION", "Invitation: ")
        password = self._secret("CLOISON_PASSWORD", f"Password for {address} (new, or its own): ")
        # Once only: an invitation is used up, even when the answer is lost.
        return web.accept(self._options.server, invitation, address, name, password)

    def change_password(self) -> None:
        """Change the password, which ends every session of the account."""
        identity = self.identity
        password = self._secret("CLOISON_PASSWORD", f"Password of {identity.address}: ")
        fresh = self._secret("CLOISON_NEW_PASSWORD", "New password: ")
        if "CLOISON_NEW_PASSWORD" not in self._environ:
            again = self._secret("CLOISON_NEW_PASSWORD", "The new password again: ")
            if again != fresh:
                raise Misuse("The two new passwords differ: nothing was changed.")
        # Once only: if the answer is lost, the old password may be the wrong one by now.
        web.change_password(
            identity.server, identity.organisation, identity.address, password, fresh
        )
        self._tokens.forget(identity)

    def persist(self, call: Callable[[], T]) -> T:
        """Call, with patience for a server that is busy or away."""
        patience = PATIENCE if self._options.patience is None else self._options.patience
        return web.persist(call, Backoff(), patience, self._printer.note)

    def _secret(self, variable: str, question: str) -> str:
        said = self._environ.get(variable)
        if said:
            return said
        if not self._can_ask(variable):
            raise SignInNeeded(
                f"A secret is needed and nobody is there to type it: set {variable},"
                " or ask from a terminal."
            )
        return getpass.getpass(safe_line(question))

    def _can_ask(self, variable: str) -> bool:
        return bool(self._environ.get(variable)) or sys.stdin.isatty()


def _unknown(known: list[Identity]) -> SignInNeeded | Misuse:
    if not known:
        return SignInNeeded(
            "Who are you? Nobody is signed in to this server on this device:"
            " `sign-in --organisation HANDLE --address ADDRESS`."
        )
    names = ", ".join(f"{each.address} at {each.organisation}" for each in known)
    return Misuse(f"Several are signed in ({names}): say --organisation and --address.")


def _now() -> int:
    return int(time.time() * 1000)
