"""Watching: parts that tell what they did to whoever measures or traces it.

They stand in for the plain parts only where somebody watches, so that nobody else pays. Decides
what is told: which kind of thing, how long, and to what end; the words are of fixed vocabularies,
a path is its route's template. Invariant: nothing that is told names, quotes or places anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import errors
from server.auth.passwords import Passwords
from server.channels.posts import AnyDraft, Draft
from server.channels.writer import Done, Result, Writer
from server.gateway.connection import Connection
from server.http.refusals import CODE
from server.protocol import commands
from server.protocol.close import Close
from storage.database import Database, Transaction

P = ParamSpec("P")
T = TypeVar("T")

#: What HTTP itself has: a request's method may be any word.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Span(NamedTuple):
    """When something was done, in nanoseconds since 1970."""

    began: int
    ended: int

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return (self.ended - self.began) / 1e9


class Commit(NamedTuple):
    """A write, from being asked for to being durable, or to its failure."""

    span: Span
    posts: int  #: that shared it; 0: it was an action
    outcome: str  #: a refusal's code, «failed», or nothing


class Answer(NamedTuple):
    """An HTTP answer."""

    span: Span
    method: str
    route: str  #: the template, or nothing for a path that is not there
    status: int  #: 0: none was given
    refusal: str  #: its code, or nothing


class WatchedDatabase(Database):
    """A database that tells of its writes."""

    watchers: Sequence[Callable[[Commit], None]] = ()

    async def write(
        self, act: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write, and tell how it went."""
        with self._told(0):
            return await super().write(act, *args, **kwargs)

    async def append(
        self, act: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write posts, and tell of how many."""
        with self._told(len(args[0])):  # type: ignore[arg-type]  # of commit_posts
            return await super().append(act, *args, **kwargs)

    @contextmanager
    def _told(self, posts: int) -> Iterator[None]:
        began, outcome = time.time_ns(), ""
        try:
            yield
        except BaseException as error:
            outcome = error.code if isinstance(error, errors.Refusal) else "failed"
            raise
        finally:
            commit = Commit(Span(began, time.time_ns()), posts, outcome)
            for tell in self.watchers:
                tell(commit)


class WatchedPasswords(Passwords):
    """Passwords that tell how many hashes are awaited."""

    awaited = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work``, counted for as long as it waits and runs."""
        self.awaited += 1
        try:
            return await super().run(work)
        finally:
            self.awaited -= 1


class Watched:
    """Wraps an application: tells of its HTTP answers."""

    def __init__(self, app: ASGIApp, watchers: Sequence[Callable[[Answer], None]]) -> None:
        self._app = app
        self._watchers = watchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.time_ns(), 0

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, heard)
        finally:
            answer = _answer(scope, Span(began, time.time_ns()), status)
            for tell in self._watchers:
                tell(answer)


def _answer(scope: Scope, span: Span, status: int) -> Answer:
    method = scope["method"]
    return Answer(
        span,
        method if method in _METHODS else "other",
        getattr(scope.get("route"), "path", ""),
        status,
        scope.get(CODE, ""),
    )


class Command(NamedTuple):
    """A command of a person's that ran, or a post, whoever's."""

    span: Span
    kind: str  #: its type on the wire
    outcome: str  #: a refusal's code, «failed», or nothing


class WatchedWriter(Writer):
    """A writer that tells of its posts, whichever door they came by."""

    watchers: Sequence[Callable[[Command], None]] = ()

    def post(self, draft: AnyDraft, done: Done) -> None:
        """Queue a message, and tell when it was answered."""
        began = time.time_ns()

        def answered(result: Result) -> None:
            done(result)
            kind = "post" if isinstance(draft, Draft) else "bring"
            told = Command(Span(began, time.time_ns()), kind, _outcome(result))
            for tell in self.watchers:
                tell(told)

        super().post(draft, answered)


def _outcome(result: Result) -> str:
    if isinstance(result, errors.Refusal):
        return result.code
    return "failed" if isinstance(result, BaseException) else ""


def watched_connection(watchers: Sequence[Callable[[Command], None]]) -> type[Connection]:
    """Return a connection of a person that tells of the commands that it ran."""

    class WatchedConnection(Connection):
        __slots__ = ("_outcome", "_running")

        async def _run(self, command: commands.Command) -> None:
            self._running, self._outcome = command.id, ""
            began = time.time_ns()
            try:
                await super()._run(command)
            finally:
                kind = str(command.__struct_config__.tag)
                told = Command(Span(began, time.time_ns()), kind, self._outcome)
                for tell in watchers:
                    tell(told)

        def _refuse(self, request: int | None, refusal: errors.Refusal) -> None:
            if request == getattr(self, "_running", None):
                self._outcome = refusal.code
            super()._refuse(request, refusal)

        def end(self, close: Close) -> None:
            if close is Close.BROKEN:
                self._outcome = "failed"
            super().end(close)

    return WatchedConnection
