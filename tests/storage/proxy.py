"""A proxy before PostgreSQL, which loses a connection at the worst moment: when it commits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

#: PostgreSQL's simple query.
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
_SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Passes on what is said; ``lose`` says what becomes of the next commit."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.folder = folder
        self._server = str(server / _SOCKET)
        self._lose: Callable[[socket.socket, bytes], bool] | None = None
        self._open = True
        self._mute = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / _SOCKET))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_the_answer(self) -> None:
        """Let the next commit happen, and nobody hear of it."""

        def lose(server: socket.socket, words: bytes) -> bool:
            self._mute = True  # whatever the server says next is the answer
            server.sendall(words)
            return True

        self._lose = lose

    def lose_the_question(self, *, stay_away: bool) -> None:
        """Let the next commit not reach the server; ``stay_away``: nor anything after it."""

        def lose(_server: socket.socket, _words: bytes) -> bool:
            self._open = not stay_away
            return False

        self._lose = lose

    def close(self) -> None:
        """Accept nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._open:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for one, other, way in ((client, server, self._there), (server, client, self._back)):
                threading.Thread(target=_pass_on, args=(one, other, way), daemon=True).start()

    def _there(self, server: socket.socket, words: bytes) -> bool:
        if self._lose is None or COMMIT not in words:
            server.sendall(words)
            return True
        lose, self._lose = self._lose, None
        return lose(server, words)

    def _back(self, client: socket.socket, words: bytes) -> bool:
        mute, self._mute = self._mute, False
        if not mute:
            client.sendall(words)
        return not mute


def _pass_on(
    source: socket.socket, target: socket.socket, way: Callable[[socket.socket, bytes], bool]
) -> None:
    try:
        while (words := source.recv(65_536)) and way(target, words):
            pass
    except OSError:
        pass
    for end in (source, target):
        with end:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
