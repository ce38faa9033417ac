"""Workers: several nodes on one machine, under one parent that keeps them alive.

The parent serves nobody: it starts each worker as a server of its own, which shares the port with
the others by SO_REUSEPORT, hands on the signals that it is given, and starts anew whoever dies.
Invariant: when the parent is gone, so are the workers.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import structlog

from server.settings import Settings
from storage.database import Misconfigured, is_embedded

#: A worker that lived shorter than this died of something that will be there again.
SHORT_LIFE_S = 10.0
#: The first wait before such a worker is started anew, and the longest.
PAUSE_S, PAUSE_MAX_S = 0.5, 30.0
_LOOK_EVERY_S = 0.1
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG

_log = structlog.get_logger(__name__)


def check_shareable(settings: Settings) -> None:
    """Raise Misconfigured unless several nodes can share what these settings name."""
    if is_embedded(settings.url):
        raise Misconfigured(
            "Several workers need PostgreSQL (CLOISON_DATABASE_URL): SQLite is one process's."
        )
    if settings.broker_url is None:
        raise Misconfigured("Several workers need Redis to hear each other (CLOISON_BROKER_URL).")


class _Worker:
    """One worker, its present process and how it fared."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._began = 0.0
        self._pause = PAUSE_S
        self._due = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def look(self, now: float) -> None:
        """Start the process when there is none, once its pause is over."""
        if self.process is not None and self.process.poll() is not None:
            _log.warning("worker_died", code=self.process.returncode)
            self.process = None
            short = now - self._began < SHORT_LIFE_S
            self._pause = min(2 * self._pause, PAUSE_MAX_S) if short else PAUSE_S
            self._due = now + (self._pause if short else 0)
        if self.process is None and now >= self._due:
            self._began = now
            self.process = subprocess.Popen(  # noqa: S603  # this very program
                self._command,
                env=self._environment,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # one call, before anything else runs
            )


class Workers:
    """The parent."""

    def __init__(self, settings: Settings, count: int, flags: Sequence[str]) -> None:
        self._stopping = False
        # Bound, and never listened on: the port is ours while workers come and go.
        self._held = _hold(settings)
        port = self._held.getsockname()[1]
        command = [sys.executable, "-m", "server", "serve", *flags, "--port", str(port)]
        self._workers = [
            _Worker([*command, "--share-port"], _environment(settings, number))
            for number in range(count)
        ]

    def run(self) -> int:
        """Keep the workers alive until told to stop; return the exit code."""
        for one in _SIGNALS:
            signal.signal(one, self._hand_on)
        while not self._stopping:
            now = time.monotonic()
            for worker in self._workers:
                worker.look(now)
            time.sleep(_LOOK_EVERY_S)
        codes = [worker.process.wait() for worker in self._workers if worker.process is not None]
        self._held.close()
        return max((abs(code) for code in codes), default=0)

    def _hand_on(self, number: int, _: FrameType | None) -> None:
        """Tell the workers what this process was told: they drain, and stop.

        A terminal tells them as well, and a second interrupt ends them at once: the first is
        handed on as what it means.
        """
        number = number if self._stopping else signal.SIGTERM
        self._stopping = True
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.send_signal(number)


def _hold(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((settings.host, settings.port))
    return held


def _environment(settings: Settings, number: int) -> dict[str, str]:
    """Return what a worker is told: each has a port of its own for its metrics."""
    told = dict(os.environ)
    if settings.metrics_port:
        told["CLOISON_METRICS_PORT"] = str(settings.metrics_port + number)
    return told


def _die_with_parent() -> None:
    if Path("/proc/self").exists():  # Linux
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
