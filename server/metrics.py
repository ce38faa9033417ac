"""Metrics: how much and how fast, in Prometheus' format, on a port of their own.

Decides what is counted and where it is read: never on the port that people reach, and only when a
port is set. Invariant: no label and no value tells who, where or what: labels are drawn from the
fixed vocabularies of the protocol and of HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, MetricsHandler
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from server import errors
from server.channels.outcome import Publication
from server.tallies import Tallies
from server.watching import Answer, Commit

_log = structlog.get_logger(__name__)

#: From a commit to memory to a disk that stalls.
COMMIT_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
#: Up to what one transaction may hold by default.
BATCH_POSTS = (1, 2, 5, 10, 20, 50, 100, 200, 512)
#: Figures that are read when somebody asks, by name; what reads them is the composition root's.
GAUGES: Final[Mapping[str, str]] = {
    "connections": "Open WebSockets of people and bots.",
    "readers": "Open WebSockets of readers without an account.",
    "sessions": "Sessions that have an open WebSocket.",
    "connections_congested": "Peers over their high-water mark at the moment: slow readers.",
    "writer_queue": "Writes that wait for the store.",
    "writer_bytes": "Bytes of the posts that wait for the store.",
    "broker_queue": "Departures and revocations that the broker did not take yet.",
    "deaf": "1 while this node does not hear the others, and delivers nothing: alert on it.",
    "password_hashes": "Password hashes that wait or run.",
    "erasures_pending": "1 while something holds up an erasure: alert on it.",
    "keys": "Keys in the keyring, each of which an erasure can destroy.",
    "clock_seconds": "What time the server takes it to be, since 1970: deadlines follow it.",
}
#: The figures that are told apart, and by what.
LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "events": ("type",),
    "http_responses": ("status",),
    "http_refusals": ("code",),
    "refusals": ("code",),
    "connections_closed": ("code",),
}
#: Outcomes of a write that are the server's fault, or its disk's; a refusal is an answer.
_FAILURES = frozenset({"failed", errors.StorageUnavailable.code, errors.OutcomeUnknown.code})


class Metrics:
    """The figures of one server."""

    def __init__(self, tallies: Tallies) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Tallied(tallies))
        self._events = self._counter(
            "events",
            "Timeline events published to whole spheres, by their type.",
        )
        self._responses = self._counter("http_responses", "HTTP answers, by their status.")
        self._refusals = self._counter("http_refusals", "HTTP refusals, by their code.")
        self._posts = self._counter("posts_committed", "Posts made durable.")
        self._failures = self._counter(
            "commits_failed", "Writes that failed through a fault of the disk's or the server's."
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

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"cloison_{name}", text, LABELS.get(name, ()), registry=self.registry)

    def read(self, gauges: Mapping[str, Callable[[], float]]) -> None:
        """Have each of ``GAUGES`` read whenever somebody asks, on another thread."""
        assert gauges.keys() == GAUGES.keys(), "each figure is read, and each is documented"
        for name, read in gauges.items():
            gauge = Gauge(f"cloison_{name}", GAUGES[name], registry=self.registry)
            gauge.set_function(partial(_asked, read))

    def heard(self, publication: Publication) -> None:
        """Count what was published, but in private threads; the broker calls this."""
        for entry in publication.entries:
            if entry.event.thread is None:
                self._events.labels(str(entry.event.__struct_config__.tag)).inc()

    def answered(self, answer: Answer) -> None:
        """Count an HTTP answer."""
        self._responses.labels(str(answer.status)).inc()
        if answer.refusal:
            self._refusals.labels(answer.refusal).inc()

    def committed(self, commit: Commit) -> None:
        """Count a commit, and the posts that shared it."""
        if commit.outcome:
            if commit.outcome in _FAILURES:
                self._failures.inc()
            return
        self._commits.observe(commit.span.seconds)
        if commit.posts:
            self._batches.observe(commit.posts)
            self._posts.inc(commit.posts)

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


def _asked(read: Callable[[], float]) -> float:
    """Return a figure, or that there is none: what holds it may not answer, and others do."""
    try:
        return read()
    except errors.Refusal:
        return math.nan


class _Tallied(Collector):
    """Gives what the loop counts, when somebody asks: the loop never waits for it."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the figures of this moment."""
        tallies = self._tallies
        yield CounterMetricFamily(
            "cloison_deliveries",
            "Timeline events handed to members' sockets.",
            value=tallies.deliveries,
        )
        for name, text, counted in (
            (
                "refusals",
                "Refusals on WebSockets and of their handshakes, by their code.",
                tallies.refusals,
            ),
            (
                "connections_closed",
                "WebSockets that ended, by their close code: 4001 slow readers that were cut.",
                tallies.closes,
            ),
        ):
            family = CounterMetricFamily(f"cloison_{name}", text, labels=LABELS[name])
            for code, times in dict(counted).items():
                family.add_metric([code], times)
            yield family


class _Listener(ThreadingHTTPServer):
    """The library's own server, which asks no name server who it is."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong, as everything is logged: its own way prints a traceback."""
        _log.warning("metrics_unread", exc_info=True)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # of text
