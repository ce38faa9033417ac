"""Load: what ``load.c`` does, in Python, where there is no C compiler.

    python -m benchmarks.python_load HOST PORT PLAN [SERVER_PID]

Speaks the same lines and reads the same plan; it is slower than the server that it loads, so its
saturated figures are its own and not the server's. It does not stall readers, and audits nothing.
Invariant: nothing here waits for one connection while others have something to read.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

MARK = b"~TS~"
POSTER = 1
PATIENCE_S = 120.0
DRAIN_S = 5.0
REPLIES = (b"\xa4type\xa7welcome", b"\xa4type\xaasubscribed", b"\xa4type\xa4page")
ACK, ERROR = b"\xa4type\xa6posted", b"\xa4type\xa5error"


class Plan:
    """The file that ``plan.py`` wrote, field by field."""

    def __init__(self, file: Path) -> None:
        self._data = file.read_bytes()
        self._at = 0

    def number(self) -> int:
        """Return the next number."""
        (value,) = struct.unpack_from("<I", self._data, self._at)
        self._at += 4
        return int(value)

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        self._at += length
        return self._data[self._at - length : self._at]

    def text(self) -> str:
        """Return the next text."""
        return self.take(self.number()).decode()

    def payload(self) -> tuple[bytes, int]:
        """Return the next payload, and the offset of what varies in it."""
        length, offset = self.number(), self.number()
        return self.take(length), offset


class Connection:
    """One WebSocket, and what it still has to say."""

    def __init__(self, plan: Plan) -> None:
        _group, self.flags, _source = plan.number(), plan.number(), plan.number()
        self.path = plan.text()
        self.steps = [plan.payload() for _ in range(plan.number())]
        self.step = 0
        self.socket: socket.socket | None = None
        self.shaken = False
        self.data = b""
        self.sent: deque[int] = deque()
        self.post, self.stamp, self.identity = b"", 0, 0
        if self.flags & POSTER:
            self.post, self.stamp = plan.payload()
            plan.number()
            self.identity = plan.number()

    @property
    def ready(self) -> bool:
        """Say whether every step was answered."""
        return self.shaken and self.step >= len(self.steps)

    def say(self, payload: bytes) -> None:
        """Send one masked frame; the mask is zero, as in ``load.c``."""
        assert self.socket is not None
        size = len(payload)
        head = bytes((0x82, 0x80 | size)) if size < 126 else b"\x82\xfe" + struct.pack(">H", size)
        self.socket.sendall(head + bytes(4) + payload)

    def go_on(self) -> None:
        """Send the next step, if there is one."""
        if self.step < len(self.steps):
            payload, offset = self.steps[self.step]
            self.say(payload if not offset else payload[:offset] + bytes(4) + payload[offset + 4 :])

    def frames(self, data: bytes) -> Iterator[bytes]:
        """Return the payloads of the whole frames that have come."""
        self.data += data
        at = 0
        while len(self.data) - at >= 2:
            head, size = 2, self.data[at + 1] & 127
            if size >= 126:
                width = 2 if size == 126 else 8
                head, field = 2 + width, self.data[at + 2 : at + 2 + width]
                size = int.from_bytes(field, "big") if len(field) == width else len(self.data)
            if len(self.data) - at < head + size:
                break
            yield self.data[at + head : at + head + size]
            at += head + size
        self.data = self.data[at:]


class Load:
    """All connections of a plan."""

    def __init__(self, host: str, port: int, file: Path, server: int = 0) -> None:
        plan = Plan(file)
        self._server = server
        self._where = host, port
        self._subprotocol = plan.text()
        self.connections = [Connection(plan) for _ in range(plan.number())]
        self.posters = [one for one in self.connections if one.flags & POSTER]
        self._selector = selectors.DefaultSelector()
        self._serial = time.monotonic_ns()
        self._posts = self._acks = self._deliveries = self._refusals = self._reads = 0
        self._late: list[int] = []
        self._answered: list[int] = []

    def open(self, start: float, count: float, inflight: float) -> dict[str, Any]:
        """Open connections, so many at a time, until all are ready."""
        wanted = self.connections[int(start) : int(start + count)]
        closed = deque(one for one in wanted if one.socket is None)
        began, until = time.perf_counter(), time.perf_counter() + PATIENCE_S
        busy: list[Connection] = []
        while (closed or busy) and time.perf_counter() < until:
            while closed and len(busy) < inflight:
                busy.append(closed.popleft())
                self._begin(busy[-1])
            self._pump(0.05)
            busy = [one for one in busy if not one.ready]
        return {
            "ready": sum(one.ready for one in wanted),
            "seconds": time.perf_counter() - began,
            "server_cpu_s": 0.0,
            "foreign_cpu": 0.0,
        }

    def close(self, start: float, count: float) -> dict[str, Any]:
        """Cut connections."""
        for one in self.connections[int(start) : int(start + count)]:
            if one.socket is not None:
                self._selector.unregister(one.socket)
                one.socket.close()
            one.socket, one.shaken, one.step, one.data = None, False, 0, b""
        return {"ready": sum(one.ready for one in self.connections)}

    def idle(self, seconds: float) -> dict[str, Any]:
        """Only read."""
        return self._measured(lambda until: self._pump(0.05), 0, 0.0, seconds)

    def saturate(
        self, window: float, readers: float, acks: float, warm: float, seconds: float
    ) -> dict[str, Any]:
        """Keep posts of each poster outstanding."""
        begun = self._posts, self._deliveries

        def more(_until: float) -> None:
            told = (self._deliveries - begun[1]) / readers if readers else 0.0
            room = window * len(self.posters) - (self._posts - begun[0] - told)
            for poster in self.posters:
                if room >= 1 and (not acks or len(poster.sent) < window):
                    self._post(poster, time.monotonic_ns())
                    room -= 1
            self._pump(0 if room >= 1 else 0.02)

        return self._measured(more, readers, warm, seconds)

    def rate(self, posts: float, readers: float, warm: float, seconds: float) -> dict[str, Any]:
        """Post at a fixed rate; latency counts from when a post was due."""
        turn, step, due = 0, int(1e9 / posts), time.monotonic_ns()

        def more(_until: float) -> None:
            nonlocal turn, due
            left = (due - time.monotonic_ns()) / 1e9
            if left > 0:
                self._pump(min(left, 0.02))
                return
            self._post(self.posters[turn % len(self.posters)], due)
            turn, due = turn + 1, due + step
            self._pump(0)

        return self._measured(more, readers, warm, seconds)

    def lone(self, count: float, pause_us: float) -> dict[str, Any]:
        """Post one at a time, each after the last one's acknowledgement."""
        self._answered, began = [], time.perf_counter()
        for _ in range(int(count)):
            acks = self._acks
            self._post(self.posters[0], time.monotonic_ns())
            while self._acks == acks:
                self._pump(0.1)
            resumed = time.perf_counter() + pause_us / 1e6
            while (left := resumed - time.perf_counter()) > 0:
                self._pump(left)
        return self._report(time.perf_counter() - began, (0, 0, 0, 0), 0.0)

    def _measured(
        self, step: Callable[[float], None], readers: float, warm: float, seconds: float
    ) -> dict[str, Any]:
        start = time.perf_counter() + warm
        end, first = start + seconds, (self._posts, self._deliveries)
        while (now := time.perf_counter()) < start:
            step(start)
        self._late, self._answered, began = [], [], now
        at = self._posts, self._acks, self._deliveries, self._reads
        spent = processor_s(self._server)
        while (now := time.perf_counter()) < end:
            step(end)

        def owed() -> float:
            return (self._posts - first[0]) * readers - self._deliveries + first[1]

        report = self._report(now - began, at, processor_s(self._server) - spent)
        while owed() > 0 and time.perf_counter() < end + DRAIN_S:
            self._pump(0.02)
        for poster in self.posters:
            poster.sent.clear()
        return {**report, "owed": int(owed())}

    def _begin(self, one: Connection) -> None:
        one.socket = socket.create_connection(self._where)
        one.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        offer = f"Sec-WebSocket-Protocol: {self._subprotocol}\r\n" if self._subprotocol else ""
        one.socket.sendall(
            f"GET {one.path} HTTP/1.1\r\nHost: {self._where[0]}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Version: 13\r\n{offer}\r\n".encode()
        )
        self._selector.register(one.socket, selectors.EVENT_READ, one)

    def _pump(self, patience_s: float) -> None:
        for key, _ in self._selector.select(patience_s):
            self._read(key.data)

    def _read(self, one: Connection) -> None:
        assert one.socket is not None
        data = one.socket.recv(262_144)
        if not data:
            raise SystemExit("load: the server closed a connection")
        self._reads += 1
        if not one.shaken:
            head, end, rest = (one.data + data).partition(b"\r\n\r\n")
            one.data = b"" if end else head
            if not end:
                return
            one.shaken, data = True, rest
            one.go_on()
        now = time.monotonic_ns()
        for payload in one.frames(data):
            self._take(one, payload, now)

    def _take(self, one: Connection, payload: bytes, now: int) -> None:
        if payload.startswith(ACK, 1) or (payload.startswith(ERROR, 1) and one.ready):
            self._refusals += payload.startswith(ERROR, 1)
            if one.sent:
                self._acks += 1
                self._answered.append(now - one.sent.popleft())
        elif not one.ready and payload.startswith(REPLIES, 1):
            one.step += 1
            one.go_on()
        elif (at := payload.find(MARK)) >= 0:
            self._deliveries += 1
            self._late.append(now - int(payload[at + 4 : at + 20], 16))

    def _post(self, one: Connection, due: int) -> None:
        payload = bytearray(one.post)
        payload[one.stamp + 4 : one.stamp + 20] = b"%016x" % due
        if one.identity:
            self._serial += 1
            payload[one.identity : one.identity + 16] = b"%016x" % self._serial
        one.sent.append(due)
        one.say(bytes(payload))
        self._posts += 1

    def _report(self, span: float, at: tuple[int, int, int, int], spent: float) -> dict[str, Any]:
        deliveries = self._deliveries - at[2]
        late, answered = _spread(self._late), _spread(self._answered)
        return {
            "seconds": span,
            "posts": self._posts - at[0],
            "acks": self._acks - at[1],
            "deliveries": deliveries,
            "refusals": self._refusals,
            "owed": 0,
            "server_cpu": spent / span,
            "own_cpu": 1.0,
            "foreign_cpu": 0.0,
            "cpu_us_per_delivery": spent / max(deliveries, 1) * 1e6,
            "frames_per_read": deliveries / (self._reads - at[3] + 1),
            "first_refusal": "",
            **{f"p{part}_us": value for part, value in late.items()},
            **{f"ack_p{part}_us": value for part, value in answered.items()},
        }


def _spread(nanoseconds: list[int]) -> dict[int, float]:
    if len(nanoseconds) < 2:
        return {50: 0.0, 90: 0.0, 99: 0.0}
    cuts = quantiles(nanoseconds, n=100)
    return {part: cuts[part - 1] / 1e3 for part in (50, 90, 99)}


def processor_s(pid: int) -> float:
    """Return the processor seconds of a process, or 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Obey commands until told to quit."""
    host, port, file, *server = sys.argv[1:]
    load = Load(host, int(port), Path(file), int(server[0]) if server else 0)
    print(json.dumps({"connections": len(load.connections), "posters": len(load.posters)}))
    sys.stdout.flush()
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "open": load.open,
        "close": load.close,
        "idle": load.idle,
        "saturate": load.saturate,
        "rate": load.rate,
        "lone": load.lone,
        "server": lambda pid: {"server": pid},
    }
    for line in sys.stdin:
        word, *values = line.split()
        act = commands.get(word)
        report = act(*map(float, values)) if act else {"error": f"no {word} without a C compiler"}
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
