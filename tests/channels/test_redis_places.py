"""Where Redis is: a master that real sentinels name, a real cluster of three shards, TLS."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.channels.broker_redis import RedisBroker
from server.channels.redis_line import RedisLine
from server.channels.redis_places import Unreachable, open_lines, plan_of
from tests.channels.listeners import ANA, SPHERE, departure, posted, said
from tests.channels.test_broker_redis import acquainted, ears
from tests.nodes import until
from tests.redis_server import RedisServer, free_port


def _ask(port: int, *words: str) -> bytes:
    """Send one command, and return what comes back at once."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall((" ".join(words) + "\r\n").encode())
        return line.recv(65_536)


@contextmanager
def cluster(folder: Path) -> Iterator[list[RedisServer]]:
    """Run three servers that share the slots."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(RedisServer(
                folder / str(number),
                "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
                "--cluster-node-timeout", "2000", "--cluster-port", str(free_port()),
            ))
            for number in range(3)
        ]  # fmt: skip
        for server, slots in zip(servers, ("0 5460", "5461 10922", "10923 16383"), strict=True):
            assert _ask(server.port, "CLUSTER ADDSLOTSRANGE", slots) == b"+OK\r\n"
        for server in servers[1:]:
            bus = server.flag("--cluster-port")
            _ask(servers[0].port, f"CLUSTER MEET 127.0.0.1 {server.port} {bus}")
        yield servers


async def test_nodes_hear_each_other_through_a_cluster_each_timeline_on_its_shard(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path / "redis") as servers:
        for server in servers:
            await until(lambda: b"cluster_state:ok" in _ask(server.port, "CLUSTER INFO"))  # noqa: B023  # awaited here
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{one.port}" for one in servers)
        async with acquainted(tmp_path, url) as (here, there):
            heard = ears(there)
            timelines = [letter * 26 for letter in "abcdefgh"]
            for timeline in timelines:
                await there.follow(timeline)

            for timeline in timelines:
                here.publish(said(posted(1, sphere=timeline)))
            here.publish(departure(2, ANA))
            done = asyncio.Event()
            here.after(done.set)
            await asyncio.wait_for(done.wait(), 10)
            await until(lambda: sum(len(one.entries) for one in heard) == len(timelines))

            assert here._lines is not None
            assert len({id(here._lines.of(here._channel(one))) for one in timelines}) == 3
            assert ((SPHERE, ANA.id),) in [one.departures for one in heard]


async def test_nodes_find_the_master_that_the_sentinels_name(tmp_path: Path) -> None:
    folder = tmp_path / "sentinel"
    folder.mkdir()
    configuration = folder / "sentinel.conf"
    configuration.touch()
    with (
        RedisServer(tmp_path / "redis") as master,
        RedisServer(folder, "--sentinel", configuration=configuration) as sentinel,
    ):
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/main"
        _ask(sentinel.port, f"SENTINEL MONITOR main 127.0.0.1 {master.port} 1")
        async with acquainted(tmp_path, url) as (here, there):
            heard = ears(there)

            here.publish(departure(1, ANA))
            await until(lambda: bool(heard))

            assert heard[0].departures == ((SPHERE, ANA.id),)
        with pytest.raises(Unreachable):
            await open_lines(plan_of(url.replace("main", "other")), _unused)


def _unused(sharded: bool) -> RedisLine:  # noqa: FBT001  # as open_lines calls it
    raise AssertionError("there is no line to be opened")


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@asynccontextmanager
async def tls_before(port: int, folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """Speak TLS before a plain server, since not every build does; yield the port and who signs."""
    certificate, key = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
        sink.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, before), pump(behind, writer), return_exceptions=True)

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], certificate


async def test_nodes_hear_each_other_over_tls_with_a_password(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", "--requirepass", "secret") as server:
        async with tls_before(server.port, tmp_path / "tls") as (port, certificate):
            url = f"rediss://:secret@127.0.0.1:{port}?ssl_ca_certs={certificate}"
            async with acquainted(tmp_path, url) as (here, there):
                heard = ears(there)
                here.publish(departure(1, ANA))
                await until(lambda: bool(heard))
            for wrong in (url.replace("secret@", "wrong@"), url.partition("?")[0]):
                with pytest.raises(Unreachable):
                    await open_lines(plan_of(wrong), lambda _: _line(here))


def _line(broker: RedisBroker) -> RedisLine:
    return RedisLine(broker, sharded=False, bytes_max=1)
