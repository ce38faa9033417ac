"""The server as an operator runs it: signals, exit codes, files of its own, TLS."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
import resource
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect

from tests.house import serving
from tests.people import PATIENCE_S, Person, call_http
from tests.process import ROOT, process


async def _token(folder: Path) -> str:
    async with serving(folder) as house:
        ana = await house.resident(await house.organisation(), "Ana")
        return await house.token(ana)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_sends_clients_away_to_come_back_and_exits_with_0(
    tmp_path: Path, how: signal.Signals
) -> None:
    token = await _token(tmp_path)
    async with process(tmp_path) as server:
        person = await Person(server.url, token).hello()

        code = await server.stop(how)

        assert await person.closed() == 4000
    assert code == 0


async def test_a_second_interrupt_ends_it_at_once_without_a_word(tmp_path: Path) -> None:
    async with process(tmp_path, DRAIN_S="60") as server:
        address = urlsplit(server.url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        head = b"POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"
        writer.write(head)
        await writer.drain()
        await asyncio.to_thread(call_http, server.url, "GET", "/readyz")  # it has read the head
        server.process.send_signal(signal.SIGINT)
        await _refused(str(address.hostname), int(address.port or 0))

        code = await server.stop(signal.SIGINT)

        writer.close()
    assert code == 130
    assert (tmp_path / "stderr.log").read_text() == ""


async def _refused(host: str, port: int) -> None:
    """Wait until nobody is let in any more."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("moment", ["server.app", "server.cli"])
def test_an_interrupt_while_it_starts_shows_no_traceback(tmp_path: Path, moment: str) -> None:
    program = (
        "import signal, sys\n"
        "class Interrupting:\n"
        f"    def find_spec(self, name, *_): name == {moment!r} and signal.raise_signal(2)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from server.__main__ import main\n"
        "sys.exit(main())"
    )
    done = _ran("-c", program, "serve", "--data-dir", str(tmp_path))

    assert (done.returncode, done.stderr) == (130, "")


def test_a_command_whose_reader_has_gone_says_nothing(tmp_path: Path) -> None:
    assert _ran("-m", "server", "migrate", "--data-dir", str(tmp_path)).returncode == 0
    readable, writable = os.pipe()
    os.close(readable)

    done = _ran("-m", "server", "doctor", "--data-dir", str(tmp_path), stdout=writable)

    os.close(writable)
    assert (done.returncode, done.stderr) == (141, "")


def _ran(*words: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


async def test_a_hang_up_that_was_to_be_ignored_is_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does; children inherit it
    try:
        async with process(tmp_path) as server:
            server.process.send_signal(signal.SIGHUP)
            status, _, _ = await asyncio.to_thread(call_http, server.url, "GET", "/readyz")
            code = await server.stop()
    finally:
        signal.signal(signal.SIGHUP, before)

    assert (status, code) == (200, 0)


async def test_it_leaves_no_memory_in_a_file_when_it_crashes(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_CORE)
        await server.stop()

    assert limits == (0, 0)


async def test_what_it_makes_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with process(tmp_path, DATA_DIR=str(folder)) as server:
        made = {path: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
        await server.stop()

    assert len(made) >= 4
    assert {mode for path, mode in made.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in made.items() if path.is_file()} == {0o600}


def _certify(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine's loopback; return it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret


async def test_it_speaks_tls_by_itself_and_nothing_older_than_1_2(tmp_path: Path) -> None:
    certificate, key = _certify(tmp_path)
    trust = ssl.create_default_context(cafile=certificate)
    settings = {"TLS_CERTIFICATE": str(certificate), "TLS_KEY": str(key)}
    async with process(tmp_path, **settings) as server:
        address = urlsplit(server.url).netloc
        async with connect(
            f"wss://{address}/v1/connect",
            ssl=trust,
            subprotocols=["cloison.v1.json"],  # type: ignore[list-item]  # a NewType
        ) as socket:
            await socket.send('{"type": "hello", "id": 1, "token": "cls_unknown-unknown"}')
            answer = await asyncio.wait_for(socket.recv(), PATIENCE_S)
        old = ssl.create_default_context(cafile=certificate)
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers("AES256-SHA:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", int(address.split(":")[1]), ssl=old)

    assert "not_authenticated" in str(answer)
