"""Metrics: how much and how fast, in Prometheus' format, on a port of their own.

Decides what is counted and where it is read: never on the port that people reach, and only when a
port is set. Invariant: no label and no value tells who, where or what: labels are drawn from the
fixed vocabularies of the protocol and of HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Concatenate, ParamSpec, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, MetricsHandler
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.auth.passwords import Passwords
from server.channels.outcome import Publication
from storage.database import Database, Transaction

P = ParamSpec("P")
T = TypeVar("T")

#: From a commit to memory to a disk that stalls.
COMMIT_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
#: Up to what one transaction may hold by default.
BATCH_POSTS = (1, 2, 5, 10, 20, 50, 100, 200, 512)


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "cloison_events",
            "Timeline events of spheres published.",
            ["type"],
            registry=self.registry,
        )
        self._responses = Counter(
            "cloison_http_responses", "HTTP answers.", ["status"], registry=self.registry
        )
        self._commits = Histogram(
            "cloison_commit_seconds",
            "Seconds from asking for a write to its being durable.",
            buckets=COMMIT_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "cloison_batch_posts",
            "Posts that shared a commit.",
            buckets=BATCH_POSTS,
            registry=self.registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Have a figure read whenever somebody asks; ``read`` is called on another thread."""
        Gauge(f"cloison_{name}", text, registry=self.registry).set_function(read)

    def heard(self, publication: Publication) -> None:
        """Count what was published, but in private threads; the broker calls this."""
        for entry in publication.entries:
            if entry.event.thread is None:
                self._events.labels(str(entry.event.__struct_config__.tag)).inc()

    def answered(self, status: int) -> None:
        """Count an HTTP answer."""
        self._responses.labels(str(status)).inc()

    def committed(self, seconds: float) -> None:
        """Count a commit."""
        self._commits.observe(seconds)

    def batched(self, posts: int) -> None:
        """Count the posts of one commit."""
        self._batches.observe(posts)

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[int]:
        """Answer whoever asks on ``port``, until the block ends; yield the port."""
        server = _Listener((host, port), MetricsHandler.factory(self.registry))
        thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Listener(ThreadingHTTPServer):
    """The library's own server, which asks no name server who it is."""

    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # of text


class MeasuredDatabase(Database):
    """A database whose commits are timed."""

    metrics: Metrics

    async def write(
        self, act: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write, and note how long it took."""
        begun = time.perf_counter()
        written = await super().write(act, *args, **kwargs)
        self.metrics.committed(time.perf_counter() - begun)
        return written

    async def append(
        self, act: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write, and note how long it took, and of how many posts."""
        begun = time.perf_counter()
        written = await super().append(act, *args, **kwargs)
        self.metrics.committed(time.perf_counter() - begun)
        self.metrics.batched(len(args[0]))  # type: ignore[arg-type]  # of commit_posts
        return written


class MeasuredPasswords(Passwords):
    """Passwords that tell how many hashes are awaited."""

    awaited = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work``, counted for as long as it waits and runs."""
        self.awaited += 1
        try:
            return await super().run(work)
        finally:
            self.awaited -= 1


class Measured:
    """Wraps an application: counts its HTTP answers by their status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(message["status"])
            await send(message)

        await self._app(scope, receive, counted)
