"""Egress: the process connects to what it was configured with, and to nothing else.

A guard inside the process: it hears of every connection, datagram and look-up that Python code asks
for, and of every program that it would start, and refuses what is not expected. It does not hear of
what a C library does by itself, so a test proves the promise from outside the process as well. The
event loop's own ways out, which are C where the loop is uvloop's, ask the guard by themselves.
Decides nothing about who may come in. Invariant: once installed, the guard stays until the end.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import msgspec
import structlog

_log = structlog.get_logger(__name__)

#: What is refused outright: a child would be out of the guard's hearing.
PROGRAMS: Final = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
    | {"subprocess.Popen", "pty.spawn"}
)
#: What looks a name up: that alone tells a stranger's server something.
LOOK_UPS: Final = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)
#: What takes bytes out.
CONNECTIONS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class EgressRefused(PermissionError):
    """Something tried to leave the process for where it has no business."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where the server may connect to: the database, the broker."""

    host: str
    port: int


class Guard:
    """Says which of the interpreter's audit events may go on."""

    def __init__(self, endpoints: Iterable[Endpoint] = ()) -> None:
        named = tuple(endpoints)
        self._places = {(endpoint.host, endpoint.port) for endpoint in named}
        self._places |= {place for endpoint in named for place in _places(endpoint)}
        self._hosts = {host for host, _ in self._places}

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hear of an event. Raises EgressRefused."""
        if event in CONNECTIONS:
            self.check_connection(event, arguments[-1])
        elif event in LOOK_UPS:
            self.check_look_up(event, arguments[0])
        elif event in PROGRAMS:
            refuse(event)

    def check_connection(self, attempt: str, address: Any) -> None:
        """Raise EgressRefused unless ``address`` is one of ours, or the socket's own (None)."""
        if address is not None and (
            not isinstance(address, tuple) or (address[0], address[1]) not in self._places
        ):
            refuse(attempt)

    def check_look_up(self, attempt: str, host: Any) -> None:
        """Raise EgressRefused unless ``host`` is one of ours, or an address: nobody is asked."""
        if isinstance(host, tuple):  # getnameinfo's
            host = host[0]
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        if host and host not in self._hosts and not _is_address(host):
            refuse(attempt)


def refuse(attempt: str) -> NoReturn:
    """Refuse to let something out. The log tells what was tried, not where it would have gone."""
    _log.error("egress_refused", attempt=attempt)
    raise EgressRefused(f"{attempt}: this process connects to its database and its broker only.")


def _places(endpoint: Endpoint) -> set[tuple[str, int]]:
    """Return the addresses of an endpoint, looked up once."""
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    return {(str(address[0]), endpoint.port) for *_, address in found}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


#: What the loops of this process ask; as the audit hook, one for the whole process.
_guard = Guard()


def install(endpoints: Iterable[Endpoint] = ()) -> None:
    """Guard this process from here to its end. Raises OSError when an endpoint has no address."""
    global _guard  # noqa: PLW0603  # an audit hook is as global, and stays
    _guard = Guard(endpoints)
    sys.addaudithook(_guard)


def loop_factory() -> asyncio.AbstractEventLoop:
    """Return the fastest event loop, which goes out only where the guard lets it."""
    fastest = _fastest_loop()

    async def create_connection(
        self: Any, protocol: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        _guard.check_connection("loop.create_connection", (host, port))
        return await fastest.create_connection(self, protocol, host, port, **options)

    async def getaddrinfo(self: Any, host: Any, port: Any, **options: Any) -> Any:
        _guard.check_look_up("loop.getaddrinfo", host)
        return await fastest.getaddrinfo(self, host, port, **options)

    ways = {name: _closed(name) for name in WAYS_OUT}
    ways |= {"create_connection": create_connection, "getaddrinfo": getaddrinfo}
    loop: asyncio.AbstractEventLoop = type("GuardedLoop", (fastest,), ways)()
    return loop


#: The methods of a loop that go out or start programs, and that nothing here needs.
WAYS_OUT: Final = (
    "create_datagram_endpoint",
    "create_unix_connection",
    "getnameinfo",
    "sock_connect",
    "sock_sendto",
    "subprocess_exec",
    "subprocess_shell",
)


def _closed(name: str) -> Callable[..., Any]:
    async def refused(*_arguments: Any, **_options: Any) -> NoReturn:
        refuse(f"loop.{name}")

    return refused


def _fastest_loop() -> type[Any]:
    try:
        import uvloop  # noqa: PLC0415  # absent where it cannot be built
    except ImportError:
        return asyncio.SelectorEventLoop
    return uvloop.Loop
